// SagaService.ListDefinitions.
#ifndef UNWIND_ORCHESTRATOR_API_DEFINITION_LIST_H_
#define UNWIND_ORCHESTRATOR_API_DEFINITION_LIST_H_

#include "absl/status/status.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

// What `catalog` serves or can drive, and what unfinished sagas in `store` run on. Blocks for as long as the store
// takes; its error as it is.
absl::Status ListDefinitions(SagaStore& store, const DefinitionCatalog& catalog,
                             saga::v1::ListDefinitionsResponse& response);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_DEFINITION_LIST_H_
