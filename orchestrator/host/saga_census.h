// The gauges of unfinished sagas: how many are in which state, and how old the oldest is. From the store, where those
// are that stand still and are not in memory.
#ifndef UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_
#define UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/engine/saga_store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace unwind {

// Between two counts.
inline constexpr absl::Duration kCensusPause = absl::Seconds(5);

// Exports saga_live and saga_oldest_age_seconds, both by definition and state, as of the last Take. A definition that
// was seen once stays, with 0. Thread-safe.
class SagaCensus final : public prometheus::Collectable {
 public:
  explicit SagaCensus(const Clock& clock) : clock_(clock) {}

  // Counts what `instance` owns. The store's error leaves the last counts.
  absl::Status Take(SagaStore& store, const std::string& instance);

  // The same; an error is logged, and the first count. Returns kCensusPause. For one thread.
  absl::Duration TakeAgain(SagaStore& store, const std::string& instance);

  // Those of all definitions that are in `state`.
  std::int64_t Sagas(SagaState state) const;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void Tell() const;

  const Clock& clock_;
  bool told_ = false;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, SagaState>, UnfinishedCount> counts_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_
