// What the end of a saga gives birth to (S17), as rows. Pure: the stores call it within the write that ends the saga.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_BIRTHS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_BIRTHS_H_

#include <vector>

#include "orchestrator/core/follower.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// The inserts that belong to `end`, in the order of the set; none if its saga has not ended. The same write has the
// same births, ids included.
std::vector<SagaWrite> BirthsOf(const FollowerSet& set, const SagaWrite& end);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_BIRTHS_H_
