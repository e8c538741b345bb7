#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "sagactl/commands.h"
#include "sagactl/pages.h"
#include "sagactl/text.h"
#include "sagactl/verbs.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

struct Options {
  std::string definition, step, failure, state, actor, reason;
  std::size_t limit = 1000;
  bool yes = false;
};

struct Target {
  saga::v1::Saga saga;
  saga::v1::Step step;
};

using Verb = absl::StatusOr<saga::v1::Saga> (*)(Session&, const Asked&);

struct Bulk {
  const char* name;  // "retry"
  Verb verb;
};

bool IsWanted(const Options& options, const saga::v1::Step& step) {
  if (!step.parked() && !step.stuck()) return false;
  if (!options.step.empty() && step.name() != options.step) return false;
  return options.failure.empty() || step.last_failure().reason() == options.failure;
}

absl::StatusOr<std::vector<Target>> Find(Session& session, const Options& options) {
  std::vector<saga::v1::Saga::State> states(std::begin(kUnfinished), std::end(kUnfinished));
  if (!options.state.empty()) states = {StateOf(options.state)};
  saga::v1::ListSagasRequest request;
  request.set_definition(options.definition);
  std::vector<Target> targets;
  for (const saga::v1::Saga::State state : states) {
    request.set_state(state);
    RETURN_IF_ERROR(ForEachSaga(session, request, [&](const saga::v1::Saga& saga) {
      for (const saga::v1::Step& step : saga.steps()) {
        if (IsWanted(options, step) && targets.size() < options.limit) targets.push_back({saga, step});
      }
      return targets.size() < options.limit;
    }));
  }
  return targets;
}

void PrintTargets(Session& session, const std::vector<Target>& targets) {
  Table table({"SAGA", "DEFINITION", "STATE", "STEP", "LAST SENT", "LAST FAILURE"});
  for (const auto& [saga, step] : targets) {
    table.Add({saga.saga_id(), Version(saga.definition(), saga.definition_version()), Standing(saga), step.name(),
               absl::StrCat(Word(step.phase()), " ", step.attempt()), Words(step.last_failure())});
  }
  table.Print(session.out, session.line_max);
}

// One line for each step: what is done with it, or would be.
void PrintOne(Session& session, const Target& target, const char* name, const absl::Status& status, bool done) {
  if (session.json) {
    nlohmann::json json = {
        {"sagaId", target.saga.saga_id()}, {"step", target.step.name()}, {"verb", name}, {"done", done && status.ok()}};
    if (!status.ok()) json["error"] = std::string(status.message());
    session.out << json.dump() << "\n";
  } else if (status.ok()) {
    session.out << Escaped(absl::StrCat(name, " ", target.saga.saga_id(), " ", target.step.name(), ": done")) << "\n";
  } else {
    session.out << Escaped(absl::StrCat(name, " ", target.saga.saga_id(), " ", target.step.name(), ": refused, ",
                                        GetErrorInfo(status).reason, ": ", status.message()))
                << "\n";
  }
}

// Only a terminal can be asked; elsewhere --yes is the answer.
bool Agrees(Session& session, const std::string& what) {
  if (!session.is_terminal) return true;
  session.err << what << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(session.in, answer);
  answer = absl::AsciiStrToLower(answer);
  return answer == "y" || answer == "yes";
}

// UNAVAILABLE without an ErrorInfo, as soon as nobody answers: the rest would fare no better.
absl::Status DoAll(Session& session, const Bulk& bulk, const Options& options, const std::vector<Target>& targets) {
  std::size_t refused = 0;
  for (const Target& target : targets) {
    const absl::Status status =
        bulk.verb(session, {target.saga.saga_id(), target.step.name(), options.actor, options.reason}).status();
    if (!status.ok() && GetErrorInfo(status).reason.empty()) return status;
    PrintOne(session, target, bulk.name, status, /*done=*/true);
    if (!status.ok()) ++refused;
  }
  if (refused == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat(refused, " of ", targets.size(), " were refused; the others were done"),
                   {"PARTLY_REFUSED", "sagactl", {}});
}

absl::Status Run(Session& session, const Bulk& bulk, const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<Target> targets, Find(session, options));
  if (targets.empty()) {
    session.err << "no step is parked or stuck that these filters choose\n";
    return absl::OkStatus();
  }
  if (targets.size() == options.limit) session.err << "there may be more than --limit=" << options.limit << "\n";
  const std::string what = absl::StrCat(bulk.name, " ", targets.size(), " step", targets.size() == 1 ? "" : "s");
  if (!session.json) PrintTargets(session, targets);
  if (!options.yes) {
    if (session.json) {
      for (const Target& target : targets) PrintOne(session, target, bulk.name, absl::OkStatus(), /*done=*/false);
    }
    session.err << "dry run, nothing was done; with --yes it would " << what << "\n";
    return absl::OkStatus();
  }
  if (targets.size() > 1 && !Agrees(session, what)) return absl::CancelledError("nothing was done");
  return DoAll(session, bulk, options, targets);
}

void Add(CLI::App& app, Command& chosen, const Bulk& bulk, const std::string& help, const std::string& example) {
  CLI::App& command = AddCommand(app, absl::StrCat(bulk.name, "-all"), help, example);
  const auto options = std::make_shared<Options>();
  options->actor = SystemUser();
  command.add_option("--definition", options->definition, "only of this definition")->required();
  command.add_option("--step", options->step, "only this step");
  command.add_option("--failure", options->failure, "only steps whose last call failed with this reason");
  command.add_option("--state", options->state, "only of sagas in this state")
      ->check(CLI::IsMember(StateNames(), CLI::ignore_case));
  command.add_option("--reason", options->reason, "why; stays in the history, at most 256 bytes")->required();
  command.add_option("--actor", options->actor, "who decides; stays in the history, at most 64 bytes")
      ->capture_default_str();
  command.add_option("--limit", options->limit, "how many steps at most")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))
      ->capture_default_str();
  command.add_flag("--yes", options->yes,
                   "does it; without it the steps are only listed. Asks before it changes more than one if a terminal "
                   "can be asked");
  command.callback([bulk, options, &chosen] {
    chosen = [bulk, options](Session& session) { return Run(session, bulk, *options); };
  });
}

}  // namespace

void AddBulk(CLI::App& app, Command& chosen) {
  Add(app, chosen, {"retry", Retry}, "Lists the parked and stuck steps that the filters choose, or retries them all.",
      "sagactl retry-all --definition place-order --failure DESK_CLOSED --reason 'the desk is open again' --yes");
  Add(app, chosen, {"skip", Skip},
      "Lists the parked and stuck steps that the filters choose, or skips them all. Nobody checks it: see `skip`.",
      "sagactl skip-all --definition book-trip --step book_room --reason 'all cancelled by phone'");
}

}  // namespace unwind::sagactl
