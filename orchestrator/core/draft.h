// A transition in the making, and the moves of a step that Advance is made of.
#ifndef UNWIND_ORCHESTRATOR_CORE_DRAFT_H_
#define UNWIND_ORCHESTRATOR_CORE_DRAFT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/core/advance.h"

namespace unwind {

// The row as it becomes, and what must be sent.
struct Draft {
  const Plan& plan;
  const Moment& moment;
  Saga saga;
  std::vector<Send> sends;
  bool may_start = true;  // its steps; false: it waits to be started

  const StepPlan& plan_of(std::size_t i) const { return plan.steps[i]; }
  Step& step(std::size_t i) { return saga.steps[i]; }
};

Failure MakeFailure(absl::StatusCode code, const char* reason, const char* message, const std::string& step);

// Its last answer was another one.
void StopWaiting(Step& step);

// Neither out, nor parked, nor to be sent again.
void Rest(Step& step);
void End(Step& step, StepState state);
void Park(Draft& draft, std::size_t i, const Failure& why);

// Of a step that may wait: its time is up, or somebody wants the saga to go back.
bool WaitIsOver(const Draft& draft, std::size_t i);

void SendNow(Draft& draft, std::size_t i, Phase phase);
// The same, unless the saga is older than participants remember keys: then a person decides.
void SendUnlessTooOld(Draft& draft, std::size_t i, Phase phase);
// Not sooner than the participant asks for, as far as that is heeded. A deadline does not wait for it.
void SendLater(Draft& draft, std::size_t i, const Replied& reply);
void RefusedAgain(Draft& draft, std::size_t i, const Replied& reply);

// How long a step waits before the next poll. `asked`: by its participant; zero: it said nothing.
absl::Duration PollPause(const Draft& draft, std::size_t i, const PendingPolicy& pending, absl::Duration asked);

// Of a step that waits, and is not out: it is asked about now, or as soon after the last time as nudges may (S14).
void Hasten(Draft& draft, std::size_t i);

// The first cause counts, and not what parked a step before and was mended.
void GoBack(Draft& draft, const Failure& why);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_DRAFT_H_
