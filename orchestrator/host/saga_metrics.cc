#include "orchestrator/host/saga_metrics.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSagaSeconds = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800};
const Buckets kStepSeconds = {.005, .025, .1, .5, 2.5, 10};  // few, for every step has them
const Buckets kCommitSeconds = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1};
const Buckets kCounts = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

constexpr char kOtherReason[] = "OTHER";
constexpr char kExpired[] = "expired", kReleased[] = "released";
constexpr std::size_t kReasonBytesMax = 63;  // as ErrorInfo has it

bool IsReason(const std::string& reason) {
  return !reason.empty() && reason.size() <= kReasonBytesMax && std::all_of(reason.begin(), reason.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_isupper(byte) || absl::ascii_isdigit(byte) || c == '_';
  });
}

// The buckets live as long as the process.
Series<prometheus::Counter> Counters(prometheus::Registry& registry, const char* name, const char* help,
                                     std::vector<std::string> labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  return {std::move(labels), [&family](const prometheus::Labels& of) -> auto& {return family.Add(of);
}
};  // namespace
}  // namespace unwind

Series<prometheus::Histogram> Histograms(prometheus::Registry& registry, const char* name, const char* help,
                                         std::vector<std::string> labels, const Buckets& buckets) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  return {std::move(labels),
          [&family, &buckets ](const prometheus::Labels& of) -> auto& {return family.Add(of, buckets);
}
}
;
}

}  // namespace

template <class Metric>
Metric& Series<Metric>::Of(const std::vector<absl::string_view>& values) {
  const std::string key = absl::StrJoin(values, "/");  // no name of a definition has a slash
  std::lock_guard lock(mutex_);
  Metric*& metric = made_[key];
  if (metric == nullptr) {
    prometheus::Labels labels;
    for (std::size_t i = 0; i < values.size(); ++i) labels[names_[i]] = std::string(values[i]);
    metric = &make_(labels);
  }
  return *metric;
}

SagaMetrics::SagaMetrics(prometheus::Registry& registry)
    : started_(Counters(registry, "saga_started_total", "Sagas that were accepted.", {"saga"})),
      finished_(Counters(registry, "saga_finished_total", "Sagas that ended.", {"saga", "outcome"})),
      duration_(Histograms(registry, "saga_duration_seconds", "Time from a saga's acceptance to its end.",
                           {"saga", "outcome"}, kSagaSeconds)),
      aborted_(Counters(registry, "saga_aborted_total", "Sagas that were undone, by why.", {"saga", "reason"})),
      parked_(Counters(registry, "saga_parked_total", "Times a step was parked for a person.", {"saga", "step"})),
      attempts_(Counters(registry, "saga_step_attempts_total", "Calls of a step that were answered, by result.",
                         {"saga", "step", "phase", "result"})),
      retries_(Counters(registry, "saga_step_retries_total",
                        "Calls of a step that were answered and were not the first of their phase.",
                        {"saga", "step", "phase"})),
      step_duration_(Histograms(registry, "saga_step_duration_seconds", "Time from a step's send to its reply.",
                                {"saga", "step", "phase"}, kStepSeconds)),
      stale_replies_(Counters(registry, "saga_stale_replies_total",
                              "Replies that came after they were answered otherwise, and were dropped.", {})
                         .Of({})),
      shed_(Counters(registry, "saga_shed_total",
                     "Times that a saga's payload was dropped from memory, which is above --saga_memory_max_mib.", {})
                .Of({})),
      turn_events_(Histograms(registry, "saga_turn_events", "Events decided in one turn.", {}, kCounts).Of({})),
      turn_sagas_(Histograms(registry, "saga_turn_sagas", "Sagas stored in one transaction.", {}, kCounts).Of({})),
      commit_seconds_(
          Histograms(registry, "saga_commit_seconds", "Time of one turn's transaction.", {}, kCommitSeconds).Of({})),
      commit_failures_(Counters(registry, "saga_commit_failures_total",
                                "Turns' transactions that were not committed, or of which that is not known.", {})
                           .Of({})),
      recovered_(Counters(registry, "saga_recovered_total",
                          "Sagas that were driven on from what is stored, after a start, a takeover or a conflict.", {})
                     .Of({})),
      taken_over_(Counters(registry, "saga_taken_over_total",
                           "Sagas that became this instance's own since their owner's lease was over, by whether that"
                           " expired or its owner had released it.",
                           {"lease"})) {
  for (const char* end : {kExpired, kReleased}) taken_over_.Of({end});
}

void SagaMetrics::Declare(const Plan& plan) {
  started_.Of({plan.name});
  for (const SagaState end : {SagaState::kCompleted, SagaState::kAborted}) finished_.Of({plan.name, NameOf(end)});
  for (const StepPlan& step : plan.steps) parked_.Of({plan.name, step.name});
}

void SagaMetrics::OnStarted(const Saga& saga) { started_.Of({saga.definition}).Increment(); }

void SagaMetrics::OnFinished(const Saga& saga) {
  finished_.Of({saga.definition, NameOf(saga.state)}).Increment();
  duration_.Of({saga.definition, NameOf(saga.state)})
      .Observe(absl::ToDoubleSeconds(saga.update_time - saga.create_time));
  if (saga.state == SagaState::kAborted) aborted_.Of({saga.definition, ReasonLabel(saga)}).Increment();
}

std::string SagaMetrics::ReasonLabel(const Saga& saga) {
  const std::string& reason = saga.failure.reason;
  if (!IsReason(reason)) return kOtherReason;
  std::lock_guard lock(mutex_);
  std::set<std::string>& reasons = reasons_[saga.definition];
  if (reasons.size() < kReasonsMax) reasons.insert(reason);
  return reasons.contains(reason) ? reason : kOtherReason;
}

void SagaMetrics::OnReplied(const Plan& plan, const Replied& reply, bool stale) {
  if (stale) return stale_replies_.Increment();
  const std::string& step = plan.steps[static_cast<std::size_t>(reply.step)].name;
  attempts_.Of({plan.name, step, NameOf(reply.phase), NameOf(reply.outcome)}).Increment();
  if (reply.attempt > 1) retries_.Of({plan.name, step, NameOf(reply.phase)}).Increment();
  step_duration_.Of({plan.name, step, NameOf(reply.phase)}).Observe(absl::ToDoubleSeconds(reply.elapsed));
}

void SagaMetrics::OnParked(const Saga& saga, const std::string& step) {
  parked_.Of({saga.definition, step}).Increment();
}

void SagaMetrics::OnShed(const std::string&) { shed_.Increment(); }

void SagaMetrics::OnTurn(std::size_t events, std::size_t sagas, absl::Duration commit) {
  turn_events_.Observe(static_cast<double>(events));
  turn_sagas_.Observe(static_cast<double>(sagas));
  commit_seconds_.Observe(absl::ToDoubleSeconds(commit));
}

void SagaMetrics::OnCommitFailed() { commit_failures_.Increment(); }

void SagaMetrics::OnRecovered(const Plan&, const Saga&) { recovered_.Increment(); }

void SagaMetrics::OnTakenOver(std::size_t sagas, std::size_t released) {
  taken_over_.Of({kExpired}).Increment(static_cast<double>(sagas - released));
  taken_over_.Of({kReleased}).Increment(static_cast<double>(released));
}

std::vector<prometheus::MetricFamily> GaugeBySaga::Collect() const {
  prometheus::MetricFamily family;
  family.name = name_;
  family.help = help_;
  family.type = prometheus::MetricType::Gauge;
  for (const auto& [definition, count] : counts_()) {
    prometheus::ClientMetric metric;
    metric.label = {{"saga", definition}};
    metric.gauge.value = static_cast<double>(count);
    family.metric.push_back(metric);
  }
  return {family};
}

}  // namespace unwind
