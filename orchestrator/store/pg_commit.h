// The hot path of the SQL store on PostgreSQL: a whole commit in one statement, and so in one round trip.
#ifndef UNWIND_ORCHESTRATOR_STORE_PG_COMMIT_H_
#define UNWIND_ORCHESTRATOR_STORE_PG_COMMIT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/connection.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/saga_codec.h"

namespace unwind {

// As SagaStore::Commit; `writes` were encoded with the followers of generation `followers`. Nothing, and nothing is
// stored, if that is no longer the stored one.
absl::StatusOr<std::optional<std::vector<WriteResult>>> CommitOnPostgres(Connection& connection, const Lease& lease,
                                                                         const std::vector<WriteRows>& writes,
                                                                         std::int64_t followers);

// As SagaStore::Purge.
absl::StatusOr<int> PurgeOnPostgres(Connection& connection, const Lease& lease, long long before, int limit);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_PG_COMMIT_H_
