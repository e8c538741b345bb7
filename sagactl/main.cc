// sagactl: the operators' command line.
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstddef>
#include <iostream>

#include "sagactl/channel.h"
#include "sagactl/command_line.h"

namespace unwind::sagactl {
namespace {

std::size_t TerminalColumns() {
  winsize size = {};
  const bool is_terminal = isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return is_terminal ? size.ws_col : 0;
}

int Main(int argc, const char* const* argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // so that wcwidth knows wide characters
  CommandLine line;
  const Exit parsed = line.Parse(argc, argv, std::cout, std::cerr);
  if (!line.command || parsed != kDone) return parsed;
  Session session{.stub = saga::v1::SagaService::NewStub(Connect(line.server)),
                  .in = std::cin,
                  .out = std::cout,
                  .err = std::cerr,
                  .json = line.json,
                  .is_terminal = isatty(STDIN_FILENO) == 1,
                  .line_max = TerminalColumns(),
                  .zone = line.utc ? absl::UTCTimeZone() : absl::LocalTimeZone()};
  const absl::Status status = line.command(session);
  std::cout.flush();
  if (!status.ok()) std::cerr << "sagactl: " << Complaint(status, line.server) << "\n";
  return ExitOf(status);
}

}  // namespace
}  // namespace unwind::sagactl

int main(int argc, char** argv) { return unwind::sagactl::Main(argc, argv); }
