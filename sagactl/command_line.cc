#include "sagactl/command_line.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/version.h"
#include "common/rpc/error.h"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/text.h"

namespace unwind::sagactl {
namespace {

constexpr char kPurpose[] =
    "Finds, reads and moves the sagas of an orchestrator, over its admin port. Times are local, with their offset.";
constexpr char kEpilogue[] =
    "\nsagactl COMMAND --help has an example of each. Definition files are checked by the orchestrator itself, which "
    "is "
    "the program\nthat will load them: orchestrator check FILE...\n\n"
    "Exit code: 0 done; 1 refused, not found, or not all of it; 2 called wrongly, nothing was sent;\n3 no answer: it "
    "may have been done.";

// What to do about a refusal, where its words do not say it.
const char* HintOf(const absl::Status& status) {
  if (absl::IsUnimplemented(status)) return "; name an orchestrator's --admin_listen";
  const ErrorInfo info = GetErrorInfo(status);
  const auto denied = info.metadata.find("denied");
  const bool is_actor =
      info.reason == "CALLER_NOT_ALLOWED" && denied != info.metadata.end() && denied->second == "actor";
  return is_actor ? "; leave --actor out: your certificate says who you are" : "";
}

}  // namespace

Exit ExitOf(const absl::Status& status) {
  switch (EndingOf(status)) {
    case Ending::kDone:
      return kDone;
    case Ending::kRefused:
      return IsCalledWrongly(status) ? kUsage : kRefused;
    case Ending::kNotKnown:
      return kNotKnown;
  }
  return kRefused;
}

std::string Complaint(const absl::Status& status, const std::string& server) {
  if (status.ok()) return "";
  const std::string message = Escaped(status.message());
  const std::string reason = GetErrorInfo(status).reason;
  if (IsOwn(status)) return message;
  if (reason.empty() && EndingOf(status) == Ending::kNotKnown) {
    return absl::StrCat("no answer from ", server, " (", message,
                        "); --server or UNWIND_SERVER says the address of an orchestrator's --admin_listen; one with "
                        "TLS needs --tls_ca, --tls_cert and --tls_key");
  }
  return absl::StrCat(reason, reason.empty() ? "" : ": ", message, HintOf(status));
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
  app_.set_version_flag("--version", absl::StrCat("sagactl ", Version(), " (", Revision(), ")"));
  app_.require_subcommand(1);
  app_.fallthrough();  // the options below may stand behind the command too
  app_.add_option("--server", server, "host:port of the orchestrator's --admin_listen")
      ->envname("UNWIND_SERVER")
      ->capture_default_str();
  for (const auto& [name, file, what] :
       {std::tuple<const char*, std::string*, const char*>("ca", &tls.ca, "the CAs that sign the orchestrator's"),
        {"cert", &tls.cert, "your certificate, whose name is who decides"},
        {"key", &tls.key, "its private key, not encrypted"}}) {
    app_.add_option(absl::StrCat("--tls_", name), *file, absl::StrCat("PEM file: ", what))
        ->envname(absl::StrCat("UNWIND_TLS_", absl::AsciiStrToUpper(name)));
  }
  app_.add_flag("--json", json, "results as proto3 JSON, one object a line");
  app_.add_flag("--utc", utc, "times in UTC");
  AddList(app_, command);
  AddShow(app_, command);
  AddDefinitions(app_, command);
  AddVerbs(app_, command);
  AddNudge(app_, command);
  AddPause(app_, command);
  AddBulk(app_, command);
  AddWatch(app_, command);
  AddToken(app_, command);
  AddCompletion(app_, command);
  app_.footer(kEpilogue);
}

std::string CommandLine::actor() const { return tls.given() ? "" : SystemUser(); }

Exit CommandLine::Parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  try {
    app_.parse(argc, argv);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return app_.exit(error, out, err) == 0 ? kDone : kUsage;
  }
}

}  // namespace unwind::sagactl
