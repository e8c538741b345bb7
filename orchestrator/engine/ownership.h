// Whose a saga is, and whether its copy in memory is what is stored. Nothing is decided on a stale copy; sagas of other
// instances are watched for their waiters, taken for an operator, or left alone.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_
#define UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_

#include "orchestrator/engine/pending_commit.h"

namespace unwind {

// Lets `waiter` wait for the saga that its key has started already, if that was by the same input. Thread-safe.
void AttachToExisting(DriverContext& context, const Saga& existing, const std::string& input_hash, Waiter waiter);

// Not thread-safe.
class Ownership {
 public:
  Ownership(DriverContext& context, Mailbox& mailbox, LiveSagas& live, PendingCommit& pending)
      : context_(context), mailbox_(mailbox), live_(live), pending_(pending) {}

  // Brings a saga of this instance into memory as it is stored. Its copy, on which TakenOver is to be decided; null if
  // it is driven already or its definition is unknown.
  LiveSaga* Recover(Saga stored);

  // The copy in memory is stale: loads the row, and recovers, watches or forgets the saga.
  void Reload(LiveSaga& live, absl::Time now);

  // Lets a caller wait for a saga, whoever drives it.
  void Attach(AttachMail mail, absl::Time now);

  // The store refuses what was decided for the saga: it stands as it is stored, this instance's own and driven by
  // nobody, until an operator asks something of it or the process starts again. Everybody who waits is told.
  void Quarantine(LiveSaga& live, const Landed& refused);

  // Makes a saga that is not driven here this instance's own; its previous owner sees a conflict at its next write. The
  // row, also if it is terminal and so nobody's; or the error for the operator.
  absl::StatusOr<Saga> Take(const std::string& saga_id);

 private:
  LiveSaga* Insert(Saga saga);
  void Watch(LiveSaga& live, Saga stored, absl::Time now);
  void UseStored(LiveSaga& live, const absl::StatusOr<Saga>& stored, absl::Time now);

  DriverContext& context_;
  Mailbox& mailbox_;
  LiveSagas& live_;
  PendingCommit& pending_;
  std::set<std::string> quarantined_;  // saga ids
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_
