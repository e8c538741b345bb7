#include "orchestrator/host/saga_census.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"

namespace unwind {

absl::Status SagaCensus::Take(SagaStore& store, const std::string& instance) {
  ASSIGN_OR_RETURN(std::vector<UnfinishedCount> counts, store.CountUnfinished(instance));
  std::lock_guard lock(mutex_);
  for (auto& [key, count] : counts_) count.sagas = 0;
  for (UnfinishedCount& count : counts) {
    for (const SagaState state : {SagaState::kRunning, SagaState::kCompensating, SagaState::kParked}) {
      counts_.try_emplace({count.definition, state}, UnfinishedCount{count.definition, state, 0, {}});
    }
    counts_[{count.definition, count.state}] = std::move(count);
  }
  return absl::OkStatus();
}

absl::Duration SagaCensus::TakeAgain(SagaStore& store, const std::string& instance) {
  const absl::Status taken = Take(store, instance);
  if (!taken.ok()) Log(Severity::kWarning, "unfinished sagas were not counted", {{"error", taken.message()}});
  if (taken.ok() && !std::exchange(told_, true)) Tell();
  return kCensusPause;
}

void SagaCensus::Tell() const {
  const std::int64_t parked = Sagas(SagaState::kParked);
  Log(parked > 0 ? Severity::kWarning : Severity::kInfo,
      parked > 0 ? "sagas are parked and wait for a person" : "no saga is parked",
      {{"parked", absl::StrCat(parked)},
       {"compensating", absl::StrCat(Sagas(SagaState::kCompensating))},
       {"running", absl::StrCat(Sagas(SagaState::kRunning))}});
}

std::int64_t SagaCensus::Sagas(SagaState state) const {
  std::lock_guard lock(mutex_);
  std::int64_t sagas = 0;
  for (const auto& [key, count] : counts_) sagas += count.state == state ? count.sagas : 0;
  return sagas;
}

std::vector<prometheus::MetricFamily> SagaCensus::Collect() const {
  prometheus::MetricFamily live = {.name = "saga_live",
                                   .help = "Unfinished sagas of this instance.",
                                   .type = prometheus::MetricType::Gauge,
                                   .metric = {}};
  prometheus::MetricFamily oldest = {.name = "saga_oldest_age_seconds",
                                     .help = "Time since the oldest unfinished saga was accepted; 0: there is none.",
                                     .type = prometheus::MetricType::Gauge,
                                     .metric = {}};
  const absl::Time now = clock_.Now();
  std::lock_guard lock(mutex_);
  for (const auto& [key, count] : counts_) {
    prometheus::ClientMetric metric;
    metric.label = {{"saga", count.definition}, {"state", NameOf(count.state)}};
    metric.gauge.value = static_cast<double>(count.sagas);
    live.metric.push_back(metric);
    metric.gauge.value = count.sagas == 0 ? 0 : absl::ToDoubleSeconds(now - count.oldest);
    oldest.metric.push_back(metric);
  }
  return {live, oldest};
}

}  // namespace unwind
