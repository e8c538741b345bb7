// sagactl: the operators' command line.
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstddef>
#include <iostream>
#include <string>

#include "sagactl/channel.h"
#include "sagactl/command_line.h"
#include "sagactl/ending.h"

namespace unwind::sagactl {
namespace {

std::size_t TerminalColumns() {
  winsize size = {};
  const bool is_terminal = isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return is_terminal ? size.ws_col : 0;
}

// Says what there is to say of `status`, and that standard output took nothing if so.
Exit End(absl::Status status, const std::string& server) {
  std::cout.flush();
  if (status.ok() && !std::cout) status = NotAll("standard output cannot be written, so that results are missing");
  if (!status.ok()) std::cerr << "sagactl: " << Complaint(status, server) << "\n";
  return ExitOf(status);
}

int Main(int argc, const char* const* argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // so that wcwidth knows wide characters
  CommandLine line;
  const Exit parsed = line.Parse(argc, argv, std::cout, std::cerr);
  if (parsed != kDone) return parsed;
  if (!line.command) return End(absl::OkStatus(), line.server);
  const absl::StatusOr<Connection> connection = Connect(line.server, line.tls);
  if (!connection.ok()) return End(connection.status(), line.server);
  Session session{.stub = saga::v1::SagaService::NewStub(connection->channel),
                  .nudges = saga::participant::v1::NudgeService::NewStub(connection->channel),
                  .in = std::cin,
                  .out = std::cout,
                  .err = std::cerr,
                  .json = line.json,
                  .is_terminal = isatty(STDIN_FILENO) == 1,
                  .line_max = TerminalColumns(),
                  .actor = line.actor(),
                  .zone = line.utc ? absl::UTCTimeZone() : absl::LocalTimeZone()};
  return End(line.command(session), line.server);
}

}  // namespace
}  // namespace unwind::sagactl

int main(int argc, char** argv) { return unwind::sagactl::Main(argc, argv); }
