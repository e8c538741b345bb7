// What an instance does besides driving its sagas and keeping its lease: it takes over the sagas of instances whose
// lease is over, brings in those whose rows are due (what the end of others gave birth to, and what rested), learns the
// definitions of these, and purges sagas that finished long ago and definitions that none uses.
#ifndef UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
#define UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_

#include <memory>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/host/definition_learner.h"

namespace unwind {

// Each task runs on a thread of its own, from the construction until Stop. Thread-safe.
class Maintenance {
 public:
  // `store`, `driver` and `learner` must outlive it. `driver` drives under `lease` and has recovered its sagas.
  // `served` are the definitions whose sagas may be started here. Finished sagas and unused definitions are kept for
  // `retention`.
  Maintenance(SagaStore& store, Driver& driver, DefinitionLearner& learner,
              std::vector<std::shared_ptr<const Definition>> served, const Lease& lease, absl::Duration retention);

  // Waits for the tasks at hand. Idempotent.
  void Stop();

 private:
  // Each returns the pause until it runs again.
  absl::Duration ClaimLapsed();
  absl::Duration TakeUpDue();
  absl::Duration Learn();
  absl::Duration Purge();
  void PurgeDefinitions();

  SagaStore& store_;
  Driver& driver_;
  DefinitionLearner& learner_;
  const std::vector<std::shared_ptr<const Definition>> served_;
  const Lease lease_;
  const absl::Duration retention_;
  std::mt19937 random_;                              // of the claiming thread
  Repeat claiming_, sweeping_, learning_, purging_;  // last: they use all the rest
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_MAINTENANCE_H_
