#include "tests/model/configurations.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/model/search.h"
#include "tests/model/story.h"

namespace unwind::model {
namespace {

constexpr StepKind kC = StepKind::kCompensatable;
constexpr StepKind kP = StepKind::kPivot;
constexpr StepKind kR = StepKind::kRetriable;

StepPlan MakeStep(std::string name, StepKind kind, std::vector<int> after) {
  StepPlan step;
  step.name = std::move(name);
  step.kind = kind;
  step.after = std::move(after);
  step.has_compensation = kind == kC;
  step.has_resolve = kind == kP;
  step.retry.attempts = 2;
  return step;
}

Model MakeModel(std::string name, std::vector<StepPlan> steps) {
  Model model;
  model.name = std::move(name);
  model.plan.deadline = absl::Seconds(30);
  model.plan.refusals_max = 2;
  model.plan.steps = std::move(steps);
  return model;
}

Model Sequence() {
  return MakeModel("a, then the pivot, then r",
                   {MakeStep("a", kC, {}), MakeStep("pivot", kP, {0}), MakeStep("r", kR, {1})});
}

Model TwoTransactions() {
  Model model = Sequence();
  model.name += ", through a gateway";
  model.two_transactions = true;
  return model;
}

Model Diamond() {
  return MakeModel("diamond a, (b, c), then the pivot", {MakeStep("a", kC, {}), MakeStep("b", kC, {0}),
                                                         MakeStep("c", kC, {0}), MakeStep("pivot", kP, {1, 2})});
}

Model Compensatable() {
  return MakeModel("a, b, c, all compensatable",
                   {MakeStep("a", kC, {}), MakeStep("b", kC, {0}), MakeStep("c", kC, {1})});
}

Model SkippedBetween() {
  Model model = Compensatable();
  model.name = "a, b never wanted, c, all compensatable";
  model.plan.steps[1].when = [](const Saga&) { return false; };
  return model;
}

Model SkippedPivot() {
  Model model = Sequence();
  model.name = "a, then a pivot never wanted, then r";
  model.plan.steps[1].when = [](const Saga&) { return false; };
  return model;
}

Model WithoutEffect() {
  Model model = Diamond();
  model.name = "diamond a, (b without effect, c), then the pivot";
  model.plan.steps[1].has_compensation = false;
  return model;
}

Model Pausing() {
  Model model = Compensatable();
  model.name += ", in two transactions each";
  model.pauses = true;
  return model;
}

Model Retriable() {
  return MakeModel("r, (s, t), all retriable", {MakeStep("r", kR, {}), MakeStep("s", kR, {0}), MakeStep("t", kR, {0})});
}

Model Conditional(const std::string& input) {
  Model model = MakeModel(absl::StrCat("a, b if wanted, then the pivot: ", input),
                          {MakeStep("a", kC, {}), MakeStep("b", kC, {0}), MakeStep("pivot", kP, {1})});
  model.plan.steps[1].when = [](const Saga& saga) { return saga.input == "wanted"; };
  model.input = input;
  return model;
}

Model WithoutResolve() {
  Model model = Sequence();
  model.name += ", without resolve";
  model.plan.steps[1].has_resolve = false;
  return model;
}

Model OwnReply() {
  Model model = MakeModel("a, b undone by its own reply, c",
                          {MakeStep("a", kC, {}), MakeStep("b", kC, {0}), MakeStep("c", kC, {1})});
  model.plan.steps[1].compensation_reads_own_reply = true;
  return model;
}

Model Parking() {
  Model model = Sequence();
  model.name += ", whatever must succeed may be refused";
  model.must_succeed_refused = true;
  return model;
}

Model Forgetting(Model model) {
  model.name += ", until all is forgotten";
  model.forgets = true;
  model.lies = false;
  return model;
}

Model WaitingPivot() {
  Model model = Sequence();
  model.name = "a, then a pivot that waits for its customer, then r";
  model.plan.steps[1].pending = PendingPolicy{absl::Seconds(1), absl::Seconds(2), absl::Seconds(149)};
  return model;
}

Model WaitingSteps() {
  Model model =
      MakeModel("a and b, which wait as their compensations do", {MakeStep("a", kC, {}), MakeStep("b", kC, {0})});
  for (StepPlan& step : model.plan.steps) step.pending = PendingPolicy{};
  return model;
}

Model Born(Model model) {
  model.name += ", born by another saga's end";
  model.born = true;
  return model;
}

Model ShopOrder(bool quiet) {
  Model model = MakeModel(
      quiet ? "order, reserve, charge, (confirm, confirm), no lies" : "order, reserve, charge, (confirm, confirm)",
      {MakeStep("order", kC, {}), MakeStep("reserve", kC, {0}), MakeStep("charge", kP, {1}), MakeStep("stock", kR, {2}),
       MakeStep("paid", kR, {2})});
  model.two_transactions = true;
  model.lies = !quiet;
  return model;
}

Model Parallel() {
  return MakeModel("(a, b, c), then the pivot, then r",
                   {MakeStep("a", kC, {}), MakeStep("b", kC, {}), MakeStep("c", kC, {}),
                    MakeStep("pivot", kP, {0, 1, 2}), MakeStep("r", kR, {3})});
}

Model With(Model model, Bug bug, std::string name) {
  model.bug = bug;
  model.name = std::move(name);
  return model;
}

std::size_t Seen(const Found& found, const std::string& kind) {
  const auto it = found.seen.find(kind);
  return it == found.seen.end() ? 0 : it->second;
}

}  // namespace

std::vector<Configuration> SmallConfigurations() {
  const std::vector<std::string> all = {"completed", "aborted", "fenced", "compensated", "taken over"};
  std::vector<std::string> pivot = all;
  pivot.insert(pivot.end(), {"resolved happened", "resolved never"});
  std::vector<std::string> waiting = pivot;
  waiting.insert(waiting.end(), {"pending", "decided"});
  std::vector<std::string> parking = pivot;
  parking.emplace_back("parked");
  std::vector<std::string> forgotten = parking;
  forgotten.insert(forgotten.end(), {"forgotten", "undone by hand"});
  std::vector<std::string> born = parking;
  born.emplace_back("born and found");
  std::vector<std::string> own = all;
  own.emplace_back("parked");
  return {{Sequence(), 25'000, pivot},
          {TwoTransactions(), 48'000, pivot},
          {Diamond(), 650'000, pivot},
          {Conditional("wanted"), 60'000, pivot},
          {Conditional("not wanted"), 17'000, pivot},
          {Compensatable(), 80'000, all},
          {WithoutResolve(), 24'000, all},
          {OwnReply(), 74'000, own},
          {Parking(), 90'000, parking},
          {Forgetting(Sequence()), 250'000, forgotten},
          {Forgetting(TwoTransactions()), 600'000, forgotten},
          {SkippedBetween(), 23'000, all},
          {SkippedPivot(), 6'500, all},
          {WithoutEffect(), 270'000, pivot},
          {Pausing(), 85'000, all},
          {WaitingPivot(), 380'000, waiting},
          {WaitingSteps(), 115'000, {"completed", "aborted", "fenced", "compensated", "taken over", "pending"}},
          {Born(Sequence()), 60'000, born},
          {Born(Retriable()), 190'000, {"completed", "taken over", "parked", "born and found"}},
          {Retriable(), 20'000, {"completed", "taken over"}}};
}

std::vector<Configuration> LargeConfigurations() {
  const std::vector<std::string> all = {"completed",         "aborted",        "fenced",    "compensated",
                                        "resolved happened", "resolved never", "taken over"};
  return {{ShopOrder(true), 360'000, all}, {ShopOrder(false), 360'000, all}, {Parallel(), 8'800'000, all}};
}

std::vector<SeededBug> SeededBugs() {
  return {
      {With(Sequence(), Bug::kTimedOutStepNotCompensated, "a timed-out step is not compensated"), 5},
      {With(Compensatable(), Bug::kNoFence, "a commit checks neither version nor owner"), 7},
      {With(Compensatable(), Bug::kCheckThenAct, "the barrier is checked first and acted upon later"), 4},
      {With(Compensatable(), Bug::kTombstoneCollected, "a tombstone is collected too early"), 5},
      {With(Forgetting(Sequence()), Bug::kForgottenIsNever, "what was purged is taken as never done"), 8},
      {With(TwoTransactions(), Bug::kUnknownPaymentFailed, "an unknown payment is taken as failed"), 7},
      {With(Sequence(), Bug::kSendBeforeCommit, "a call is sent before the commit"), 8},
      {With(Sequence(), Bug::kTimerForgotten, "a timer is forgotten"), 2},
      {With(Sequence(), Bug::kEndedConnectionFailed, "a pivot whose connection ended is taken as failed"), 6},
      {With(Sequence(), Bug::kAnyRefusalFinal, "a refusal without the trailer is taken as final"), 6},
      {With(WaitingSteps(), Bug::kPendingNotFenced, "a pending action that is compensated is executed afterwards"), 5},
      {With(WaitingSteps(), Bug::kPendingTombstoned, "a compensation that is not finished is forgotten"), 6},
      {With(WaitingPivot(), Bug::kPendingIsOk, "a payment that is not finished is taken as paid"), 6},
      {With(Born(Sequence()), Bug::kBirthForgotten, "nobody looks for what was born"), 1},
      {With(Sequence(), Bug::kSkippedUnread, "a step is skipped that may have happened"), 7}};
}

std::string Judge(const Configuration& configuration, const Found& found) {
  const std::string& name = configuration.model.name;
  if (!found.broken.empty()) return Story(configuration.model, found);
  if (!found.closed) return absl::StrCat(name, ": not closed after ", found.worlds, " states");
  if (found.worlds < configuration.worlds_least) {
    return absl::StrCat(name, ": only ", found.worlds, " states, at least ", configuration.worlds_least,
                        " were expected");
  }
  for (const std::string& kind : configuration.kinds) {
    if (Seen(found, kind) == 0) return absl::StrCat(name, ": \"", kind, "\" never occurred");
  }
  return "";
}

std::string TableHead() {
  return absl::StrFormat("%-66s %9s %10s %7s %7s  %s\n", "configuration", "states", "moves", "rows", "seconds",
                         "completed/aborted/parked states; fenced/never/happened/takeover moves");
}

std::string TableRow(const Configuration& configuration, const Found& found) {
  return absl::StrFormat("%-66s %9d %10d %7d %7.2f  %d/%d/%d; %d/%d/%d/%d%s\n", configuration.model.name, found.worlds,
                         found.moves, found.rows, found.seconds, Seen(found, "completed"), Seen(found, "aborted"),
                         Seen(found, "parked"), Seen(found, "fenced"), Seen(found, "resolved never"),
                         Seen(found, "resolved happened"), Seen(found, "taken over"),
                         found.broken.empty() ? "" : absl::StrCat("  BROKEN: ", found.broken));
}

}  // namespace unwind::model
