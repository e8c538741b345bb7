// The gauge of sagas that should have ended: the age of the oldest one that is more than a day old and does not wait as
// its definition lets it. That a saga waits follows from its steps, and no index has it, so the old sagas are looked
// through a page at a time.
#ifndef UNWIND_ORCHESTRATOR_HOST_OVERDUE_SAGAS_H_
#define UNWIND_ORCHESTRATOR_HOST_OVERDUE_SAGAS_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace unwind {

inline constexpr absl::Duration kOverdueAge = absl::Hours(24);
// Before the next page; before the oldest sagas are looked at again once all were.
inline constexpr absl::Duration kOverduePagePause = absl::Seconds(10);
inline constexpr absl::Duration kOverdueRoundPause = absl::Minutes(1);
inline constexpr int kOverduePageMax = 2000;

// Exports saga_overdue_age_seconds by definition; of one that is served it is there, with 0. Thread-safe.
class OverdueSagas final : public prometheus::Collectable {
 public:
  // Both must outlive it.
  OverdueSagas(const Clock& clock, const DefinitionCatalog& catalog, int page_max = kOverduePageMax)
      : clock_(clock), catalog_(catalog), page_max_(page_max) {}

  // Looks at the next page of what `instance` owns. An error is logged, and leaves what is known. Returns how long to
  // wait for the next. For one thread.
  absl::Duration LookAgain(SagaStore& store, const std::string& instance);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  using Oldest = std::map<std::string, absl::Time>;  // by definition: when it was accepted

  void Tell(const Oldest& found, bool is_whole_round);

  const Clock& clock_;
  const DefinitionCatalog& catalog_;
  const int page_max_;
  std::string after_id_;  // of LookAgain's thread, as found_
  Oldest found_;          // in this round
  mutable std::mutex mutex_;
  Oldest oldest_;  // guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_OVERDUE_SAGAS_H_
