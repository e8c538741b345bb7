// The saga_* metrics. Labels are names from definitions, never ids.
#ifndef UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_
#define UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/driver.h"
#include "prometheus/collectable.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"

namespace unwind {

// Thread-safe: every series is made at the start, at 0, and only looked up afterwards.
class SagaMetrics final : public DriverObserver {
 public:
  // `plans`: of every definition that sagas may run on. `registry` must outlive it.
  SagaMetrics(prometheus::Registry& registry, const std::vector<const Plan*>& plans);

  void OnStarted(const Saga& saga) override;
  void OnFinished(const Saga& saga) override;
  void OnReplied(const Plan& plan, const Replied& reply, bool stale) override;
  void OnParked(const Saga& saga, const std::string& step) override;
  void OnQuarantined(const Saga& saga) override;
  void OnUnreadable() override;
  void OnTurn(std::size_t events, std::size_t sagas, absl::Duration commit) override;

 private:
  // Arrays are indexed by the enum's numbers, which begin at 1.
  struct OfPhase {
    std::array<prometheus::Counter*, 5> attempts = {};  // by Outcome
    prometheus::Histogram* seconds = nullptr;
  };
  struct OfStep {
    std::array<OfPhase, 4> phases;  // by Phase; empty where the step has none
    prometheus::Counter* parked = nullptr;
  };
  struct OfEnd {
    prometheus::Counter* finished = nullptr;
    prometheus::Histogram* seconds = nullptr;
  };
  struct OfSaga {
    prometheus::Counter* started = nullptr;
    prometheus::Counter* quarantined = nullptr;
    OfEnd completed;
    OfEnd aborted;
    std::map<std::string, OfStep> steps;
  };

  OfSaga MakeSaga(prometheus::Registry& registry, const std::string& name);
  void AddStep(prometheus::Registry& registry, const std::string& saga, const StepPlan& step, OfStep& series);

  std::map<std::string, OfSaga> sagas_;  // versions of a definition share their series
  prometheus::Counter& stale_replies_;
  prometheus::Counter& unreadable_;
  prometheus::Histogram& turn_events_;
  prometheus::Histogram& turn_sagas_;
  prometheus::Histogram& commit_seconds_;
};

// saga_in_flight, read when it is scraped.
class InFlightGauge final : public prometheus::Collectable {
 public:
  explicit InFlightGauge(std::function<std::size_t()> count) : count_(std::move(count)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::size_t()> count_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_
