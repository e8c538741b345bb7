// Rows of table saga that nobody drives until they are due.
#ifndef UNWIND_ORCHESTRATOR_STORE_DUE_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_DUE_ROWS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/saga_store.h"
#include "soci/session.h"

namespace unwind {

// As LoadDue, CountUnstarted and CountResting of SagaStore. `without`: by IdRows.
SagaPage DuePage(soci::session& sql, const std::string& owner, const DefinitionVersion& definition, DueFor what,
                 long long until, const std::string& without, int limit);
std::vector<std::pair<DefinitionVersion, std::int64_t>> UnstartedCounts(soci::session& sql, const std::string& owner);
std::vector<RestingCount> RestingCounts(soci::session& sql, const std::string& owner);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_DUE_ROWS_H_
