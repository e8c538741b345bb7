// From an operator's request on a step to the event it is.
#ifndef UNWIND_ORCHESTRATOR_API_STEP_VERB_H_
#define UNWIND_ORCHESTRATOR_API_STEP_VERB_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/definition/definition.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

// How the saga and its step stood when the operator chose. UNSPECIFIED: that was not said.
struct Seen {
  saga::v1::Saga::Direction direction = saga::v1::Saga::DIRECTION_UNSPECIFIED;
  saga::v1::Phase phase = saga::v1::PHASE_UNSPECIFIED;
};

// How they stand now.
Seen SeenOf(const Definition& definition, const Saga& saga, int step);

// What an operator asks of a step.
struct AskedVerb {
  Verb verb = Verb::kRetry;
  std::string step;
  Seen seen;
};

// NOT_FOUND STEP_NOT_FOUND; UNAVAILABLE SAGA_MOVED: it is not as it was seen, so that the verb would do something else
// than what was chosen; FAILED_PRECONDITION STEP_NOT_PARKED: it is neither parked nor repeated nor waiting;
// SAGA_TOO_OLD: a retry whose participant may have forgotten the key; INVALID_ARGUMENT. A saga that moves meanwhile
// finds the event stale.
absl::StatusOr<Operated> ReadVerb(const Definition& definition, const Saga& saga, const AskedVerb& asked,
                                  absl::Time now);

// The reply of Verb::kResolve, serialized: of the action's response type, as `reply` or as `reply_json`; empty for a
// compensation, which has neither. INVALID_ARGUMENT.
absl::StatusOr<std::string> ReadKnownReply(const Definition& definition, const Saga& saga, int step,
                                           const saga::v1::ResolveStepRequest& request);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STEP_VERB_H_
