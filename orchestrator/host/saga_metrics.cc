#include "orchestrator/host/saga_metrics.h"

#include "orchestrator/core/names.h"

namespace unwind {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSagaSeconds = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800};
const Buckets kStepSeconds = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5};
const Buckets kCommitSeconds = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1};
const Buckets kCounts = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

// Asking for a family that exists already returns it, so these need not be kept.
prometheus::Counter& MakeCounter(prometheus::Registry& registry, const std::string& name, const std::string& help,
                                 const prometheus::Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Histogram& MakeHistogram(prometheus::Registry& registry, const std::string& name, const std::string& help,
                                     const prometheus::Labels& labels, const Buckets& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, buckets);
}

bool Has(const StepPlan& step, Phase phase) {
  switch (phase) {
    case Phase::kAction:
      return true;
    case Phase::kCompensation:
      return step.kind == StepKind::kCompensatable && step.has_compensation;
    case Phase::kResolve:
      return step.has_resolve;
  }
  return false;
}

}  // namespace

SagaMetrics::SagaMetrics(prometheus::Registry& registry, const std::vector<const Plan*>& plans)
    : stale_replies_(MakeCounter(registry, "saga_stale_replies_total",
                                 "Replies that came after they were answered otherwise, and were dropped.", {})),
      unreadable_(MakeCounter(registry, "saga_unreadable_total",
                              "Unfinished sagas whose rows this version cannot read and leaves alone.", {})),
      turn_events_(MakeHistogram(registry, "saga_turn_events", "Events decided in one turn.", {}, kCounts)),
      turn_sagas_(MakeHistogram(registry, "saga_turn_sagas", "Sagas stored in one transaction.", {}, kCounts)),
      commit_seconds_(
          MakeHistogram(registry, "saga_commit_seconds", "Time of one turn's transaction.", {}, kCommitSeconds)) {
  for (const Plan* plan : plans) {
    OfSaga& saga = sagas_.try_emplace(plan->name, MakeSaga(registry, plan->name)).first->second;
    for (const StepPlan& step : plan->steps) AddStep(registry, plan->name, step, saga.steps[step.name]);
  }
}

SagaMetrics::OfSaga SagaMetrics::MakeSaga(prometheus::Registry& registry, const std::string& name) {
  const auto end = [&](SagaState state) {
    const prometheus::Labels labels = {{"saga", name}, {"outcome", NameOf(state)}};
    return OfEnd{&MakeCounter(registry, "saga_finished_total", "Sagas that ended.", labels),
                 &MakeHistogram(registry, "saga_duration_seconds", "Time from a saga's acceptance to its end.", labels,
                                kSagaSeconds)};
  };
  OfSaga saga;
  saga.started = &MakeCounter(registry, "saga_started_total", "Sagas that were accepted.", {{"saga", name}});
  saga.quarantined =
      &MakeCounter(registry, "saga_quarantined_total",
                   "Sagas that stand still because the store refuses what was decided for them.", {{"saga", name}});
  saga.completed = end(SagaState::kCompleted);
  saga.aborted = end(SagaState::kAborted);
  return saga;
}

// Adds what `series` does not have yet: another version of the definition may have made a part of it.
void SagaMetrics::AddStep(prometheus::Registry& registry, const std::string& saga, const StepPlan& step,
                          OfStep& series) {
  prometheus::Labels labels = {{"saga", saga}, {"step", step.name}};
  series.parked = &MakeCounter(registry, "saga_parked_total", "Times a step was parked for a person.", labels);
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    if (!Has(step, phase)) continue;
    OfPhase& of_phase = series.phases[static_cast<std::size_t>(phase)];
    labels = {{"saga", saga}, {"step", step.name}, {"phase", NameOf(phase)}};
    of_phase.seconds = &MakeHistogram(registry, "saga_step_duration_seconds", "Time from a step's send to its reply.",
                                      labels, kStepSeconds);
    for (const Outcome outcome : {Outcome::kOk, Outcome::kRefused, Outcome::kUnknown, Outcome::kFenced}) {
      labels["result"] = NameOf(outcome);
      of_phase.attempts[static_cast<std::size_t>(outcome)] =
          &MakeCounter(registry, "saga_step_attempts_total", "Calls of a step that were answered, by outcome.", labels);
    }
  }
}

void SagaMetrics::OnStarted(const Saga& saga) {
  if (const auto it = sagas_.find(saga.definition); it != sagas_.end()) it->second.started->Increment();
}

void SagaMetrics::OnFinished(const Saga& saga) {
  const auto it = sagas_.find(saga.definition);
  if (it == sagas_.end()) return;
  const OfEnd& end = saga.state == SagaState::kCompleted ? it->second.completed : it->second.aborted;
  end.finished->Increment();
  end.seconds->Observe(absl::ToDoubleSeconds(saga.update_time - saga.create_time));
}

void SagaMetrics::OnReplied(const Plan& plan, const Replied& reply, bool stale) {
  if (stale) return stale_replies_.Increment();
  const auto saga = sagas_.find(plan.name);
  if (saga == sagas_.end()) return;
  const auto step = saga->second.steps.find(plan.steps[static_cast<std::size_t>(reply.step)].name);
  if (step == saga->second.steps.end()) return;
  const OfPhase& phase = step->second.phases[static_cast<std::size_t>(reply.phase)];
  if (phase.seconds == nullptr) return;
  phase.attempts[static_cast<std::size_t>(reply.outcome)]->Increment();
  phase.seconds->Observe(absl::ToDoubleSeconds(reply.elapsed));
}

void SagaMetrics::OnParked(const Saga& saga, const std::string& step) {
  const auto it = sagas_.find(saga.definition);
  if (it == sagas_.end()) return;
  if (const auto series = it->second.steps.find(step); series != it->second.steps.end())
    series->second.parked->Increment();
}

void SagaMetrics::OnQuarantined(const Saga& saga) {
  const auto it = sagas_.find(saga.definition);
  if (it != sagas_.end()) it->second.quarantined->Increment();
}

void SagaMetrics::OnUnreadable() { unreadable_.Increment(); }

void SagaMetrics::OnTurn(std::size_t events, std::size_t sagas, absl::Duration commit) {
  turn_events_.Observe(static_cast<double>(events));
  turn_sagas_.Observe(static_cast<double>(sagas));
  commit_seconds_.Observe(absl::ToDoubleSeconds(commit));
}

std::vector<prometheus::MetricFamily> InFlightGauge::Collect() const {
  prometheus::ClientMetric metric;
  metric.gauge.value = static_cast<double>(count_());
  prometheus::MetricFamily family;
  family.name = "saga_in_flight";
  family.help = "Accepted sagas that have not ended.";
  family.type = prometheus::MetricType::Gauge;
  family.metric.push_back(metric);
  return {family};
}

}  // namespace unwind
