#include "sagactl/command_line.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sagactl/commands.h"
#include "sagactl/text.h"

namespace unwind::sagactl {
namespace {

constexpr char kPurpose[] =
    "Finds, reads and moves the sagas of an orchestrator, over its admin port. Times are local, with their offset.";
constexpr char kEpilogue[] =
    "\nsagactl COMMAND --help has an example of each. Definition files are checked by the orchestrator itself, which "
    "is "
    "the program\nthat will load them: orchestrator check FILE...\n\n"
    "Exit code: 0 done; 1 refused, or not found; 2 called wrongly, nothing was sent; 3 the orchestrator was not "
    "reached.";

bool IsUnanswered(const absl::Status& status) {
  return GetErrorInfo(status).reason.empty() && (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status));
}

}  // namespace

Exit ExitOf(const absl::Status& status) {
  if (status.ok()) return kDone;
  if (IsUnanswered(status)) return kUnreachable;
  return absl::IsInvalidArgument(status) && GetErrorInfo(status).reason.empty() ? kUsage : kRefused;
}

std::string Complaint(const absl::Status& status, const std::string& server) {
  if (status.ok()) return "";
  const std::string message = Escaped(status.message());
  if (IsUnanswered(status)) {
    return absl::StrCat("no answer from ", server, " (", message,
                        "); --server or UNWIND_SERVER says the address of an orchestrator's --admin_listen");
  }
  const std::string reason = GetErrorInfo(status).reason;
  const char* const hint = absl::IsUnimplemented(status) ? "; name an orchestrator's --admin_listen" : "";
  return absl::StrCat(reason, reason.empty() ? "" : ": ", message, hint);
}

CLI::App& AddCommand(CLI::App& app, const std::string& name, const std::string& help, const std::string& example) {
  // The first sentence stands in the list of commands; the rest only in the command's own help.
  const std::size_t first = std::min(help.find(". "), help.size() - 1) + 1;
  CLI::App* const command = app.add_subcommand(name, help.substr(0, first));
  const std::string rest(absl::StripLeadingAsciiWhitespace(help.substr(first)));
  command->footer(absl::StrCat(rest, rest.empty() ? "" : "\n\n", "The options of `sagactl --help` may follow too.\n\n",
                               "Example:\n  ", example));
  return *command;
}

CommandLine::CommandLine() : app_(kPurpose, "sagactl") {
  app_.set_help_flag("--help,-h", "this text");
  app_.require_subcommand(1);
  app_.fallthrough();  // the options below may stand behind the command too
  app_.add_option("--server", server, "host:port of the orchestrator's --admin_listen")
      ->envname("UNWIND_SERVER")
      ->capture_default_str();
  app_.add_flag("--json", json, "results as proto3 JSON, one object a line");
  app_.add_flag("--utc", utc, "times in UTC");
  AddList(app_, command);
  AddShow(app_, command);
  AddDefinitions(app_, command);
  AddVerbs(app_, command);
  AddBulk(app_, command);
  AddWatch(app_, command);
  AddCompletion(app_, command);
  app_.footer(kEpilogue);
}

Exit CommandLine::Parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  try {
    app_.parse(argc, argv);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return app_.exit(error, out, err) == 0 ? kDone : kUsage;
  }
}

}  // namespace unwind::sagactl
