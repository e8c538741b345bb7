// From a send to the call that carries it out.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/participants.h"

namespace unwind {

// The call of `send`, with the metadata of the participant contract. A resend differs only in attempt and issue time.
absl::StatusOr<Call> MakeCall(const Definition& definition, const Saga& saga, const Send& send, absl::Time now);

// What the answer of that call means to the saga (S1).
Replied ReadReply(const Definition& definition, const Send& send, CallResult result, absl::Duration elapsed);

// `reply` without its bytes, for which there is no room: unknown, and asked for again, at no attempt's cost.
Replied NotKept(const Replied& reply);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_
