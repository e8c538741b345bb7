#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/commands.h"
#include "sagactl/json.h"
#include "sagactl/text.h"

namespace unwind::sagactl {
namespace {

namespace v1 = ::saga::participant::v1;

absl::Status Nudge(Session& session, const v1::NudgeRequest& request) {
  ASSIGN_OR_RETURN(const v1::NudgeResponse response, Call(*session.nudges, &v1::NudgeService::Stub::Nudge, request));
  if (session.json) {
    PrintJson(session, response);
  } else {
    session.out << Escaped(absl::StrCat("step ", request.step(), " of saga ", request.saga_id(),
                                        " is asked about: now, or once more after the call that is out"))
                << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddNudge(CLI::App& app, Command& chosen) {
  CLI::App& nudge = AddCommand(
      app, "nudge",
      "Asks a participant now about a step that waits, instead of at its next poll; at most once a second. It decides "
      "nothing and leaves nothing in the history but the call. The instance that drives the saga keeps it.",
      "sagactl nudge 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 collect");
  const auto request = std::make_shared<v1::NudgeRequest>();
  nudge
      .add_option_function<std::string>(
          "SAGA", [request](const std::string& id) { request->set_saga_id(id); }, "its id")
      ->required();
  nudge
      .add_option_function<std::string>(
          "STEP", [request](const std::string& step) { request->set_step(step); }, "the step's name")
      ->required();
  nudge.callback([request, &chosen] { chosen = [request](Session& session) { return Nudge(session, *request); }; });
}

}  // namespace unwind::sagactl
