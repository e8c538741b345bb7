#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/json.h"
#include "sagactl/text.h"
#include "sagactl/times.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

struct Options {
  std::string name, reason, actor;
};

std::string ActorOf(const Session& session, const Options& options) {
  return options.actor.empty() ? session.actor : options.actor;
}

template <class Response>
absl::StatusOr<Response> Told(Session& session, absl::StatusOr<Response> response) {
  if (EndingOf(response.status()) == Ending::kNotKnown) {
    session.err << "sagactl: whether it was done is not known: do it again, or look with `sagactl definitions`\n";
  }
  return response;
}

absl::Status Pause(Session& session, const Options& options) {
  saga::v1::PauseDefinitionRequest request;
  request.set_name(options.name);
  request.set_reason(options.reason);
  request.set_actor(ActorOf(session, options));
  ASSIGN_OR_RETURN(const saga::v1::PauseDefinitionResponse response,
                   Told(session, Call(session, &Stub::PauseDefinition, request)));
  if (session.json) {
    PrintJson(session, response.pause());
  } else {
    session.out << Escaped(absl::StrCat("no saga of ", options.name, " starts ", Words(response.pause(), session.zone)))
                << "\n";
  }
  return absl::OkStatus();
}

absl::Status Resume(Session& session, const Options& options) {
  saga::v1::ResumeDefinitionRequest request;
  request.set_name(options.name);
  request.set_actor(ActorOf(session, options));
  ASSIGN_OR_RETURN(const saga::v1::ResumeDefinitionResponse response,
                   Told(session, Call(session, &Stub::ResumeDefinition, request)));
  if (session.json) {
    PrintJson(session, response);
  } else {
    session.out << Escaped(absl::StrCat("sagas of ", options.name, " start again")) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddPause(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App& pause = AddCommand(
      app, "pause",
      "Lets no saga of a definition start any more, at any instance, until `resume`. Those that have started go on to "
      "their end. At the instance that is asked this holds at once, at the others within two seconds.",
      "sagactl pause place-order --reason 'Sales go on at 10:00.'");
  pause.add_option("NAME", options->name, "the definition's name; all its versions are paused")->required();
  pause.add_option("--reason", options->reason, "why, at most 256 bytes; who would start a saga is told")->required();
  pause.add_option("--actor", options->actor, kActorHelp);
  pause.callback([options, &chosen] { chosen = [options](Session& session) { return Pause(session, *options); }; });

  CLI::App& resume =
      AddCommand(app, "resume", "Lets sagas of a definition that is paused start again.", "sagactl resume place-order");
  resume.add_option("NAME", options->name, "the definition's name")->required();
  resume.add_option("--actor", options->actor, kActorHelp);
  resume.callback([options, &chosen] { chosen = [options](Session& session) { return Resume(session, *options); }; });
}

}  // namespace unwind::sagactl
