// What is counted of sagas, and beside it the spans that only the driver knows of: a saga as a whole, and the calls of
// which this process will not see the end.
#ifndef UNWIND_ORCHESTRATOR_HOST_SAGA_SPANS_H_
#define UNWIND_ORCHESTRATOR_HOST_SAGA_SPANS_H_

#include "common/base/clock.h"
#include "orchestrator/host/saga_metrics.h"

namespace unwind {

// Thread-safe.
class SagaSpans final : public SagaMetrics {
 public:
  // Both must outlive it. `ratio`: of the sagas whose caller has no trace (SpanOfSaga).
  SagaSpans(prometheus::Registry& registry, const Clock& clock, double ratio)
      : SagaMetrics(registry), clock_(clock), ratio_(ratio) {}

  // The span of the saga, from its acceptance to its end.
  void OnFinished(const Saga& saga) override;

  // A span for each call that is out, from its first send until now: the process that sent it has not told its end, and
  // what the participant says of it would hang in the air.
  void OnRecovered(const Plan& plan, const Saga& saga) override;

 private:
  const Clock& clock_;
  const double ratio_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_SAGA_SPANS_H_
