// Sagas that call each other.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_NESTED_SAGAS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_NESTED_SAGAS_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// INVALID_ARGUMENT lists every step, one a line, that calls a method which one of `definitions` serves: a served method
// is no participant. It refuses the keys of steps, has no compensation, and its final answers would be repeated.
absl::Status CheckNoneIsNested(const std::vector<std::shared_ptr<const Definition>>& definitions);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_NESTED_SAGAS_H_
