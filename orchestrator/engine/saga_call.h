// From a send to the call that carries it out.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_

#include <string>

#include "absl/status/status.h"
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

// The answer to a call that could not be built, for `why`: refused, since nothing was sent. A resolve is UNKNOWN, since
// its refusal would say that the pivot never happened.
Replied NotBuilt(const Definition& definition, const Send& send, const absl::Status& why);

// `reply` without its bytes, for which there is no room: unknown, and asked for again, at no attempt's cost.
Replied NotKept(const Replied& reply);

// Which call a crash point is about, such as charge/resolve. The same of an event; of one that is no reply, its name.
std::string CallOf(const Definition& definition, int step, Phase phase);
std::string CallOf(const Definition& definition, const Event& event);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SAGA_CALL_H_
