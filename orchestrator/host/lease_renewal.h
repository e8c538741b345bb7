// Keeps this instance's lease while the process lives, also while it recovers its sagas, and tells health whether the
// store takes its writes.
#ifndef UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_
#define UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_

#include <atomic>
#include <functional>
#include <mutex>

#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// On a thread of its own, from the construction until Stop. Thread-safe.
class LeaseRenewal {
 public:
  // `store` must outlive it. `lease` has just been acquired for `length`; a third of that passes between renewals.
  // `commits_fail`: whether what was decided of sagas cannot be stored. `set_serving` is told false once the lease
  // could not be renewed, or no commit has landed, for as long as the lease lasts, which says that the database is away
  // or refuses writes; and true when both succeed again.
  LeaseRenewal(SagaStore& store, const Lease& lease, absl::Duration length, std::function<bool()> commits_fail,
               std::function<void(bool)> set_serving);

  // From now on `set_serving` is told, and at once how it is.
  void Tell();

  // Another process acquired the lease under this instance's name.
  bool lost() const { return lost_; }

  // Since it was acquired, or renewed last.
  absl::Duration age() const;

  // Waits for the renewal at hand. The lease runs on. Idempotent.
  void Stop() { renewing_.Stop(); }

 private:
  absl::Duration Renew();
  void SetServing(bool serving);

  SagaStore& store_;
  const Lease lease_;
  const absl::Duration length_;
  const std::function<bool()> commits_fail_;
  const std::function<void(bool)> set_serving_;
  absl::Time committed_at_;   // of the renewing thread
  mutable std::mutex mutex_;  // also held while set_serving is told, so that what was told last is what holds
  absl::Time renewed_at_;     // guarded by mutex_, as are the next two
  bool serving_ = true;
  bool telling_ = false;
  std::atomic<bool> lost_ = false;
  Repeat renewing_;  // last: it uses all the rest
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_LEASE_RENEWAL_H_
