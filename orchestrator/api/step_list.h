// Lists the unfinished sagas that have a step which stands in some way: SagaService.ListSagas with `stuck` or
// `waiting`.
#ifndef UNWIND_ORCHESTRATOR_API_STEP_LIST_H_
#define UNWIND_ORCHESTRATOR_API_STEP_LIST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

// Sagas that one call looks at.
inline constexpr std::size_t kStepListLookedMax = 2000;

// Which sagas: those with a step that IsStuck, those with one that waits, or those with both.
struct StepFilter {
  bool stuck = false;
  bool waiting = false;

  bool any() const { return stuck || waiting; }
};

StepFilter StepFilterOf(const saga::v1::ListSagasRequest& request);
// For a page token.
std::string NameOf(const StepFilter& steps);

struct StepListPage {
  std::vector<Saga> sagas;  // oldest first
  std::string last_id;      // of the last that was looked at: the next page begins after it. Empty: there is no other
};

// The sagas that match `steps` and `filter`, with ids above `after_id`; at most filter.limit. How a step stands follows
// from the saga's row and its definition, and no index stores it. So this scans the unfinished sagas, oldest first. It
// takes no saga for stuck whose definition this instance does not know.
absl::StatusOr<StepListPage> FindBySteps(SagaStore& store, const DefinitionCatalog& catalog, const SagaFilter& filter,
                                         const StepFilter& steps, absl::string_view after_id);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STEP_LIST_H_
