// Table pause.
#ifndef UNWIND_ORCHESTRATOR_STORE_PAUSE_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_PAUSE_ROWS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/engine/saga_store.h"
#include "soci/session.h"

namespace unwind {

// As the calls of SagaStore with these names, within the transaction at hand.
absl::StatusOr<DefinitionPause> PutPauseRow(soci::session& sql, const std::string& definition, const std::string& actor,
                                            const std::string& reason);
absl::Status RemovePauseRow(soci::session& sql, const std::string& definition);
std::vector<DefinitionPause> PauseRows(soci::session& sql);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_PAUSE_ROWS_H_
