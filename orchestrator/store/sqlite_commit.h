// The hot path of the SQL store on SQLite.
#ifndef UNWIND_ORCHESTRATOR_STORE_SQLITE_COMMIT_H_
#define UNWIND_ORCHESTRATOR_STORE_SQLITE_COMMIT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/connection.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/saga_codec.h"

namespace unwind {

// As SagaStore::Commit; `rows` are `writes`, encoded with the followers of generation `followers`. Nothing, and nothing
// is stored, if that is no longer the stored one and a saga ends.
absl::StatusOr<std::optional<std::vector<WriteResult>>> CommitOnSqlite(Connection& connection, const Lease& lease,
                                                                       const std::vector<SagaWrite>& writes,
                                                                       const std::vector<WriteRows>& rows,
                                                                       std::int64_t followers);

// As SagaStore::Purge.
absl::StatusOr<int> PurgeOnSqlite(Connection& connection, const Lease& lease, long long before, int limit);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SQLITE_COMMIT_H_
