// What an orchestrator can do next: the production Advance decides, the store commits if the copy is still the row.
#ifndef UNWIND_TESTS_MODEL_MIND_H_
#define UNWIND_TESTS_MODEL_MIND_H_

#include "orchestrator/core/advance.h"
#include "tests/model/model.h"
#include "tests/model/moves.h"
#include "tests/model/world.h"

namespace unwind::model {

// The saga as it is accepted.
Decision Start(const Model& model);

// The saga as another's end gives birth to it. `is_built`: else it is parked at its first step.
Saga Birth(const Model& model, bool is_built);

void ExpandOrchestrator(const Model& model, const World& world, int who, Take take);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_MIND_H_
