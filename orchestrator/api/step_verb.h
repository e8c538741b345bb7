// From an operator's request on a step to the event it is.
#ifndef UNWIND_ORCHESTRATOR_API_STEP_VERB_H_
#define UNWIND_ORCHESTRATOR_API_STEP_VERB_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/any.pb.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// NOT_FOUND STEP_NOT_FOUND; FAILED_PRECONDITION STEP_NOT_PARKED: it is neither parked nor repeated; SAGA_TOO_OLD: a
// retry whose participant may have forgotten the key. A saga that moves meanwhile finds the event stale.
absl::StatusOr<Operated> ReadVerb(const Definition& definition, const Saga& saga, Verb verb, const std::string& step,
                                  absl::Time now);

// The reply of Verb::kResolve: set and of the action's response type, or unset for a compensation. INVALID_ARGUMENT.
absl::StatusOr<std::string> ReadKnownReply(const Definition& definition, const Saga& saga, int step,
                                           const google::protobuf::Any* reply);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STEP_VERB_H_
