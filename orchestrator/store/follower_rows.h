// Tables follower and follower_set, and what was born.
#ifndef UNWIND_ORCHESTRATOR_STORE_FOLLOWER_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_FOLLOWER_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/engine/saga_store.h"
#include "soci/session.h"

namespace unwind {

std::int64_t FollowerGeneration(soci::session& sql);

// As the calls of SagaStore that they are named after, within the transaction at hand, which must be one snapshot.
FollowerSet FollowersOf(soci::session& sql);
absl::Status PutFollowerRows(soci::session& sql, std::int64_t seen_generation, const std::vector<Follower>& followers);
std::vector<Child> ChildRows(soci::session& sql, const std::string& parent_id);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_FOLLOWER_ROWS_H_
