#include "orchestrator/host/saga_spans.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/observe/tracer.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/saga_trace.h"

namespace unwind {

void SagaSpans::OnFinished(const Saga& saga) {
  SagaMetrics::OnFinished(saga);
  Tracer* const tracer = ProcessTracer();
  if (tracer == nullptr) return;
  std::optional<SpanIds> ids = SpanOfSaga(saga.id, saga.trace, ratio_);
  if (!ids.has_value()) return;
  tracer->Export({.ids = *std::move(ids),
                  .kind = SpanKind::kInternal,
                  .name = saga.definition,
                  .start = saga.create_time,
                  .end = saga.update_time,
                  .error = saga.state == SagaState::kAborted ? saga.failure.reason : "",
                  .attributes = {{"saga.id", saga.id},
                                 {"saga.definition", saga.definition},
                                 {"saga.definition_version", std::int64_t{saga.definition_version}},
                                 {"saga.state", NameOf(saga.state)}}});
}

void SagaSpans::OnRecovered(const Plan& plan, const Saga& saga) {
  SagaMetrics::OnRecovered(plan, saga);
  Tracer* const tracer = ProcessTracer();
  if (tracer == nullptr) return;
  const std::optional<SpanIds> ids = SpanOfSaga(saga.id, saga.trace, ratio_);
  if (!ids.has_value()) return;
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    if (!step.awaiting) continue;
    const std::string& name = plan.steps[i].name;
    tracer->Export({.ids = SpanOfAttempt(*ids, name, step.phase, step.attempt()),
                    .kind = SpanKind::kClient,
                    .name = absl::StrCat(name, " ", NameOf(step.phase)),
                    .start = std::min(step.first_send_time, saga.update_time),
                    .end = clock_.Now(),
                    .error = "PROCESS_LOST",
                    .attributes = {{"saga.id", saga.id},
                                   {"saga.step", name},
                                   {"saga.phase", NameOf(step.phase)},
                                   {"saga.attempt", std::int64_t{step.attempt()}}}});
  }
}

}  // namespace unwind
