// The gauges of unfinished sagas: how many are in which state, how old the oldest is, how many nobody drives for want
// of a usable definition, and how many have an owner whose lease is over. From the store, where those are that stand
// still and are not in memory.
#ifndef UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_
#define UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace unwind {

// Between two counts; longer where a count of very many sagas takes long, so that counting takes a fiftieth of the
// time.
inline constexpr absl::Duration kCensusPause = absl::Seconds(5);
inline absl::Duration PauseAfter(absl::Duration count) { return std::max(kCensusPause, 50 * count); }
// Between two warnings of the same.
inline constexpr absl::Duration kUndrivenWarningPause = absl::Minutes(10);

// Exports saga_live and saga_oldest_age_seconds, both by definition and state, and saga_undriven, saga_orphaned and
// saga_followers_waiting by definition and version, as of the last Take. Of a definition that is served, or that was
// counted once, the first two are there, with 0. Thread-safe.
class SagaCensus final : public prometheus::Collectable {
 public:
  // Both must outlive it.
  SagaCensus(const Clock& clock, const DefinitionCatalog& catalog, absl::Duration warning_pause = kUndrivenWarningPause)
      : clock_(clock), catalog_(catalog), warning_pause_(warning_pause) {}

  // Counts what `instance` owns, and what nobody does. The store's error leaves the last counts.
  absl::Status Take(SagaStore& store, const std::string& instance);

  // The same; an error is logged, and the first count, and again and again what is not driven and why. Returns
  // the pause until the next. For one thread.
  absl::Duration TakeAgain(SagaStore& store, const std::string& instance);

  // Those of all definitions that are in `state`.
  std::int64_t Sagas(SagaState state) const;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Count {
    std::int64_t sagas = 0;
    absl::Time oldest = absl::InfiniteFuture();
  };

  void Declare(const std::string& definition);
  void Tell() const;
  void WarnOfUndriven();

  const Clock& clock_;
  const DefinitionCatalog& catalog_;
  const absl::Duration warning_pause_;
  bool told_ = false;
  absl::Time warn_at_ = absl::InfinitePast();  // by SteadyNow
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, SagaState>, Count> counts_;
  std::map<DefinitionVersion, std::int64_t> undriven_, orphaned_;
  std::map<DefinitionVersion, std::int64_t> waiting_;  // followers, for their turn
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_SAGA_CENSUS_H_
