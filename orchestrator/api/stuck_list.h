// Lists the stuck sagas, those with a step that IsStuck: SagaService.ListSagas with `stuck`.
#ifndef UNWIND_ORCHESTRATOR_API_STUCK_LIST_H_
#define UNWIND_ORCHESTRATOR_API_STUCK_LIST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// Sagas that one call looks at.
inline constexpr std::size_t kStuckLookedMax = 2000;

struct StuckPage {
  std::vector<Saga> sagas;  // oldest first
  std::string last_id;      // of the last that was looked at: the next page begins after it. Empty: there is no other
};

// The sagas with a stuck step that match `filter`, with ids above `after_id`; at most filter.limit. Whether a step is
// stuck is computed from the saga's row and its definition, and no index stores it. So this scans the unfinished sagas,
// oldest first. It skips a saga whose definition this instance does not know.
absl::StatusOr<StuckPage> FindStuck(SagaStore& store, const DefinitionCatalog& catalog, const SagaFilter& filter,
                                    absl::string_view after_id);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STUCK_LIST_H_
