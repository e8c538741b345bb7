#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/pages.h"
#include "sagactl/targets.h"
#include "sagactl/text.h"
#include "sagactl/verbs.h"

namespace unwind::sagactl {
namespace {

// An orchestrator without room is asked again, after the pause that it asks for.
constexpr int kAsksMax = 10;
constexpr absl::Duration kPauseMin = absl::Milliseconds(100), kPauseMax = absl::Seconds(10);

struct Options {
  TargetFilter filter;
  std::string actor, reason;
  bool yes = false;
};

using Verb = absl::StatusOr<saga::v1::Saga> (*)(Session&, const Asked&);

struct Bulk {
  const char* name;  // "retry"
  Verb verb;
};

bool Is(const absl::Status& status, const char* reason) { return GetErrorInfo(status).reason == reason; }

absl::Status Ask(Session& session, const Bulk& bulk, const Options& options, const Target& target) {
  const Asked asked = {.saga_id = target.saga.saga_id(),
                       .step = target.step.name(),
                       .actor = options.actor,
                       .reason = options.reason,
                       .seen_direction = target.saga.direction(),
                       .seen_phase = target.step.phase()};
  for (int asks = 1;; ++asks) {
    const absl::Status status = bulk.verb(session, asked).status();
    if (!Is(status, "OVERLOADED") || asks == kAsksMax) return status;
    absl::SleepFor(std::clamp(GetRetryAfter(status), kPauseMin, kPauseMax));
  }
}

std::string Named(const Bulk& bulk, const Target& target) {
  return absl::StrCat(bulk.name, " ", target.saga.saga_id(), " ", target.step.name());
}

// One line for each step, as soon as it is known how it ended, so that a list that breaks off is true.
void PrintOne(Session& session, const Bulk& bulk, const Target& target, const absl::Status& status) {
  const char* const ending = Word(EndingOf(status));
  const std::string reason = GetErrorInfo(status).reason;
  if (session.json) {
    nlohmann::json json = {{"sagaId", target.saga.saga_id()},
                           {"step", target.step.name()},
                           {"verb", bulk.name},
                           {"outcome", absl::StrReplaceAll(absl::AsciiStrToUpper(ending), {{" ", "_"}})}};
    if (!status.ok()) json["error"] = {{"reason", reason}, {"message", std::string(status.message())}};
    session.out << json.dump() << "\n";
  } else {
    const std::string why = status.ok() ? "" : absl::StrCat(", ", reason, reason.empty() ? "" : ": ", status.message());
    session.out << Escaped(absl::StrCat(Named(bulk, target), ": ", ending, why)) << "\n";
  }
  session.out << std::flush;
}

// What would be done.
void PrintDry(Session& session, const Bulk& bulk, const std::vector<Target>& targets) {
  for (const Target& target : targets) {
    const nlohmann::json json = {
        {"sagaId", target.saga.saga_id()}, {"step", target.step.name()}, {"verb", bulk.name}, {"outcome", "NOT_ASKED"}};
    session.out << json.dump() << "\n";
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

struct Tally {
  std::size_t done = 0, refused = 0, not_known = 0;

  void Add(Ending ending) { ++(ending == Ending::kDone ? done : ending == Ending::kRefused ? refused : not_known); }
  std::string Words(std::size_t all) const {
    return absl::StrCat(done, " done, ", refused, " refused, ", not_known, " not known, ",
                        all - done - refused - not_known, " not asked");
  }
};

// Ends early where the rest would fare no better, or where it is not known what was done.
absl::Status DoAll(Session& session, const Bulk& bulk, const Options& options, const std::vector<Target>& targets) {
  Tally tally;
  for (const Target& target : targets) {
    const absl::Status status = Ask(session, bulk, options, target);
    const Ending ending = EndingOf(status);
    PrintOne(session, bulk, target, status);
    tally.Add(ending);
    if (ending == Ending::kNotKnown) {
      return NotKnown(absl::StrCat("whether this was done is not known: ", Named(bulk, target),
                                   "; look at that saga before you go on; ", tally.Words(targets.size())));
    }
    if (Is(status, "CALLER_NOT_ALLOWED") || Is(status, "OVERLOADED")) break;
  }
  return tally.done == targets.size() ? absl::OkStatus() : NotAll(tally.Words(targets.size()));
}

absl::Status Do(Session& session, const Bulk& bulk, const Options& options, const std::vector<Target>& targets,
                const std::string& what) {
  if (!options.yes) {
    if (session.json) PrintDry(session, bulk, targets);
    session.err << "dry run, nothing was done; with --yes it would " << what << "\n";
    return absl::OkStatus();
  }
  if (targets.size() > 1 && session.is_terminal && session.json) PrintTargets(session, targets, session.err);
  if (targets.size() > 1 && !Agrees(session, what)) return NotAll("nothing was done");
  return DoAll(session, bulk, options, targets);
}

absl::Status Run(Session& session, const Bulk& bulk, const Options& options) {
  ASSIGN_OR_RETURN(const Targets targets, FindTargets(session, options.filter));
  const std::size_t count = targets.all.size();
  if (count == 0) {
    session.err << "no step is parked or stuck that these filters choose\n";
    return absl::OkStatus();
  }
  if (!session.json) PrintTargets(session, targets.all, session.out);
  const std::string what = absl::StrCat(bulk.name, " ", count, " step", count == 1 ? "" : "s");
  if (targets.are_cut) {
    session.err << "there are more steps than --limit=" << count << ": raise it, or call this again\n";
  }
  RETURN_IF_ERROR(Do(session, bulk, options, targets.all, what));
  return targets.are_cut ? NotAll("these were not all") : absl::OkStatus();
}

void Add(CLI::App& app, Command& chosen, const Bulk& bulk, const std::string& help, const std::string& example) {
  CLI::App& command = AddCommand(app, absl::StrCat(bulk.name, "-all"), help, example);
  const auto options = std::make_shared<Options>();
  TargetFilter& filter = options->filter;
  command.add_option("--definition", filter.definition, "only of this definition")->required();
  command.add_option("--step", filter.step, "only this step");
  command.add_option("--failure", filter.failure,
                     "only steps whose last call failed, or that were parked, with this reason");
  command.add_option("--state", filter.state, "only of sagas in this state")
      ->check(CLI::IsMember(UnfinishedStateNames(), CLI::ignore_case));
  command.add_option("--reason", options->reason, "why; stays in the history, at most 256 bytes")->required();
  command.add_option("--actor", options->actor, kActorHelp);
  command.add_option("--limit", filter.limit, "how many steps at most; exit 1 if there are more")
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
  Add(app, chosen, {"retry", Retry},
      "Lists the parked and stuck steps that the filters choose, or retries them all. A saga that turned since it was "
      "listed is refused; the command stops where it is not known whether a step was moved.",
      "sagactl retry-all --definition place-order --failure DESK_CLOSED --reason 'the desk is open again' --yes");
  Add(app, chosen, {"skip", Skip},
      "Lists the parked and stuck steps that the filters choose, or skips them all. Nobody checks it: see `skip`. A "
      "saga "
      "that turned since it was listed is refused; the command stops where it is not known whether a step was moved.",
      "sagactl skip-all --definition book-trip --step book_room --reason 'all cancelled by phone'");
}

}  // namespace unwind::sagactl
