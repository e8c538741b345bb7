#include "orchestrator/host/saga_census.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

prometheus::MetricFamily ByVersion(const char* name, const char* help,
                                   const std::map<DefinitionVersion, std::int64_t>& counts) {
  prometheus::MetricFamily family = {.name = name, .help = help, .type = prometheus::MetricType::Gauge, .metric = {}};
  for (const auto& [definition, sagas] : counts) {
    prometheus::ClientMetric metric;
    metric.label = {{"saga", definition.name}, {"version", absl::StrCat(definition.version)}};
    metric.gauge.value = static_cast<double>(sagas);
    family.metric.push_back(metric);
  }
  return family;
}

}  // namespace

absl::Status SagaCensus::Take(SagaStore& store, const std::string& instance) {
  ASSIGN_OR_RETURN(const std::vector<UnfinishedCount> counts, store.CountUnfinished(instance));
  ASSIGN_OR_RETURN(const std::vector<UnfinishedCount> orphaned, store.CountOrphaned(instance));
  ASSIGN_OR_RETURN(const auto due, store.CountUnstarted(instance));
  std::lock_guard lock(mutex_);
  for (auto& [key, count] : counts_) count = {};
  for (auto* const each : {&undriven_, &orphaned_, &waiting_}) {
    for (auto& [definition, sagas] : *each) sagas = 0;
  }
  for (const auto& definition : catalog_.served()) Declare(definition->plan().name);
  for (const UnfinishedCount& each : counts) {
    const auto& [name, version] = each.definition;
    Declare(name);
    Count& count = counts_[{name, each.state}];
    count = {count.sagas + each.sagas, std::min(count.oldest, each.oldest)};
    if (!catalog_.WhyNotDriven(name, version).empty()) undriven_[each.definition] += each.sagas;
  }
  for (const UnfinishedCount& each : orphaned) orphaned_[each.definition] += each.sagas;
  for (const DefinitionVersion& follower : catalog_.Followers()) waiting_[follower];
  for (const auto& [definition, sagas] : due) waiting_[definition] = sagas;
  return absl::OkStatus();
}

void SagaCensus::Declare(const std::string& definition) {
  for (const SagaState state : {SagaState::kRunning, SagaState::kCompensating, SagaState::kParked}) {
    counts_.try_emplace({definition, state});
  }
}

absl::Duration SagaCensus::TakeAgain(SagaStore& store, const std::string& instance) {
  const absl::Time start = SteadyNow();
  const absl::Status taken = Take(store, instance);
  const absl::Duration pause = PauseAfter(SteadyNow() - start);
  if (!taken.ok()) Log(Severity::kWarning, "unfinished sagas were not counted", {{"error", taken.message()}});
  if (taken.ok() && !std::exchange(told_, true)) Tell();
  if (taken.ok()) WarnOfUndriven();
  return pause;
}

void SagaCensus::Tell() const {
  const std::int64_t parked = Sagas(SagaState::kParked);
  Log(parked > 0 ? Severity::kWarning : Severity::kInfo,
      parked > 0 ? "sagas are parked and wait for a person" : "no saga is parked",
      {{"parked", absl::StrCat(parked)},
       {"compensating", absl::StrCat(Sagas(SagaState::kCompensating))},
       {"running", absl::StrCat(Sagas(SagaState::kRunning))}});
}

// They finish never, and nothing else speaks of them after the start.
void SagaCensus::WarnOfUndriven() {
  if (SteadyNow() < warn_at_) return;
  std::lock_guard lock(mutex_);
  for (const auto& [definition, sagas] : undriven_) {
    if (sagas == 0) continue;
    warn_at_ = SteadyNow() + warning_pause_;
    Log(Severity::kWarning, "sagas of this instance stand still, since it cannot drive their definition",
        {{"definition", definition.name},
         {"version", absl::StrCat(definition.version)},
         {"sagas", absl::StrCat(sagas)},
         {"error", catalog_.WhyNotDriven(definition.name, definition.version)}});
  }
}

std::int64_t SagaCensus::Sagas(SagaState state) const {
  std::lock_guard lock(mutex_);
  std::int64_t sagas = 0;
  for (const auto& [key, count] : counts_) sagas += key.second == state ? count.sagas : 0;
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
    metric.label = {{"saga", key.first}, {"state", NameOf(key.second)}};
    metric.gauge.value = static_cast<double>(count.sagas);
    live.metric.push_back(metric);
    metric.gauge.value = count.sagas == 0 ? 0 : absl::ToDoubleSeconds(now - count.oldest);
    oldest.metric.push_back(metric);
  }
  return {
      live, oldest,
      ByVersion("saga_undriven",
                "Unfinished sagas of this instance that it cannot drive: their definition is not known or not usable"
                " here.",
                undriven_),
      ByVersion("saga_orphaned",
                "Unfinished sagas of other instances whose lease is over, and that nobody has taken over yet.",
                orphaned_),
      ByVersion("saga_followers_waiting",
                "Sagas of this instance that another saga's end has started and whose turn has not come yet.",
                waiting_)};
}

}  // namespace unwind
