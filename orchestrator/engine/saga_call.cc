#include "orchestrator/engine/saga_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"

namespace unwind {

absl::StatusOr<Call> MakeCall(const Definition& definition, const Saga& saga, const Send& send, absl::Time now) {
  const StepPlan& step = definition.plan().steps[static_cast<std::size_t>(send.step)];
  const char* const phase = NameOf(send.phase);
  Call call;
  call.method = definition.methods(send.step).path(send.phase);
  call.timeout = step.timeout;
  ASSIGN_OR_RETURN(call.request, definition.Request(saga, send.step, send.phase));
  call.metadata = {
      {"saga-id", saga.id},
      {"saga-step", step.name},
      {"saga-phase", phase},
      {"saga-kind", NameOf(step.kind)},
      {"saga-attempt", absl::StrCat(send.attempt)},
      {"idempotency-key", absl::StrCat(saga.id, "/", step.name, "/", phase)},
      {"saga-issued-at", absl::StrCat(absl::ToUnixMillis(now))},
  };
  if (!saga.traceparent.empty()) call.metadata.emplace_back("traceparent", saga.traceparent);
  return call;
}

Replied ReadReply(const Definition& definition, const Send& send, CallResult result, absl::Duration elapsed) {
  Replied replied{.step = send.step,
                  .phase = send.phase,
                  .attempt = send.attempt,
                  .outcome = ReadOutcome(send.phase, result.failure.code, result.failure.reason,
                                         definition.methods(send.step).overrides),
                  .effect_free = false,
                  .reply = {},
                  .failure = {},
                  .elapsed = elapsed};
  const bool keeps_reply = replied.outcome == Outcome::kOk && send.phase != Phase::kCompensation;
  if (keeps_reply && !definition.ReplyParses(send.step, result.reply)) {
    replied.outcome = Outcome::kUnknown;
    replied.failure = {.reason = "REPLY_NOT_READABLE",
                       .domain = kSagaDomain,
                       .code = 13,  // INTERNAL
                       .message = "the answer does not parse as the method's response",
                       .step = {},
                       .metadata = {}};
  } else if (replied.outcome == Outcome::kOk) {
    replied.reply = std::move(result.reply);
  } else {
    replied.effect_free = result.effect_free;
    replied.failure = std::move(result.failure);
  }
  return replied;
}

}  // namespace unwind
