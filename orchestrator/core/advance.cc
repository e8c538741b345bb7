#include "orchestrator/core/advance.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"

namespace unwind {
namespace {

// A transition in the making: the row as it becomes, and what is to be sent.
struct Turn {
  const Plan& plan;
  const Moment& moment;
  Saga saga;
  std::vector<Send> sends;

  const StepPlan& plan_of(std::size_t i) const { return plan.steps[i]; }
  Step& step(std::size_t i) { return saga.steps[i]; }
};

// ---- reading the row

bool Done(const Step& step) { return step.state == StepState::kSucceeded || step.state == StepState::kSkipped; }

// Nothing of the step is left to undo.
bool Undone(const Step& step) {
  return step.state == StepState::kPending || step.state == StepState::kSkipped || step.state == StepState::kRefused ||
         step.state == StepState::kCompensated;
}

// No cancel or deadline can turn the saga back any more (S5): its pivot was sent or skipped, or no step can be undone.
bool Committed(const Plan& plan, const Saga& saga) {
  bool has_compensatable = false;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].kind == StepKind::kPivot) return saga.steps[i].state != StepState::kPending;
    has_compensatable |= plan.steps[i].kind == StepKind::kCompensatable;
  }
  return !has_compensatable;
}

// The pivot is out under its action, and asking `resolve` could end that sooner. Its index, or steps.size().
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

bool Ready(const Plan& plan, const Saga& saga, std::size_t i) {
  for (const int before : plan.steps[i].after) {
    if (!Done(saga.steps[static_cast<std::size_t>(before)])) return false;
  }
  return true;
}

// Whether nothing that depends on step `i`, directly or through others, is left to undo.
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

// The saga goes back and this step's turn may come: it succeeded, or was sent and may have happened. A step whose
// compensation needs its own reply is first repeated until that is known (S3); a parked one waits for its person.
bool WantsCompensation(const StepPlan& plan, const Step& step) {
  if (step.state == StepState::kSucceeded) return true;
  return step.state == StepState::kInFlight && !step.parked && !plan.compensation_reads_own_reply;
}

// ---- changing a step

void Rest(Step& step) {
  step.awaiting = false;
  step.parked = false;
  step.wake_at = absl::InfiniteFuture();
}

void End(Step& step, StepState state) {
  Rest(step);
  step.state = state;
}

void Park(Turn& turn, std::size_t i, const Failure& why) {
  Rest(turn.step(i));
  turn.step(i).parked = true;
  if (turn.saga.failure.reason.empty()) turn.saga.failure = why;
}

Failure MakeFailure(absl::StatusCode code, const char* reason, const char* message, const std::string& step) {
  return {.reason = reason,
          .domain = kSagaDomain,
          .code = static_cast<int>(code),
          .message = message,
          .step = step,
          .metadata = {}};
}

// What was counted of one phase does not count in another.
void EnterPhase(Step& step, Phase phase) {
  if (step.phase == phase) return;
  step.phase = phase;
  step.refusals = 0;
  step.unknowns = 0;
  step.first_send_time = absl::InfiniteFuture();
}

void SendNow(Turn& turn, std::size_t i, Phase phase) {
  Step& step = turn.step(i);
  EnterPhase(step, phase);
  Rest(step);
  step.awaiting = true;
  if (step.first_send_time == absl::InfiniteFuture()) step.first_send_time = turn.moment.now;
  const int attempt = ++step.sends[static_cast<std::size_t>(phase)];
  turn.sends.push_back({static_cast<int>(i), phase, attempt});
}

// The same, unless the saga is older than participants remember keys: then a person decides.
void SendUnlessTooOld(Turn& turn, std::size_t i, Phase phase) {
  if (turn.moment.now - turn.saga.create_time <= turn.plan.age_max) return SendNow(turn, i, phase);
  EnterPhase(turn.step(i), phase);
  Park(turn, i,
       MakeFailure(absl::StatusCode::kDeadlineExceeded, "SAGA_TOO_OLD",
                   "the saga is older than its participants remember idempotency keys", turn.plan_of(i).name));
}

// Full jitter: an even draw from [0, min(cap, backoff * 2^(n-1))], in whole microseconds so that it is stored exactly.
absl::Duration Pause(const RetryPolicy& policy, int sends, double jitter) {
  absl::Duration ceiling = policy.backoff;
  for (int n = 1; n < sends && ceiling < policy.cap; ++n) ceiling *= 2;
  return absl::Trunc(std::min(ceiling, policy.cap) * jitter, absl::Microseconds(1));
}

void SendLater(Turn& turn, std::size_t i) {
  Step& step = turn.step(i);
  Rest(step);
  step.wake_at = turn.moment.now + Pause(turn.plan_of(i).retry, step.attempt(), turn.moment.jitter);
}

void RefusedAgain(Turn& turn, std::size_t i, const Failure& why) {
  if (++turn.step(i).refusals >= turn.plan.refusals_max) return Park(turn, i, why);
  SendLater(turn, i);
}

// The first cause counts, and not what parked a step before and was mended.
void GoBack(Turn& turn, const Failure& why) {
  if (!turn.saga.backward) turn.saga.failure = why;
  turn.saga.backward = true;
}

// ---- the answers of a call (S3, S6, S7)

void Succeed(Turn& turn, std::size_t i, const std::string& reply) {
  Step& step = turn.step(i);
  step.last_failure = {};
  if (step.phase == Phase::kCompensation) return End(step, StepState::kCompensated);
  End(step, StepState::kSucceeded);
  step.reply = reply;
}

// A compensatable action that may or may not have happened, with no further send that could tell. Settle compensates
// it.
void GiveUpAction(Turn& turn, std::size_t i, const Failure& why) {
  GoBack(turn, why);
  Rest(turn.step(i));
  if (turn.plan_of(i).compensation_reads_own_reply) SendLater(turn, i);
}

void CompensatableNotOk(Turn& turn, std::size_t i, const Replied& reply) {
  const StepPlan& plan = turn.plan_of(i);
  switch (reply.outcome) {
    case Outcome::kOk:
      return;
    case Outcome::kUnknown:
      if (turn.step(i).unknowns < plan.retry.attempts) return SendLater(turn, i);
      return GiveUpAction(turn, i, reply.failure);
    case Outcome::kFenced:
      GoBack(turn, reply.failure);
      if (plan.compensation_reads_own_reply) return RefusedAgain(turn, i, reply.failure);
      return GiveUpAction(turn, i, reply.failure);
    case Outcome::kRefused:
      GoBack(turn, reply.failure);
      if (reply.effect_free) return End(turn.step(i), StepState::kRefused);
      if (plan.compensation_reads_own_reply) return Park(turn, i, reply.failure);
      return GiveUpAction(turn, i, reply.failure);
  }
}

void PivotNotOk(Turn& turn, std::size_t i, const Replied& reply) {
  const bool only_copy = turn.step(i).attempt() == 1;
  if (reply.outcome == Outcome::kRefused && reply.effect_free && only_copy) {
    End(turn.step(i), StepState::kRefused);
    return GoBack(turn, reply.failure);
  }
  // What ended the connection may have been another call's fault: sent once more before it is asked about (S6).
  if (reply.by_transport && only_copy) return SendLater(turn, i);
  if (turn.plan_of(i).has_resolve) return SendUnlessTooOld(turn, i, Phase::kResolve);
  if (reply.outcome == Outcome::kRefused) return RefusedAgain(turn, i, reply.failure);
  SendLater(turn, i);
}

void ResolveNotOk(Turn& turn, std::size_t i, const Replied& reply) {
  if (reply.outcome != Outcome::kRefused) return SendLater(turn, i);
  Failure why = reply.failure;
  if (const auto cause = why.metadata.find("cause"); cause != why.metadata.end() && !cause->second.empty()) {
    why.reason = cause->second;
    why.metadata.erase(cause);
  }
  End(turn.step(i), StepState::kRefused);
  GoBack(turn, why);
}

// A compensation or a retriable action: it must succeed in the end.
void MustSucceedNotOk(Turn& turn, std::size_t i, const Replied& reply) {
  if (reply.outcome == Outcome::kRefused) return RefusedAgain(turn, i, reply.failure);
  SendLater(turn, i);
}

void NotOk(Turn& turn, std::size_t i, const Replied& reply) {
  if (reply.phase == Phase::kResolve) return ResolveNotOk(turn, i, reply);
  if (reply.failure.reason == kReasonKeyReused) return Park(turn, i, reply.failure);
  if (reply.phase == Phase::kCompensation) return MustSucceedNotOk(turn, i, reply);
  switch (turn.plan_of(i).kind) {
    case StepKind::kCompensatable:
      return CompensatableNotOk(turn, i, reply);
    case StepKind::kPivot:
      return PivotNotOk(turn, i, reply);
    case StepKind::kRetriable:
      return MustSucceedNotOk(turn, i, reply);
  }
}

// ---- the events

void Apply(Turn& turn, const Started&) {
  turn.saga.create_time = turn.moment.now;
  turn.saga.deadline = turn.moment.now + turn.plan.deadline;
}

void Apply(Turn& turn, const Replied& reply) {
  if (reply.step < 0 || static_cast<std::size_t>(reply.step) >= turn.saga.steps.size()) return;
  const auto i = static_cast<std::size_t>(reply.step);
  const Step& step = turn.step(i);
  if (!step.awaiting || step.phase != reply.phase || step.attempt() != reply.attempt) return;  // stale (S8)
  if (reply.outcome == Outcome::kOk) return Succeed(turn, i, reply.reply);
  Replied failed = reply;
  failed.failure.step = turn.plan_of(i).name;
  if (failed.failure.reason.empty()) {
    failed.failure.reason = reply.outcome == Outcome::kRefused ? "STEP_REFUSED" : "OUTCOME_UNKNOWN";
    failed.failure.domain = kSagaDomain;
  }
  if (reply.outcome == Outcome::kUnknown && !reply.by_transport) ++turn.step(i).unknowns;
  turn.step(i).last_failure = failed.failure;
  NotOk(turn, i, failed);
}

void Apply(Turn& turn, const Ticked&) {
  for (std::size_t i = 0; i < turn.saga.steps.size(); ++i) {
    if (turn.step(i).wake_at <= turn.moment.now) SendUnlessTooOld(turn, i, turn.step(i).phase);
  }
}

void Apply(Turn& turn, const CancelRequested&) { turn.saga.cancel_requested = true; }

void Apply(Turn& turn, const TakenOver&) {
  for (std::size_t i = 0; i < turn.saga.steps.size(); ++i) {
    if (turn.step(i).awaiting) SendUnlessTooOld(turn, i, turn.step(i).phase);
  }
}

// A skipped compensation is taken as done, a skipped retriable step as not needed, any other as never happened.
void Skip(Turn& turn, std::size_t i) {
  Step& step = turn.step(i);
  if (turn.saga.backward) return End(step, StepState::kCompensated);
  if (turn.plan_of(i).kind == StepKind::kRetriable) return End(step, StepState::kSkipped);
  End(step, StepState::kRefused);
  GoBack(turn, MakeFailure(absl::StatusCode::kAborted, "STEP_SKIPPED", "an operator took the step as never happened",
                           turn.plan_of(i).name));
}

void Apply(Turn& turn, const Operated& operated) {
  if (operated.step < 0 || static_cast<std::size_t>(operated.step) >= turn.saga.steps.size()) return;
  const auto i = static_cast<std::size_t>(operated.step);
  if (!turn.step(i).parked) return;
  switch (operated.verb) {
    case Verb::kRetry:
      turn.step(i).refusals = 0;
      return SendNow(turn, i, turn.step(i).phase);
    case Verb::kSkip:
      return Skip(turn, i);
    case Verb::kResolve:
      return Succeed(turn, i, operated.reply);
  }
}

// ---- what follows from the row, whatever happened

void HeedCancelAndDeadline(Turn& turn) {
  const bool late = turn.moment.now >= turn.saga.deadline;
  if (turn.saga.backward || !(turn.saga.cancel_requested || late)) return;
  if (!Committed(turn.plan, turn.saga)) {
    GoBack(turn, turn.saga.cancel_requested
                     ? MakeFailure(absl::StatusCode::kCancelled, "SAGA_CANCELLED", "the saga was cancelled", "")
                     : MakeFailure(absl::StatusCode::kAborted, "SAGA_DEADLINE", "the saga's deadline passed", ""));
  } else if (const std::size_t i = ResolvablePivot(turn.plan, turn.saga); i < turn.saga.steps.size()) {
    SendUnlessTooOld(turn, i, Phase::kResolve);
  }
}

void StartReadySteps(Turn& turn) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < turn.saga.steps.size(); ++i) {
      Step& step = turn.step(i);
      if (step.state != StepState::kPending || !Ready(turn.plan, turn.saga, i)) continue;
      changed = true;
      const StepPlan& plan = turn.plan_of(i);
      if (plan.when && !plan.when(turn.saga)) {
        step.state = StepState::kSkipped;
        continue;
      }
      step.state = StepState::kInFlight;
      SendUnlessTooOld(turn, i, Phase::kAction);
    }
  }
}

void StartReadyCompensations(Turn& turn) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = turn.saga.steps.size(); i-- > 0;) {
      Step& step = turn.step(i);
      const StepPlan& plan = turn.plan_of(i);
      if (!plan.has_compensation && (step.state == StepState::kInFlight || step.state == StepState::kSucceeded)) {
        End(step, StepState::kCompensated);  // without effects: nothing to wait for and nothing to undo
        changed = true;
      }
      if (!WantsCompensation(plan, step) || !DependentsUndone(turn.plan, turn.saga, i)) continue;
      step.state = StepState::kCompensating;
      SendUnlessTooOld(turn, i, Phase::kCompensation);
      changed = true;
    }
  }
}

SagaState StateOf(const Saga& saga) {
  const auto all = [&](bool (*holds)(const Step&)) { return std::all_of(saga.steps.begin(), saga.steps.end(), holds); };
  if (saga.backward ? all(Undone) : all(Done)) return saga.backward ? SagaState::kAborted : SagaState::kCompleted;
  if (!all([](const Step& step) { return !step.parked; })) return SagaState::kParked;
  return saga.backward ? SagaState::kCompensating : SagaState::kRunning;
}

void Settle(Turn& turn) {
  HeedCancelAndDeadline(turn);
  turn.saga.backward ? StartReadyCompensations(turn) : StartReadySteps(turn);
  turn.saga.state = StateOf(turn.saga);
  // What was resent and then abandoned, as by a deadline found passed at a takeover, is not sent at all.
  const std::vector<Send> outstanding = Outstanding(turn.saga);
  std::erase_if(turn.sends, [&outstanding](const Send& send) {
    return std::find(outstanding.begin(), outstanding.end(), send) == outstanding.end();
  });
}

}  // namespace

Decision Advance(const Plan& plan, const Saga& saga, const Event& event, const Moment& moment) {
  const auto stale = [&saga] { return Decision{.stale = true, .next = saga, .sends = {}}; };
  if (IsTerminal(saga.state)) return stale();
  if ((saga.version == 0) != std::holds_alternative<Started>(event)) return stale();
  Turn turn{.plan = plan, .moment = moment, .saga = saga, .sends = {}};
  std::visit([&turn](const auto& what) { Apply(turn, what); }, event);
  Settle(turn);
  if (turn.saga == saga) return stale();
  ++turn.saga.version;
  turn.saga.update_time = moment.now;
  return {.stale = false, .next = std::move(turn.saga), .sends = std::move(turn.sends)};
}

std::vector<Send> Outstanding(const Saga& saga) {
  std::vector<Send> sends;
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    if (step.awaiting) sends.push_back({static_cast<int>(i), step.phase, step.attempt()});
  }
  return sends;
}

absl::Time NextRunAt(const Plan& plan, const Saga& saga) {
  if (IsTerminal(saga.state)) return absl::InfiniteFuture();
  absl::Time next = absl::InfiniteFuture();
  for (const Step& step : saga.steps) next = std::min(next, step.wake_at);
  if (saga.backward) return next;
  const bool heeds_deadline = !Committed(plan, saga) || ResolvablePivot(plan, saga) < saga.steps.size();
  return heeds_deadline ? std::min(next, saga.deadline) : next;
}

}  // namespace unwind
