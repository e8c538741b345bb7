#include <cstddef>
#include <utility>

#include "orchestrator/core/advance.h"

namespace unwind {

Saga BornAs(Saga saga, const Born& born, absl::Time now) {
  saga.create_time = saga.update_time = now;
  saga.version = 1;
  if (born.why_parked.reason.empty()) {
    saga.due_at = saga.create_time;
    return saga;
  }
  Step& step = saga.steps[static_cast<std::size_t>(born.parked_step)];
  step.state = StepState::kInFlight;
  step.parked = true;
  step.last_failure = saga.failure = born.why_parked;
  saga.state = SagaState::kParked;
  return saga;
}

}  // namespace unwind
