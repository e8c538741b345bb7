// What a call does at the service of a step: the production barrier decides, a domain of one unit of effect acts.
#ifndef UNWIND_TESTS_MODEL_SERVICE_H_
#define UNWIND_TESTS_MODEL_SERVICE_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "tests/model/model.h"
#include "tests/model/world.h"

namespace unwind::model {

// A way in which the call can go: what the world becomes, what is answered (kSaid*, 0: nothing), the rule it breaks.
using Went = absl::FunctionRef<void(const World& next, std::uint8_t said, const char* broken)>;

// Executes a message that is out, in each way it can go. `decides`: of a resolve that ends a wait. REQUIRES: it was
// sent.
void Execute(const Model& model, const World& world, std::size_t step, Phase phase, bool decides, Went went);

// The seeded bug kCheckThenAct: acts on what a call had read before.
void FinishActing(const Model& model, const World& world, std::size_t step, Went went);
void FinishSkipping(const World& world, std::size_t step, Went went);

// The gateway captures, with the rule this breaks.
const char* Act(const Model& model, World& world, std::size_t step);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_SERVICE_H_
