// The command line as a whole: what was asked for, and what the exit code says of how it ended.
#ifndef UNWIND_SAGACTL_COMMAND_LINE_H_
#define UNWIND_SAGACTL_COMMAND_LINE_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "sagactl/channel.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

enum Exit : int {
  kDone = 0,
  kRefused = 1,   // by the orchestrator: not found, not possible, not all of it
  kUsage = 2,     // it was called wrongly; nothing was sent
  kNotKnown = 3,  // no answer: it may have been done
};

Exit ExitOf(const absl::Status& status);

// What to print for `status`; empty for OK. `server`: who was asked.
std::string Complaint(const absl::Status& status, const std::string& server);

class CommandLine {
 public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // kDone: `command` is what was asked for. Else the exit code, and what there is to say is printed; of --help too,
  // whose code is kDone, without a command.
  Exit Parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

  // Who decides where --actor does not say: the system user; empty with TLS, where the certificate does.
  std::string actor() const;

  Command command;
  std::string server = "127.0.0.1:7100";
  TlsFiles tls;
  bool json = false;
  bool utc = false;

 private:
  CLI::App app_;
};

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_COMMAND_LINE_H_
