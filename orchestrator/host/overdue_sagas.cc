#include "orchestrator/host/overdue_sagas.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

// An action waits until its wait_until at most; what is undone or settled, until it is.
bool WaitsByRight(const Saga& saga, absl::Time now) {
  return std::any_of(saga.steps.begin(), saga.steps.end(), [&](const Step& step) {
    return step.state == StepState::kWaiting && !step.parked && (step.phase != Phase::kAction || now < step.wait_until);
  });
}

}  // namespace

absl::Duration OverdueSagas::LookAgain(SagaStore& store, const std::string& instance) {
  const absl::Time now = clock_.Now();
  const absl::StatusOr<SagaPage> page = store.ListUnfinished(std::nullopt, after_id_, page_max_);
  if (!page.ok()) {
    Log(Severity::kWarning, "old sagas were not looked at", {{"error", page.status().message()}});
    return kOverdueRoundPause;
  }
  bool is_whole_round = !page->is_cut && page->rows() < static_cast<std::size_t>(page_max_);
  for (const Saga& saga : page->sagas) {
    // Ids ascend by the time, but for the clocks of several instances, whose difference is nothing here.
    if (now - saga.create_time <= kOverdueAge) {
      is_whole_round = true;
      break;
    }
    if (saga.owner != instance || IsUnstarted(saga) || WaitsByRight(saga, now)) continue;
    found_.try_emplace(saga.definition, saga.create_time);
  }
  Tell(found_, is_whole_round);
  after_id_ = is_whole_round ? "" : page->last_id;
  if (is_whole_round) found_.clear();
  return is_whole_round ? kOverdueRoundPause : kOverduePagePause;
}

// What is found is told at once, and that it is gone only after a round.
void OverdueSagas::Tell(const Oldest& found, bool is_whole_round) {
  std::lock_guard lock(mutex_);
  if (is_whole_round) oldest_.clear();
  for (const auto& [definition, time] : found) {
    absl::Time& oldest = oldest_.try_emplace(definition, time).first->second;
    oldest = std::min(oldest, time);
  }
}

std::vector<prometheus::MetricFamily> OverdueSagas::Collect() const {
  prometheus::MetricFamily family = {
      .name = "saga_overdue_age_seconds",
      .help =
          "Time since the oldest saga was accepted that has not ended within a day and does not wait as its"
          " definition lets it; 0: there is none.",
      .type = prometheus::MetricType::Gauge,
      .metric = {}};
  std::map<std::string, double> ages;
  for (const auto& definition : catalog_.served()) ages[definition->plan().name] = 0;
  const absl::Time now = clock_.Now();
  std::lock_guard lock(mutex_);
  for (const auto& [definition, time] : oldest_) ages[definition] = absl::ToDoubleSeconds(now - time);
  for (const auto& [definition, age] : ages) {
    prometheus::ClientMetric metric;
    metric.label = {{"saga", definition}};
    metric.gauge.value = age;
    family.metric.push_back(metric);
  }
  return {family};
}

}  // namespace unwind
