// How a saga comes to another instance. The former owner's next write of such a row waits for this one, and then finds
// that the row is no longer its own.
#ifndef UNWIND_ORCHESTRATOR_STORE_CLAIM_H_
#define UNWIND_ORCHESTRATOR_STORE_CLAIM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/db/connection.h"
#include "orchestrator/engine/saga_store.h"
#include "soci/session.h"

namespace unwind {

struct LapsedOwner {
  std::string instance;
  bool released = false;  // it ended its lease itself
};

// The instances but `self` whose lease is over and that own unfinished sagas.
std::vector<LapsedOwner> LapsedOwners(soci::session& sql, const std::string& self);

// As SagaStore::Claim, of the sagas of `owners`.
absl::StatusOr<SagaPage> ClaimSagas(Connection& connection, const Lease& lease, const std::vector<LapsedOwner>& owners,
                                    const std::vector<DefinitionVersion>& drivable, int limit);

// As SagaStore::Take. DATA_LOSS if it cannot be read: it keeps its owner.
absl::StatusOr<Saga> TakeSaga(Connection& connection, const Lease& lease, absl::string_view saga_id);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_CLAIM_H_
