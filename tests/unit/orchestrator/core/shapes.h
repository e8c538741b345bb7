// The saga shapes that tests walk.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_SHAPES_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_SHAPES_H_

#include <string>
#include <utility>
#include <vector>

#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"

namespace unwind {

inline StepPlan MakeStep(std::string name, StepKind kind, std::vector<int> after) {
  StepPlan step;
  step.name = std::move(name);
  step.kind = kind;
  step.after = std::move(after);
  step.has_compensation = kind == StepKind::kCompensatable;
  step.retry.attempts = 2;
  return step;
}

inline Plan MakePlan(std::vector<StepPlan> steps) {
  Plan plan;
  plan.name = "shape";
  plan.deadline = absl::Seconds(30);
  plan.refusals_max = 2;
  plan.steps = std::move(steps);
  return plan;
}

inline constexpr StepKind kC = StepKind::kCompensatable;
inline constexpr StepKind kP = StepKind::kPivot;
inline constexpr StepKind kR = StepKind::kRetriable;

inline Plan Sequence() { return MakePlan({MakeStep("a", kC, {}), MakeStep("b", kC, {0}), MakeStep("c", kC, {1})}); }

inline Plan PivotInTheMiddle(bool resolve) {
  Plan plan = MakePlan({MakeStep("a", kC, {}), MakeStep("pivot", kP, {0}), MakeStep("r", kR, {1})});
  plan.steps[1].has_resolve = resolve;
  return plan;
}

inline Plan DiamondBeforePivot() {
  Plan plan =
      MakePlan({MakeStep("a", kC, {}), MakeStep("b", kC, {0}), MakeStep("c", kC, {0}), MakeStep("pivot", kP, {1, 2})});
  plan.steps[3].has_resolve = true;
  return plan;
}

inline Plan AllRetriable() { return MakePlan({MakeStep("a", kR, {}), MakeStep("b", kR, {0}), MakeStep("c", kR, {0})}); }

// The middle step runs only for some inputs.
inline Plan Conditional() {
  Plan plan = Sequence();
  plan.steps[1].when = [](const Saga& saga) { return saga.input == "with b"; };
  return plan;
}

inline Plan SkippedPivot() {
  Plan plan = PivotInTheMiddle(true);
  plan.steps[1].when = [](const Saga& saga) { return saga.input == "with pivot"; };
  return plan;
}

// The middle step can only be compensated once its own reply is known.
inline Plan OwnReply() {
  Plan plan = Sequence();
  plan.steps[1].compensation_reads_own_reply = true;
  return plan;
}

inline Plan WithoutEffects() {
  Plan plan = Sequence();
  plan.steps[1].has_compensation = false;
  return plan;
}

// The pivot may wait, longer than the saga's deadline.
inline Plan WaitingPivot() {
  Plan plan = PivotInTheMiddle(true);
  plan.steps[1].pending = {absl::Seconds(30), absl::Minutes(5), absl::Minutes(15)};
  return plan;
}

// Every step may wait; the second at most ten seconds.
inline Plan WaitingSteps() {
  Plan plan = Sequence();
  for (StepPlan& step : plan.steps) step.pending = PendingPolicy{absl::Seconds(1), absl::Seconds(5)};
  plan.steps[1].pending->wait = absl::Seconds(10);
  return plan;
}

inline Plan WithoutDeadline(Plan plan) {
  plan.deadline = absl::InfiniteDuration();
  return plan;
}

inline Plan WaitingRetriable() {
  Plan plan = PivotInTheMiddle(true);
  plan.steps[2].pending = PendingPolicy{};
  return plan;
}

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_SHAPES_H_
