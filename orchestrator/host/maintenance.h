// What an instance does besides driving its sagas: it renews its lease, takes over the sagas of instances whose lease
// is over, learns the definitions of these, and purges sagas that finished long ago and definitions that none uses.
#ifndef UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
#define UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/host/definition_learner.h"

namespace unwind {

struct MaintenanceOptions {
  absl::Duration lease = absl::Seconds(15);         // how long it lasts; a third of it passes between renewals
  absl::Duration retention = absl::Hours(24 * 30);  // how long finished sagas and unused definitions are kept
};

// Each task runs on a thread of its own, from the construction until Stop. Thread-safe.
class Maintenance {
 public:
  // `store`, `driver` and `learner` must outlive it. `lease` has just been acquired, and `driver` drives under it.
  // `served` are the definitions whose sagas may be started here. `set_serving` is told false once the lease could
  // not be renewed for as long as it lasts, which says that the database is away or refuses every write, and true when
  // it is renewed again.
  Maintenance(SagaStore& store, Driver& driver, DefinitionLearner& learner,
              std::vector<std::shared_ptr<const Definition>> served, const Lease& lease, MaintenanceOptions options,
              std::function<void(bool)> set_serving);

  // Another process acquired the lease under this instance's name.
  bool lease_lost() const { return lease_lost_; }

  // Waits for the tasks at hand. The lease runs on. Idempotent.
  void Stop();

 private:
  // Each returns the pause until it runs again.
  absl::Duration Renew();
  void SetServing(bool serving);
  absl::Duration ClaimLapsed();
  absl::Duration Learn();
  absl::Duration Purge();
  void PurgeDefinitions();

  SagaStore& store_;
  Driver& driver_;
  DefinitionLearner& learner_;
  const std::vector<std::shared_ptr<const Definition>> served_;
  const Lease lease_;
  const MaintenanceOptions options_;
  const std::function<void(bool)> set_serving_;
  absl::Time renewed_at_;  // of the renewing thread, as is the next
  bool serving_ = true;
  std::mt19937 random_;  // of the claiming thread
  std::atomic<bool> lease_lost_ = false;
  Repeat renewing_, claiming_, learning_, purging_;  // last: they use all the rest
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
