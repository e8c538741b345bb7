#include "orchestrator/engine/saga_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

constexpr absl::Duration kNotKeptPause = absl::Seconds(1);

}  // namespace

absl::StatusOr<Call> MakeCall(const Definition& definition, const Saga& saga, const Send& send, absl::Time now) {
  const StepPlan& step = definition.plan().steps[static_cast<std::size_t>(send.step)];
  Call call;
  call.method = definition.methods(send.step).path(send.phase);
  call.timeout = step.timeout;
  ASSIGN_OR_RETURN(call.request, definition.Request(saga, send.step, send.phase));
  call.saga_id = saga.id;
  call.step = step.name;
  call.phase = send.phase;
  call.kind = step.kind;
  call.attempt = send.attempt;
  call.issued_at = now;
  call.expires_at = saga.create_time + definition.plan().age_max;
  call.trace = saga.trace;
  ASSIGN_OR_RETURN(call.metadata, definition.Metadata(saga, send.step));
  const Step& row = saga.steps[static_cast<std::size_t>(send.step)];
  call.alone = row.last_failure.reason == kReasonConnectionEnded;
  call.accepts_pending = step.pending.has_value();
  call.decides = send.phase == Phase::kResolve && row.decides;
  return call;
}

namespace {

// The step's own table speaks of the participant's answers only.
Outcome OutcomeOf(const Definition& definition, const Send& send, const CallResult& result, bool refused_for_good) {
  if (!result.is_answered) return Outcome::kUnknown;
  if (refused_for_good) return Outcome::kRefused;
  if (result.pending) {
    return ReadPending(definition.plan().steps[static_cast<std::size_t>(send.step)].pending.has_value());
  }
  return ReadOutcome(send.phase, result.failure.code, result.failure.reason, definition.methods(send.step).overrides);
}

}  // namespace

Replied ReadReply(const Definition& definition, const Send& send, CallResult result, absl::Duration elapsed) {
  const bool refused_for_good =
      IsFinalRefusal(send.phase, result.failure.code, result.failure.reason, result.effect_free);
  Replied replied{.step = send.step,
                  .phase = send.phase,
                  .attempt = send.attempt,
                  .outcome = OutcomeOf(definition, send, result, refused_for_good),
                  .effect_free = refused_for_good,
                  .reply = {},
                  .failure = {},
                  .elapsed = elapsed,
                  .by_transport = result.by_transport,
                  .retry_after = result.retry_after};
  const bool has_reply = replied.outcome == Outcome::kOk || replied.outcome == Outcome::kPending;
  if (has_reply && !definition.ReplyParses(send.step, send.phase, result.reply)) {
    replied.outcome = Outcome::kUnknown;
    replied.failure = {.reason = "REPLY_NOT_READABLE",
                       .domain = kSagaDomain,
                       .code = 13,  // INTERNAL
                       .message = "the answer does not parse as the method's response",
                       .step = {},
                       .metadata = {}};
  } else if (has_reply) {
    replied.reply = std::move(result.reply);
  } else if (result.pending) {
    replied.failure = {.reason = kReasonPendingNotAsked,
                       .domain = kSagaDomain,
                       .code = 13,  // INTERNAL
                       .message =
                           "the answer says that the call is not finished, which its definition does not allow: "
                           "let the step declare 'pending'",
                       .step = {},
                       .metadata = {}};
  } else {
    replied.failure = std::move(result.failure);
  }
  // The pause that it names is one between polls.
  if (result.pending && replied.outcome != Outcome::kPending) replied.retry_after = absl::ZeroDuration();
  return replied;
}

Replied NotKept(const Replied& reply) {
  return {.step = reply.step,
          .phase = reply.phase,
          .attempt = reply.attempt,
          .outcome = Outcome::kUnknown,
          .reply = {},
          .failure = {.reason = "REPLY_NOT_KEPT",
                      .domain = kSagaDomain,
                      .code = 8,  // RESOURCE_EXHAUSTED
                      .message = "too many replies wait for the store",
                      .step = {},
                      .metadata = {}},
          .elapsed = reply.elapsed,
          .by_transport = true,
          .retry_after = kNotKeptPause};
}

Replied NotBuilt(const Definition& definition, const Send& send, const absl::Status& why) {
  Replied refused = ReadReply(definition, send, {}, absl::ZeroDuration());
  refused.outcome = send.phase == Phase::kResolve ? Outcome::kUnknown : Outcome::kRefused;
  refused.failure.reason = "REQUEST_NOT_BUILT";
  refused.failure.domain = kSagaDomain;
  refused.failure.code = static_cast<int>(why.code());
  refused.failure.message = std::string(why.message());
  return refused;
}

std::string CallOf(const Definition& definition, int step, Phase phase) {
  return absl::StrCat(definition.plan().steps[static_cast<std::size_t>(step)].name, "/", NameOf(phase));
}

std::string CallOf(const Definition& definition, const Event& event) {
  const auto* const reply = std::get_if<Replied>(&event);
  return reply == nullptr ? NameOf(event) : CallOf(definition, reply->step, reply->phase);
}

}  // namespace unwind
