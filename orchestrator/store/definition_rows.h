// Table definition.
#ifndef UNWIND_ORCHESTRATOR_STORE_DEFINITION_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_DEFINITION_ROWS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/engine/saga_store.h"
#include "soci/session.h"

namespace unwind {

// As the calls of SagaStore with these names, within the transaction at hand.
absl::Status PutDefinitionRow(soci::session& sql, const StoredDefinition& definition);
absl::StatusOr<StoredDefinition> LoadDefinitionRow(soci::session& sql, absl::string_view name, int version);
std::vector<DefinitionVersion> DefinitionsOfUnfinished(soci::session& sql);
std::vector<DefinitionVersion> StoredDefinitionRows(soci::session& sql);  // StoredDefinitions

// The two halves of PurgeDefinitions: the first reads all sagas of a definition, which no writer should wait for. Who
// may start a saga between the two has put the definition, which the second sees.
std::vector<DefinitionVersion> UnusedDefinitions(soci::session& sql, absl::Duration unused_for);
void RemoveDefinitions(soci::session& sql, absl::Duration unused_for, std::vector<DefinitionVersion>& unused);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_DEFINITION_ROWS_H_
