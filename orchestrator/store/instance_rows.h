// Table instance: who drives sagas, in which epoch and until when. Times are the database's, so that no process's clock
// decides who owns what.
#ifndef UNWIND_ORCHESTRATOR_STORE_INSTANCE_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_INSTANCE_ROWS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/connection.h"
#include "common/db/statement.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// The database's clock in nanoseconds since 1970, as an SQL expression.
const char* NowIn(Dialect dialect);

// ABORTED.
absl::Status LeaseIsOver(const Lease& lease);

// LeaseIsOver if it is. Else no new epoch is acquired before the transaction at hand has ended.
absl::Status HoldLease(soci::session& sql, const Lease& lease);

// As the calls of SagaStore with these names. On PostgreSQL AcquireLease waits for what the instance's former
// incarnation has in flight, which from then on is fenced.
absl::StatusOr<Lease> AcquireLease(Connection& connection, const std::string& instance, const std::string& address,
                                   absl::Duration length);
// Who acquired the lease of `instance` last; nothing: nobody did.
struct LeaseHolder {
  std::string address;      // as Acquire was told
  bool is_current = false;  // its lease is not over
};
absl::StatusOr<std::optional<LeaseHolder>> FindHolder(Connection& connection, const std::string& instance);

absl::Status RenewLease(Connection& connection, const Lease& lease, absl::Duration length);
absl::Status ReleaseLease(Connection& connection, const Lease& lease);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_INSTANCE_ROWS_H_
