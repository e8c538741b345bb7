#include "orchestrator/core/reading.h"

#include <algorithm>
#include <vector>

#include "orchestrator/core/outcome.h"

namespace unwind {

bool MayWait(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(),
                     [](const StepPlan& step) { return step.pending.has_value(); });
}

// Of any other saga that runs at least one step has begun.
bool IsUnstarted(const Saga& saga) {
  return saga.version > 0 && saga.state == SagaState::kRunning && !saga.steps.empty() &&
         std::all_of(saga.steps.begin(), saga.steps.end(),
                     [](const Step& step) { return step.state == StepState::kPending; });
}

bool IsDone(const Step& step) { return step.state == StepState::kSucceeded || step.state == StepState::kSkipped; }

bool Undone(const Step& step) {
  return step.state == StepState::kPending || step.state == StepState::kSkipped || step.state == StepState::kRefused ||
         step.state == StepState::kCompensated;
}

bool PastPivot(const Plan& plan, const Saga& saga) {
  bool has_compensatable = false;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].kind == StepKind::kPivot) return saga.steps[i].state != StepState::kPending;
    has_compensatable |= plan.steps[i].kind == StepKind::kCompensatable;
  }
  return !has_compensatable;
}

std::size_t ResolvablePivot(const Plan& plan, const Saga& saga) {
  std::size_t i = 0;
  for (; i < plan.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    if (plan.steps[i].kind == StepKind::kPivot && plan.steps[i].has_resolve && step.state == StepState::kInFlight &&
        step.phase == Phase::kAction && !step.parked) {
      break;
    }
  }
  return i;
}

bool WaitMayEnd(const Plan& plan, const Saga& saga, std::size_t i) {
  const StepPlan& step_plan = plan.steps[i];
  const Step& step = saga.steps[i];
  if (saga.backward || step.parked || !step_plan.pending.has_value()) return false;
  switch (step_plan.kind) {
    case StepKind::kCompensatable:
      return step.state == StepState::kWaiting;
    case StepKind::kPivot:
      return step_plan.has_resolve && !step.decides &&
             (step.state == StepState::kWaiting ||
              (step.state == StepState::kInFlight && step.phase == Phase::kResolve));
    case StepKind::kRetriable:
      return false;
  }
  return false;
}

bool Ready(const Plan& plan, const Saga& saga, std::size_t i) {
  for (const int before : plan.steps[i].after) {
    if (!IsDone(saga.steps[static_cast<std::size_t>(before)])) return false;
  }
  return true;
}

bool DependentsUndone(const Plan& plan, const Saga& saga, std::size_t i) {
  std::vector<bool> needed(plan.steps.size());  // by a step that is not undone
  std::vector<std::size_t> open;
  for (std::size_t j = 0; j < plan.steps.size(); ++j) {
    if (!Undone(saga.steps[j])) open.push_back(j);
  }
  while (!open.empty()) {
    const std::size_t j = open.back();
    open.pop_back();
    for (const int before : plan.steps[j].after) {
      const auto b = static_cast<std::size_t>(before);
      if (!needed[b]) open.push_back(b);
      needed[b] = true;
    }
  }
  return !needed[i];
}

bool WantsCompensation(const StepPlan& plan, const Step& step) {
  if (step.state == StepState::kSucceeded) return true;
  const bool may_have_happened =
      step.state == StepState::kInFlight || (step.state == StepState::kWaiting && step.phase != Phase::kCompensation);
  return may_have_happened && !step.parked && !plan.compensation_reads_own_reply;
}

namespace {

bool Open(const Step& step) {
  return step.state == StepState::kInFlight || step.state == StepState::kCompensating ||
         step.state == StepState::kWaiting;
}

bool Repeats(const Plan& plan, const Saga& saga, std::size_t i) {
  const Step& step = saga.steps[i];
  const bool sent_again = step.wake_at != absl::InfiniteFuture() || (step.awaiting && step.attempt() > 1);
  return Open(step) && sent_again && MustSucceed(plan, saga, i);
}

}  // namespace

bool MustSucceed(const Plan& plan, const Saga& saga, std::size_t i) {
  const bool has_attempts = plan.steps[i].kind == StepKind::kCompensatable && !saga.backward;
  return !has_attempts || saga.steps[i].phase != Phase::kAction;
}

bool IsTooOld(const Plan& plan, const Saga& saga, absl::Time now) { return now - saga.create_time > plan.age_max; }

bool TakesVerb(const Plan& plan, const Saga& saga, std::size_t i) {
  const Step& step = saga.steps[i];
  return step.parked || step.state == StepState::kWaiting || Repeats(plan, saga, i);
}

bool TakesNudge(const Plan& plan, const Saga& saga, std::size_t i) {
  return plan.steps[i].pending.has_value() && Open(saga.steps[i]) && !saga.steps[i].parked;
}

std::size_t StepNamed(const Plan& plan, const std::string& name) {
  std::size_t i = 0;
  while (i < plan.steps.size() && plan.steps[i].name != name) ++i;
  return i;
}

bool IsStuck(const Plan& plan, const Saga& saga, std::size_t i, absl::Time now) {
  const Step& step = saga.steps[i];
  const bool long_enough = step.unknowns >= plan.stuck_unknowns || now - step.first_send_time >= plan.stuck_after;
  return long_enough && step.state != StepState::kWaiting && Repeats(plan, saga, i);
}

bool HasStuckStep(const Plan& plan, const Saga& saga) {
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    if (IsStuck(plan, saga, i, saga.update_time)) return true;
  }
  return false;
}

std::optional<absl::Time> WaitsSince(const Plan& plan, const Saga& saga) {
  std::optional<absl::Time> since;
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    if (step.state != StepState::kWaiting || step.parked) continue;
    const absl::Time endless = WaitMayEnd(plan, saga, i) ? absl::InfiniteFuture() : step.first_send_time;
    since = std::min(since.value_or(absl::InfiniteFuture()), endless);
  }
  return since;
}

bool CountsAgainstAdmission(const Plan& plan, const Saga& saga) {
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    if (Open(step) && !step.parked && !IsStuck(plan, saga, i, saga.update_time)) return true;
  }
  return false;
}

std::string ToldReason(const Saga& saga) {
  return saga.backward && saga.failure.reason == kReasonOutcomeUnknown ? kReasonStepFailed : saga.failure.reason;
}

bool IsDecided(const Plan& plan, const Saga& saga) {
  return plan.answer_at_decided && saga.backward && !saga.failure.reason.empty();
}

bool IsAnsweredEarly(const Plan& plan, const Saga& saga) {
  if (plan.answer_after < 0 || saga.backward || IsTerminal(saga.state)) return false;
  if (saga.steps.size() != plan.steps.size()) return false;
  const Step& step = saga.steps[static_cast<std::size_t>(plan.answer_after)];
  return IsDone(step) || step.state == StepState::kWaiting;
}

bool MayBeAnswered(const Plan& plan, const Saga& saga) { return IsDecided(plan, saga) || IsAnsweredEarly(plan, saga); }

}  // namespace unwind
