// What an instance does besides driving its sagas: it renews its lease, takes over the sagas of instances whose lease
// is over, and purges sagas that finished long ago.
#ifndef UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
#define UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_

#include <atomic>
#include <random>

#include "absl/time/time.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/host/repeat.h"

namespace unwind {

struct MaintenanceOptions {
  absl::Duration lease = absl::Seconds(15);         // how long it lasts; a third of it passes between renewals
  absl::Duration retention = absl::Hours(24 * 30);  // how long finished sagas are kept
};

// Each task runs on a thread of its own, from the construction until Stop. Thread-safe.
class Maintenance {
 public:
  // `store` and `driver` must outlive it. `lease` has just been acquired, and `driver` drives under it.
  Maintenance(SagaStore& store, Driver& driver, const Lease& lease, MaintenanceOptions options);

  // Another process acquired the lease under this instance's name.
  bool lease_lost() const { return lease_lost_; }

  // Waits for the tasks at hand. The lease runs on. Idempotent.
  void Stop();

 private:
  // Each returns the pause until it runs again.
  absl::Duration Renew();
  absl::Duration ClaimLapsed();
  absl::Duration Purge();

  SagaStore& store_;
  Driver& driver_;
  const Lease lease_;
  const MaintenanceOptions options_;
  std::mt19937 random_;  // of the claiming thread
  std::atomic<bool> lease_lost_ = false;
  Repeat renewing_, claiming_, purging_;  // last: they use all the rest
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
