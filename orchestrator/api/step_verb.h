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

// NOT_FOUND STEP_NOT_FOUND; FAILED_PRECONDITION STEP_NOT_PARKED: it is neither parked nor repeated; SAGA_TOO_OLD: a
// retry whose participant may have forgotten the key. A saga that moves meanwhile finds the event stale.
absl::StatusOr<Operated> ReadVerb(const Definition& definition, const Saga& saga, Verb verb, const std::string& step,
                                  absl::Time now);

// The reply of Verb::kResolve, serialized: of the action's response type, as `reply` or as `reply_json`; empty for a
// compensation, which has neither. INVALID_ARGUMENT.
absl::StatusOr<std::string> ReadKnownReply(const Definition& definition, const Saga& saga, int step,
                                           const saga::v1::ResolveStepRequest& request);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STEP_VERB_H_
