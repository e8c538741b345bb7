#include "tests/model/world.h"

#include <algorithm>

#include "orchestrator/core/reading.h"

namespace unwind::model {
namespace {

std::uint8_t Byte(int value, int most) { return static_cast<std::uint8_t>(std::min(value, most)); }

template <class Enum>
std::uint8_t Byte(Enum value) {
  return static_cast<std::uint8_t>(value);
}

// They are attempts of an action that is out, and decide nothing of any other call.
bool CountsUnknowns(const Step& step) {
  const bool is_out = step.state == StepState::kInFlight || step.state == StepState::kWaiting;
  return is_out && step.phase == Phase::kAction;
}

PackedStep Pack(const Step& step) {
  return {.state = Byte(step.state),
          .phase = Byte(step.phase),
          .action_sends = Byte(step.sends[1], 2),
          .compensated = Byte(step.sends[2], 1),
          .resolved = Byte(step.sends[3], 1),
          .refusals = Byte(step.refusals, 255),
          .unknowns = Byte(CountsUnknowns(step) ? step.unknowns : 0, 2),
          .awaiting = Byte(step.awaiting, 1),
          .parked = Byte(step.parked, 1),
          .waking = Byte(step.wake_at != absl::InfiniteFuture(), 1),
          .replied = Byte(!step.reply.empty(), 1),
          .decides = Byte(step.decides, 1)};
}

Step Unpack(const PackedStep& packed) {
  Step step;
  step.state = static_cast<StepState>(packed.state);
  step.phase = static_cast<Phase>(packed.phase);
  step.sends = {0, packed.action_sends, packed.compensated, packed.resolved};
  step.refusals = packed.refusals;
  step.unknowns = packed.unknowns;
  step.awaiting = packed.awaiting != 0;
  step.parked = packed.parked != 0;
  if (packed.waking != 0) step.wake_at = absl::UnixEpoch();
  if (packed.replied != 0) step.reply = "reply";
  if (packed.action_sends != 0) step.wait_until = kWaitUntil;  // heeded of a step that may wait
  step.decides = packed.decides != 0;
  return step;
}

}  // namespace

PackedSaga Pack(const Saga& saga) {
  PackedSaga packed{.state = Byte(saga.state),
                    .backward = Byte(saga.backward, 1),
                    .cancel_requested = Byte(saga.cancel_requested, 1),
                    .failed = Byte(!saga.failure.reason.empty(), 1),
                    .steps = {}};
  for (std::size_t i = 0; i < saga.steps.size(); ++i) packed.steps[i] = Pack(saga.steps[i]);
  return packed;
}

Saga Unpack(const PackedSaga& packed, std::size_t steps, const std::string& input) {
  Saga saga;
  saga.input = input;
  saga.create_time = saga.update_time = absl::UnixEpoch();
  saga.deadline = absl::UnixEpoch() + absl::Seconds(30);
  saga.state = static_cast<SagaState>(packed.state);
  saga.version = 1;
  saga.cancel_requested = packed.cancel_requested != 0;
  saga.backward = packed.backward != 0;
  if (packed.failed != 0) saga.failure.reason = "FAILED";
  for (std::size_t i = 0; i < steps; ++i) saga.steps.push_back(Unpack(packed.steps[i]));
  if (IsUnstarted(saga)) saga.deadline = absl::InfiniteFuture();
  return saga;
}

}  // namespace unwind::model
