// Who follows whom (S17), as the database has it for all instances: checked against every version of every parent that
// may still end.
#ifndef UNWIND_ORCHESTRATOR_HOST_FOLLOWER_TABLE_H_
#define UNWIND_ORCHESTRATOR_HOST_FOLLOWER_TABLE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// What UpdateFollowers would refuse, while `definitions` are not stored yet: what is refused can be corrected under the
// same version.
absl::Status CheckFollowers(SagaStore& store, const std::vector<std::shared_ptr<const Definition>>& definitions);

// Brings the table up to date with `definitions`, which are stored: both the followers among them and the new versions
// of what others follow. Of each follower the highest version counts that any instance has brought. A parent's version
// that is not in use and lacks what a follower reads is noted as such: what its end gives birth to is parked. What
// other instances have noted of definitions that do not load here stays, also what cannot be read; that is made anew
// where they load, and else logged. INVALID_ARGUMENT, one line each: a version of a parent that is in use, or among
// `definitions`, lacks what a follower reads; followers follow each other in a circle; a follower calls what a saga
// serves; one of `definitions` has a follower that does not load here, and no instance has noted whether the two fit.
absl::Status UpdateFollowers(SagaStore& store, const std::vector<std::shared_ptr<const Definition>>& definitions);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_FOLLOWER_TABLE_H_
