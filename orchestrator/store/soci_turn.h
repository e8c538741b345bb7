// The hot path of the SQL store: the statements that every turn's transaction runs.
#ifndef UNWIND_ORCHESTRATOR_STORE_SOCI_TURN_H_
#define UNWIND_ORCHESTRATOR_STORE_SOCI_TURN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/saga_codec.h"
#include "soci/soci.h"

namespace unwind {

// One write in the types of SQL, made before any lock is taken.
struct WriteRows {
  SagaRow saga;
  long long seen = 0;
  std::vector<EventRow> events;
};

WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write);

// ABORTED.
absl::Status LeaseIsOver(const Lease& lease);

// The statements of a turn, prepared once for as long as the session lives. Each reads and writes the members it is
// bound to. One row at a time: in SQLite a kept statement is faster than one set-based statement over a JSON parameter.
// Not thread-safe.
class SociTurn {
 public:
  explicit SociTurn(soci::session& sql);
  SociTurn(const SociTurn&) = delete;
  SociTurn& operator=(const SociTurn&) = delete;

  soci::session& sql() { return sql_; }

  // All within the transaction at hand.
  absl::Status CheckLease(const Lease& lease);
  WriteResult Store(const WriteRows& rows);

 private:
  WriteResult WhyNotInserted();

  soci::session& sql_;
  std::string instance_;
  long long epoch_ = 0, count_ = 0, seen_ = 0;
  SagaRow saga_;
  EventRow event_;
  soci::statement count_lease_, insert_saga_, update_saga_, insert_event_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SOCI_TURN_H_
