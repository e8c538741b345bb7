#include "orchestrator/core/advance.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "orchestrator/core/draft.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

// ---- the answers of a call (S3, S6, S7)

void Succeed(Draft& draft, std::size_t i, const std::string& reply) {
  Step& step = draft.step(i);
  step.last_failure = {};
  if (step.phase == Phase::kResolve) draft.saga.failure = {};
  if (step.phase == Phase::kCompensation) return End(step, StepState::kCompensated);
  End(step, StepState::kSucceeded);
  step.reply = reply;
}

// Accepted, not finished: the same call again, until it is (S13).
void Wait(Draft& draft, std::size_t i, const PendingPolicy& pending, const Replied& reply) {
  Step& step = draft.step(i);
  step.state = StepState::kWaiting;
  step.last_failure = {};
  step.unknowns = 0;
  ++step.pendings;
  if (step.phase != Phase::kCompensation && step.pending_reply.empty()) step.pending_reply = reply.reply;
  const bool nudged = step.nudged;
  Rest(step);
  step.wake_at = draft.moment.now + PollPause(draft, i, pending, reply.retry_after);
  if (nudged) Hasten(draft, i);
}

// A compensatable action that may or may not have happened, with no further send that could tell. Settle compensates
// it.
void GiveUpAction(Draft& draft, std::size_t i, const Replied& reply) {
  GoBack(draft, reply.failure);
  Rest(draft.step(i));
  if (draft.plan_of(i).compensation_reads_own_reply) SendLater(draft, i, reply);
}

void CompensatableNotOk(Draft& draft, std::size_t i, const Replied& reply) {
  const StepPlan& plan = draft.plan_of(i);
  switch (reply.outcome) {
    case Outcome::kOk:
    case Outcome::kPending:
      return;
    case Outcome::kUnknown:
      if (draft.step(i).unknowns < plan.retry.attempts) return SendLater(draft, i, reply);
      return GiveUpAction(draft, i, reply);
    case Outcome::kFenced:
      GoBack(draft, reply.failure);
      if (plan.compensation_reads_own_reply) return RefusedAgain(draft, i, reply);
      return GiveUpAction(draft, i, reply);
    case Outcome::kRefused:
      GoBack(draft, reply.failure);
      if (reply.effect_free) return End(draft.step(i), StepState::kRefused);
      if (plan.compensation_reads_own_reply) return Park(draft, i, reply.failure);
      return GiveUpAction(draft, i, reply);
  }
}

// Asks whether the pivot happened. `refusal`: why its participant said no; none if that is not known.
void Resolve(Draft& draft, std::size_t i, const Failure& refusal) {
  draft.saga.failure = refusal;
  SendUnlessTooOld(draft, i, Phase::kResolve);
}

void PivotNotOk(Draft& draft, std::size_t i, const Replied& reply) {
  if (reply.outcome == Outcome::kRefused && reply.effect_free) {
    End(draft.step(i), StepState::kRefused);
    return GoBack(draft, reply.failure);
  }
  // It was there; a question that is lost says nothing else (S13).
  if (reply.outcome == Outcome::kUnknown && draft.step(i).state == StepState::kWaiting) {
    return SendLater(draft, i, reply);
  }
  // What ended the connection may have been another call's fault: sent once more before it is asked about (S6).
  if (reply.by_transport && draft.step(i).attempt() == 1) return SendLater(draft, i, reply);
  const bool is_refused = reply.outcome == Outcome::kRefused;
  if (draft.plan_of(i).has_resolve) return Resolve(draft, i, is_refused ? reply.failure : Failure());
  if (is_refused) return RefusedAgain(draft, i, reply);
  SendLater(draft, i, reply);
}

// It never happened. Why not is best said by the refusal of the pivot itself, if its participant gave a reason.
Failure WhyNever(const Draft& draft, const Replied& reply) {
  const Failure& refusal = draft.saga.failure;
  if (!refusal.reason.empty() && refusal.domain != kSagaDomain) return refusal;
  Failure why = reply.failure;
  if (const auto cause = why.metadata.find("cause"); cause != why.metadata.end() && !cause->second.empty()) {
    why.reason = cause->second;
    why.metadata.erase(cause);
  }
  return why;
}

void ResolveNotOk(Draft& draft, std::size_t i, const Replied& reply) {
  if (reply.outcome != Outcome::kRefused) return SendLater(draft, i, reply);
  End(draft.step(i), StepState::kRefused);
  GoBack(draft, WhyNever(draft, reply));
}

// A compensation or a retriable action: it must succeed in the end.
void MustSucceedNotOk(Draft& draft, std::size_t i, const Replied& reply) {
  if (reply.outcome == Outcome::kRefused) return RefusedAgain(draft, i, reply);
  SendLater(draft, i, reply);
}

void NotOk(Draft& draft, std::size_t i, const Replied& reply) {
  if (reply.phase == Phase::kResolve) return ResolveNotOk(draft, i, reply);
  if (reply.failure.reason == kReasonKeyReused) return Park(draft, i, reply.failure);
  if (reply.phase == Phase::kCompensation) return MustSucceedNotOk(draft, i, reply);
  switch (draft.plan_of(i).kind) {
    case StepKind::kCompensatable:
      return CompensatableNotOk(draft, i, reply);
    case StepKind::kPivot:
      return PivotNotOk(draft, i, reply);
    case StepKind::kRetriable:
      return MustSucceedNotOk(draft, i, reply);
  }
}

// ---- the events

void Apply(Draft& draft, const Started&) {
  if (draft.saga.version == 0) draft.saga.create_time = draft.moment.now;
  draft.saga.deadline = draft.moment.now + draft.plan.deadline;
}

void Apply(Draft&, const Born&) {}  // see BornAs

void Apply(Draft& draft, const Replied& reply) {
  if (reply.step < 0 || static_cast<std::size_t>(reply.step) >= draft.saga.steps.size()) return;
  const auto i = static_cast<std::size_t>(reply.step);
  const Step& step = draft.step(i);
  if (!step.awaiting || step.phase != reply.phase || step.attempt() != reply.attempt) return;  // stale (S8)
  if (reply.outcome == Outcome::kOk) return Succeed(draft, i, reply.reply);
  const std::optional<PendingPolicy>& pending = draft.plan_of(i).pending;
  if (reply.outcome == Outcome::kPending && pending.has_value()) return Wait(draft, i, *pending, reply);
  Replied failed = reply;
  if (reply.outcome == Outcome::kPending) failed.outcome = Outcome::kUnknown;  // nobody asked for that
  failed.failure.step = draft.plan_of(i).name;
  if (failed.failure.reason.empty()) {
    failed.failure.reason = failed.outcome == Outcome::kRefused ? "STEP_REFUSED" : kReasonOutcomeUnknown;
    failed.failure.domain = kSagaDomain;
  }
  if (failed.outcome != Outcome::kUnknown) {
    StopWaiting(draft.step(i));
  } else if (!reply.by_transport) {
    ++draft.step(i).unknowns;
  }
  draft.step(i).last_failure = failed.failure;
  NotOk(draft, i, failed);
}

void Apply(Draft& draft, const Ticked&) {
  for (std::size_t i = 0; i < draft.saga.steps.size(); ++i) {
    if (draft.step(i).wake_at <= draft.moment.now) SendUnlessTooOld(draft, i, draft.step(i).phase);
  }
}

// What was sent before it may have been answered before it, too, so that it is remembered. What is sent after it says
// the same and more. A saga that is too old is not asked about, and parks no sooner.
void Apply(Draft& draft, const Nudged& nudged) {
  const std::size_t i = StepNamed(draft.plan, nudged.step);
  if (i == draft.saga.steps.size() || !TakesNudge(draft.plan, draft.saga, i)) return;
  if (draft.step(i).awaiting) {
    draft.step(i).nudged = true;
  } else if (draft.step(i).state == StepState::kWaiting && !IsTooOld(draft.plan, draft.saga, draft.moment.now)) {
    Hasten(draft, i);
    if (draft.step(i).wake_at <= draft.moment.now) SendNow(draft, i, draft.step(i).phase);
  }
}

void Apply(Draft& draft, const CancelRequested&) { draft.saga.cancel_requested = true; }

void Apply(Draft& draft, const TakenOver&) {
  for (std::size_t i = 0; i < draft.saga.steps.size(); ++i) {
    if (draft.step(i).awaiting) SendUnlessTooOld(draft, i, draft.step(i).phase);
  }
}

// A skipped compensation is taken as done, a skipped retriable step as not needed, any other as never happened.
void Skip(Draft& draft, std::size_t i) {
  Step& step = draft.step(i);
  if (draft.saga.backward) return End(step, StepState::kCompensated);
  if (draft.plan_of(i).kind == StepKind::kRetriable) return End(step, StepState::kSkipped);
  End(step, StepState::kRefused);
  GoBack(draft, MakeFailure(absl::StatusCode::kAborted, "STEP_SKIPPED", "an operator took the step as never happened",
                            draft.plan_of(i).name));
}

// Nothing of it was ever sent, and a person is to say whether something is: so it is born if it cannot be built (S17).
bool IsParkedUnsent(const Saga& saga) {
  return saga.state == SagaState::kParked && std::all_of(saga.steps.begin(), saga.steps.end(), [](const Step& step) {
           return step.state == StepState::kPending || (step.parked && step.sends == std::array<int, 4>{});
         });
}

void Apply(Draft& draft, const Operated& operated) {
  if (operated.step < 0 || static_cast<std::size_t>(operated.step) >= draft.saga.steps.size()) return;
  const auto i = static_cast<std::size_t>(operated.step);
  if (!TakesVerb(draft.plan, draft.saga, i)) return;
  if (operated.verb == Verb::kRetry && IsTooOld(draft.plan, draft.saga, draft.moment.now)) return;
  // What was born parked is started by this.
  const bool starts = IsParkedUnsent(draft.saga) && draft.saga.deadline == absl::InfiniteFuture();
  if (starts) draft.saga.deadline = draft.moment.now + draft.plan.deadline;
  switch (operated.verb) {
    case Verb::kRetry:
      draft.step(i).refusals = 0;
      return SendNow(draft, i, draft.step(i).phase);
    case Verb::kSkip:
      return Skip(draft, i);
    case Verb::kResolve:
      return Succeed(draft, i, operated.reply);
  }
}

// ---- what follows from the row, whatever happened

void HeedCancelAndDeadline(Draft& draft) {
  const bool late = draft.moment.now >= draft.saga.deadline;
  if (draft.saga.backward || !(draft.saga.cancel_requested || late)) return;
  if (!PastPivot(draft.plan, draft.saga)) {
    GoBack(draft, draft.saga.cancel_requested
                      ? MakeFailure(absl::StatusCode::kCancelled, "SAGA_CANCELLED", "the saga was cancelled", "")
                      : MakeFailure(absl::StatusCode::kAborted, "SAGA_DEADLINE", "the saga's deadline passed", ""));
  } else if (const std::size_t i = ResolvablePivot(draft.plan, draft.saga); i < draft.saga.steps.size()) {
    Resolve(draft, i, Failure());
  }
}

// What a cancel does before the pivot, HeedCancelAndDeadline has done (S15).
void EndWaits(Draft& draft) {
  for (std::size_t i = 0; i < draft.saga.steps.size(); ++i) {
    if (!WaitMayEnd(draft.plan, draft.saga, i) || !WaitIsOver(draft, i)) continue;
    if (draft.plan_of(i).kind != StepKind::kPivot) {
      GoBack(draft, MakeFailure(absl::StatusCode::kAborted, "STEP_NOT_FINISHED",
                                "the step was not finished in its time", draft.plan_of(i).name));
      continue;
    }
    if (draft.step(i).phase == Phase::kAction) {
      Resolve(draft, i, Failure());
    } else {
      SendUnlessTooOld(draft, i, Phase::kResolve);
    }
  }
}

void StartReadySteps(Draft& draft) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < draft.saga.steps.size(); ++i) {
      Step& step = draft.step(i);
      if (step.state != StepState::kPending || !Ready(draft.plan, draft.saga, i)) continue;
      changed = true;
      const StepPlan& plan = draft.plan_of(i);
      if (plan.when && !plan.when(draft.saga)) {
        step.state = StepState::kSkipped;
        continue;
      }
      step.state = StepState::kInFlight;
      SendUnlessTooOld(draft, i, Phase::kAction);
    }
  }
}

void StartReadyCompensations(Draft& draft) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = draft.saga.steps.size(); i-- > 0;) {
      Step& step = draft.step(i);
      const StepPlan& plan = draft.plan_of(i);
      const bool ran = step.state == StepState::kInFlight || step.state == StepState::kWaiting ||
                       step.state == StepState::kSucceeded;
      if (!plan.has_compensation && ran) {
        End(step, StepState::kCompensated);  // without effects: nothing to wait for and nothing to undo
        changed = true;
      }
      if (!WantsCompensation(plan, step) || !DependentsUndone(draft.plan, draft.saga, i)) continue;
      step.state = StepState::kCompensating;
      SendUnlessTooOld(draft, i, Phase::kCompensation);
      changed = true;
    }
  }
}

SagaState StateOf(const Saga& saga) {
  const auto all = [&](bool (*holds)(const Step&)) { return std::all_of(saga.steps.begin(), saga.steps.end(), holds); };
  if (saga.backward ? all(Undone) : all(IsDone)) return saga.backward ? SagaState::kAborted : SagaState::kCompleted;
  if (!all([](const Step& step) { return !step.parked; })) return SagaState::kParked;
  return saga.backward ? SagaState::kCompensating : SagaState::kRunning;
}

void Settle(Draft& draft) {
  HeedCancelAndDeadline(draft);
  EndWaits(draft);
  if (draft.saga.backward) {
    StartReadyCompensations(draft);
  } else if (draft.may_start) {
    StartReadySteps(draft);
  }
  draft.saga.state = StateOf(draft.saga);
  // What was resent and then abandoned, as by a deadline found passed at a takeover, is not sent at all.
  const std::vector<Send> outstanding = Outstanding(draft.saga);
  std::erase_if(draft.sends, [&outstanding](const Send& send) {
    return std::find(outstanding.begin(), outstanding.end(), send) == outstanding.end();
  });
}

// Whether steps that are ready may begin by this event.
bool MayStart(const Saga& saga, const Event& event) {
  if (std::holds_alternative<Started>(event)) return true;
  if (IsParkedUnsent(saga)) return std::holds_alternative<Operated>(event);
  return !IsUnstarted(saga);
}

}  // namespace

Decision Advance(const Plan& plan, const Saga& saga, const Event& event, const Moment& moment) {
  const auto stale = [&saga] { return Decision{.stale = true, .next = saga, .sends = {}}; };
  if (IsTerminal(saga.state)) return stale();
  if (const auto* const born = std::get_if<Born>(&event)) {
    return saga.version == 0 ? Decision{.stale = false, .next = BornAs(saga, *born, moment.now), .sends = {}} : stale();
  }
  const bool starts = std::holds_alternative<Started>(event);
  if (starts != (saga.version == 0) && !(starts && IsUnstarted(saga))) return stale();
  Draft draft{.plan = plan, .moment = moment, .saga = saga, .sends = {}, .may_start = MayStart(saga, event)};
  std::visit([&draft](const auto& what) { Apply(draft, what); }, event);
  Settle(draft);
  if (draft.saga == saga) return stale();
  ++draft.saga.version;
  draft.saga.update_time = moment.now;
  draft.saga.due_at = IsUnstarted(draft.saga) ? draft.saga.create_time : RestsUntil(plan, draft.saga);
  return {.stale = false, .next = std::move(draft.saga), .sends = std::move(draft.sends)};
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
  absl::Time next = EndsAt(plan, saga);
  for (const Step& step : saga.steps) next = std::min(next, step.wake_at);
  return next;
}

absl::Time EndsAt(const Plan& plan, const Saga& saga) {
  absl::Time end = absl::InfiniteFuture();
  if (IsTerminal(saga.state) || saga.backward) return end;
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    if (WaitMayEnd(plan, saga, i)) end = std::min(end, saga.steps[i].wait_until);
  }
  const bool heeds_deadline = !PastPivot(plan, saga) || ResolvablePivot(plan, saga) < saga.steps.size();
  return heeds_deadline ? std::min(end, saga.deadline) : end;
}

absl::Time RestsUntil(const Plan& plan, const Saga& saga) {
  if (!WaitsSince(plan, saga).has_value()) return absl::InfiniteFuture();
  const auto rests = [](const Step& step) {
    return !step.awaiting && (step.state == StepState::kWaiting || step.wake_at == absl::InfiniteFuture());
  };
  if (!std::all_of(saga.steps.begin(), saga.steps.end(), rests)) return absl::InfiniteFuture();
  const absl::Time next = NextRunAt(plan, saga);
  return next - std::max(saga.update_time, saga.create_time) >= plan.rest_min ? next : absl::InfiniteFuture();
}

}  // namespace unwind
