// The saga_* metrics. Labels are names from definitions, never ids.
#ifndef UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_
#define UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "orchestrator/engine/driver.h"
#include "prometheus/collectable.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"

namespace unwind {

// The series of one family, each made when it first counts: most steps are never undone or resolved. Thread-safe.
template <class Metric>
class Series {
 public:
  // `names` of the labels; `make` adds a series to the family.
  Series(std::vector<std::string> names, std::function<Metric&(const prometheus::Labels&)> make)
      : names_(std::move(names)), make_(std::move(make)) {}

  // `values` of the labels, in the order of their names.
  Metric& Of(const std::vector<absl::string_view>& values);

 private:
  const std::vector<std::string> names_;
  const std::function<Metric&(const prometheus::Labels&)> make_;
  std::mutex mutex_;
  std::unordered_map<std::string, Metric*> made_;  // by the values; prometheus-cpp itself would hash every label
};

// Thread-safe.
class SagaMetrics : public DriverObserver {
 public:
  // `registry` must outlive it.
  explicit SagaMetrics(prometheus::Registry& registry);

  // Sagas of it may be started here: what is counted by definition is there from now on, with 0, so that the first of
  // each is seen as a rise.
  void Declare(const Plan& plan);

  void OnStarted(const Saga& saga) override;
  void OnFinished(const Saga& saga) override;
  void OnRecovered(const Plan& plan, const Saga& saga) override;
  void OnReplied(const Plan& plan, const Replied& reply, bool stale) override;
  void OnParked(const Saga& saga, const std::string& step) override;
  void OnQuarantined(const Saga&) override {}  // Driver::quarantined tells, while it is so
  void OnUnreadable() override {}              // Driver::unreadable tells
  void OnShed(const std::string& saga_id) override;
  void OnTurn(std::size_t events, std::size_t sagas, absl::Duration commit) override;
  void OnCommitFailed() override;
  void OnTakenOver(std::size_t sagas, std::size_t released) override;

 private:
  // Reasons come from participants, so that somebody else says how many there are.
  static constexpr std::size_t kReasonsMax = 50;  // of one definition; more count as OTHER

  std::string ReasonLabel(const Saga& saga);

  Series<prometheus::Counter> started_;          // by saga
  Series<prometheus::Counter> finished_;         // by saga and outcome
  Series<prometheus::Histogram> duration_;       // by saga and outcome
  Series<prometheus::Counter> aborted_;          // by saga and reason
  Series<prometheus::Counter> parked_;           // by saga and step
  Series<prometheus::Counter> attempts_;         // by saga, step, phase and result
  Series<prometheus::Counter> retries_;          // by saga, step and phase
  Series<prometheus::Histogram> step_duration_;  // by saga, step and phase
  prometheus::Counter& stale_replies_;
  prometheus::Counter& shed_;
  prometheus::Histogram& turn_events_;
  prometheus::Histogram& turn_sagas_;
  prometheus::Histogram& commit_seconds_;
  prometheus::Counter& commit_failures_;
  prometheus::Counter& recovered_;
  Series<prometheus::Counter> taken_over_;  // by how the lease ended
  std::mutex mutex_;
  std::map<std::string, std::set<std::string>> reasons_;  // by definition; guarded by mutex_
};

// A gauge by definition, read when it is scraped.
class GaugeBySaga final : public prometheus::Collectable {
 public:
  GaugeBySaga(std::string name, std::string help, std::function<std::map<std::string, std::size_t>()> counts)
      : name_(std::move(name)), help_(std::move(help)), counts_(std::move(counts)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string name_, help_;
  const std::function<std::map<std::string, std::size_t>()> counts_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_SAGA_METRICS_H_
