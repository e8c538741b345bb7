// The shape of a saga: what Advance needs to know of a definition. A value, checked when its definition was loaded,
// never changed afterwards and shared between threads.
#ifndef UNWIND_ORCHESTRATOR_CORE_PLAN_H_
#define UNWIND_ORCHESTRATOR_CORE_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace unwind {

struct Saga;

// What undoing a step takes (rule S5). Never renumber: stored with definitions.
enum class StepKind : std::uint8_t {
  kCompensatable = 1,  // before the pivot; can be undone
  kPivot = 2,          // at most one: the point of no return
  kRetriable = 3,      // after the pivot; is repeated until it succeeds
};

// When a call is sent again. The pause before send n + 1 is drawn evenly from [0, min(cap, backoff * 2^(n-1))]; for a
// call that must succeed, once it has been tried for long, from up to a tenth of that time, at most an hour.
struct RetryPolicy {
  int attempts = 5;  // sends of a compensatable action before the saga goes back
  absl::Duration backoff = absl::Milliseconds(100);
  absl::Duration cap = absl::Seconds(5);
};

// How long a step may wait that answers "accepted, not finished", and when it is asked again (S13, S15). The pause
// before the n-th question is drawn evenly from the upper half of min(cap, poll * 2^(n-1)).
struct PendingPolicy {
  absl::Duration poll = absl::Seconds(30);
  absl::Duration cap = absl::Minutes(5);
  absl::Duration wait =
      absl::InfiniteDuration();  // `for`, from the first send of the action; infinite: as the saga may
};

struct StepPlan {
  std::string name;
  StepKind kind = StepKind::kCompensatable;
  std::vector<int> after;                     // indexes of the steps it directly depends on
  bool has_compensation = true;               // false: `compensation: none`, a step without effects
  bool compensation_reads_own_reply = false;  // has_compensation, that waits until the reply is known (S3)
  bool has_resolve = false;                   // pivots only (S6)
  RetryPolicy retry;
  std::optional<PendingPolicy> pending;       // nothing: the step does not wait
  absl::Duration timeout = absl::Seconds(2);  // of one call
  std::function<bool(const Saga&)> when;      // null: always. A pure function of input and replies
};

// REQUIRES (the definition checks it): `after` has no cycle and only indexes of `steps`; every compensatable step is an
// ancestor of the pivot and every retriable one a descendant of it; without a pivot all steps are of one kind.
struct Plan {
  std::string name;
  int version = 1;
  absl::Duration deadline = absl::InfiniteDuration();  // until the pivot is sent
  bool answer_at_decided = false;  // a saga that goes back answers its callers once its failure is committed
  int answer_after = -1;           // step whose success or wait answers the callers for now (S16); negative: none
  int refusals_max = 5;            // of a compensation or retriable step before it parks (S7)
  int stuck_unknowns = 20;         // unknown answers after which a step is stuck (reading.h)
  absl::Duration stuck_after = absl::Minutes(10);  // since the phase's first send: so is one repeated that long
  absl::Duration rest_min = absl::Seconds(5);      // of a wait that is not driven meanwhile (RestsUntil)
  absl::Duration age_max = absl::Hours(24 * 25);   // past it nothing is sent: the step parks (design section 6)
  std::vector<StepPlan> steps;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_PLAN_H_
