#include "orchestrator/core/draft.h"

#include <algorithm>
#include <optional>

#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

// What was counted of one phase does not count in another.
void EnterPhase(Step& step, Phase phase) {
  if (step.phase == phase) return;
  step.phase = phase;
  step.refusals = 0;
  step.unknowns = 0;
  step.pendings = 0;
  step.first_send_time = absl::InfiniteFuture();
}

// A participant may ask for a longer pause than a step's own cap, up to this.
constexpr absl::Duration kRetryAfterMax = absl::Minutes(1);

// The longest pause of a call that has failed for days, so that it fills neither the history nor its participant.
constexpr absl::Duration kLongPauseMax = absl::Hours(1);

// The step's own; or a tenth of the time that a call which must succeed has been tried for. So a participant that was
// away for an hour is back for everybody six minutes after it is back, and 25 days of failure are some 1,400 sends.
absl::Duration CapOf(const Draft& draft, std::size_t i) {
  const absl::Duration own = draft.plan_of(i).retry.cap;
  if (!MustSucceed(draft.plan, draft.saga, i)) return own;
  const absl::Duration tried = draft.moment.now - draft.saga.steps[i].first_send_time;
  return std::max(own, std::min(tried / 10, kLongPauseMax));
}

absl::Duration Doubled(absl::Duration first, int times, absl::Duration cap) {
  for (int n = 0; n < times && first < cap; ++n) first *= 2;
  return std::min(first, cap);
}

// Full jitter: an even draw from [0, min(cap, backoff * 2^(n-1))], in whole microseconds so that it is stored exactly.
// Of a step that waits only what failed since it last said so is counted, for its questions are many.
absl::Duration Pause(const Draft& draft, std::size_t i) {
  const Step& step = draft.saga.steps[i];
  const StepPlan& plan = draft.plan_of(i);
  const bool waits = step.state == StepState::kWaiting && plan.pending.has_value();
  const absl::Duration ceiling = waits ? Doubled(plan.retry.backoff, step.unknowns - 1, plan.pending->cap)
                                       : Doubled(plan.retry.backoff, step.attempt() - 1, CapOf(draft, i));
  return absl::Trunc(ceiling * draft.moment.jitter, absl::Microseconds(1));
}

// A participant that says when to ask again is believed within these, or the step's own if they are wider.
constexpr absl::Duration kPollMin = absl::Seconds(1);
constexpr absl::Duration kPollMax = absl::Hours(1);

}  // namespace

void StopWaiting(Step& step) {
  if (step.state != StepState::kWaiting) return;
  step.state = step.phase == Phase::kCompensation ? StepState::kCompensating : StepState::kInFlight;
}

void Rest(Step& step) {
  step.awaiting = false;
  step.nudged = false;
  step.parked = false;
  step.wake_at = absl::InfiniteFuture();
}

void End(Step& step, StepState state) {
  Rest(step);
  step.state = state;
}

void Park(Draft& draft, std::size_t i, const Failure& why) {
  Rest(draft.step(i));
  draft.step(i).parked = true;
  draft.step(i).last_failure = why;
  if (draft.saga.failure.reason.empty()) draft.saga.failure = why;
}

Failure MakeFailure(absl::StatusCode code, const char* reason, const char* message, const std::string& step) {
  return {.reason = reason,
          .domain = kSagaDomain,
          .code = static_cast<int>(code),
          .message = message,
          .step = step,
          .metadata = {}};
}

bool WaitIsOver(const Draft& draft, std::size_t i) {
  const bool waits = draft.plan.steps[i].pending.has_value();
  return waits && (draft.saga.cancel_requested || draft.moment.now >= draft.saga.steps[i].wait_until);
}

void SendNow(Draft& draft, std::size_t i, Phase phase) {
  Step& step = draft.step(i);
  EnterPhase(step, phase);
  Rest(step);
  step.awaiting = true;
  if (step.first_send_time == absl::InfiniteFuture()) step.first_send_time = draft.moment.now;
  const std::optional<PendingPolicy>& pending = draft.plan_of(i).pending;
  if (pending.has_value() && step.wait_until == absl::InfiniteFuture()) {
    step.wait_until = draft.moment.now + pending->wait;
  }
  if (phase == Phase::kResolve && !step.decides && WaitIsOver(draft, i)) {
    step.decides = true;
    StopWaiting(step);
  }
  const int attempt = ++step.sends[static_cast<std::size_t>(phase)];
  draft.sends.push_back({static_cast<int>(i), phase, attempt});
}

void SendUnlessTooOld(Draft& draft, std::size_t i, Phase phase) {
  if (!IsTooOld(draft.plan, draft.saga, draft.moment.now)) return SendNow(draft, i, phase);
  EnterPhase(draft.step(i), phase);
  Park(draft, i,
       MakeFailure(absl::StatusCode::kDeadlineExceeded, "SAGA_TOO_OLD",
                   "the saga is older than its participants remember idempotency keys", draft.plan_of(i).name));
}

absl::Duration PollPause(const Draft& draft, std::size_t i, const PendingPolicy& pending, absl::Duration asked) {
  if (asked > absl::ZeroDuration()) {
    return std::clamp(asked, std::min(pending.poll, kPollMin), std::max(pending.cap, kPollMax));
  }
  const absl::Duration ceiling = Doubled(pending.poll, draft.saga.steps[i].pendings - 1, pending.cap);
  return absl::Trunc(ceiling / 4 * (3 + draft.moment.jitter), absl::Microseconds(1));
}

// Nudges cost a participant no more than one call in this time, and the store no more than two commits in it.
constexpr absl::Duration kNudgePause = absl::Seconds(1);

void Hasten(Draft& draft, std::size_t i) {
  Step& step = draft.step(i);
  const absl::Time at = std::max(draft.moment.now, step.nudge_time + kNudgePause);
  if (at >= step.wake_at) return;
  step.wake_at = at;
  step.nudge_time = at;
}

void SendLater(Draft& draft, std::size_t i, const Replied& reply) {
  const absl::Duration asked = std::min(reply.retry_after, std::max(draft.plan_of(i).retry.cap, kRetryAfterMax));
  Rest(draft.step(i));
  draft.step(i).wake_at = draft.moment.now + std::max(asked, Pause(draft, i));
}

void RefusedAgain(Draft& draft, std::size_t i, const Replied& reply) {
  if (++draft.step(i).refusals >= draft.plan.refusals_max) return Park(draft, i, reply.failure);
  SendLater(draft, i, reply);
}

void GoBack(Draft& draft, const Failure& why) {
  if (!draft.saga.backward) draft.saga.failure = why;
  draft.saga.backward = true;
}

}  // namespace unwind
