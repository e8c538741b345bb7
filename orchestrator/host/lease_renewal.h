// Keeps this instance's lease while the process lives, also while it recovers its sagas.
#ifndef UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_
#define UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_

#include <atomic>
#include <functional>

#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// On a thread of its own, from the construction until Stop.
class LeaseRenewal {
 public:
  // `store` must outlive it. `lease` has just been acquired for `length`; a third of that passes between renewals.
  // `set_serving` is told false once it could not be renewed for as long as it lasts, which says that the database is
  // away or refuses every write, and true when it is renewed again.
  LeaseRenewal(SagaStore& store, const Lease& lease, absl::Duration length, std::function<void(bool)> set_serving);

  // Another process acquired the lease under this instance's name.
  bool lost() const { return lost_; }

  // Waits for the renewal at hand. The lease runs on. Idempotent.
  void Stop() { renewing_.Stop(); }

 private:
  absl::Duration Renew();
  void SetServing(bool serving);

  SagaStore& store_;
  const Lease lease_;
  const absl::Duration length_;
  const std::function<void(bool)> set_serving_;
  absl::Time renewed_at_;  // of the renewing thread, as is the next
  bool serving_ = true;
  std::atomic<bool> lost_ = false;
  Repeat renewing_;  // last: it uses all the rest
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_
