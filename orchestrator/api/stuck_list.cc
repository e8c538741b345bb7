#include "orchestrator/api/stuck_list.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "common/base/status_macros.h"
#include "orchestrator/core/reading.h"

namespace unwind {

absl::StatusOr<StuckPage> FindStuck(SagaStore& store, const DefinitionCatalog& catalog, const SagaFilter& filter,
                                    absl::string_view after_id) {
  ASSIGN_OR_RETURN(SagaPage looked, store.ListUnfinished(filter.state, after_id, static_cast<int>(kStuckLookedMax)));
  StuckPage page;
  for (Saga& saga : looked.sagas) {
    if (!LetsThrough(filter, saga)) continue;
    const std::shared_ptr<const Definition> definition = catalog.Of(saga);
    if (definition == nullptr || !HasStuckStep(definition->plan(), saga)) continue;
    page.sagas.push_back(std::move(saga));
    if (page.sagas.size() < static_cast<std::size_t>(filter.limit)) continue;
    page.last_id = page.sagas.back().id;
    return page;
  }
  if (looked.is_cut || looked.rows() == kStuckLookedMax) page.last_id = looked.last_id;
  return page;
}

}  // namespace unwind
