// What a saga's row says: the questions that Advance, the engine and the API ask of it. Pure, like Advance.
#ifndef UNWIND_ORCHESTRATOR_CORE_READING_H_
#define UNWIND_ORCHESTRATOR_CORE_READING_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"

namespace unwind {

// REQUIRES of all of these: saga.steps.size() == plan.steps.size(), and i is below that.

// A saga of it may wait (S13).
bool MayWait(const Plan& plan);

// It was born and not started yet (S17): no event but Started, or a cancel, moves it.
bool IsUnstarted(const Saga& saga);

// It succeeded or was skipped: what depends on it may start.
bool IsDone(const Step& step);

// Nothing of the step is left to undo.
bool Undone(const Step& step);

// No cancel or deadline can turn the saga back any more (S5): its pivot was sent or skipped, or no step can be undone.
bool PastPivot(const Plan& plan, const Saga& saga);

// The pivot is out under its action, and asking `resolve` could end that sooner. Its index, or steps.size().
std::size_t ResolvablePivot(const Plan& plan, const Saga& saga);

// Step `i` waits, or its pivot's resolve is asked whether it does, and wait_until ends that (S15); of a pivot a cancel
// does too.
bool WaitMayEnd(const Plan& plan, const Saga& saga, std::size_t i);

// Everything that step `i` directly depends on is done.
bool Ready(const Plan& plan, const Saga& saga, std::size_t i);

// Nothing that depends on step `i`, directly or through others, is left to undo.
bool DependentsUndone(const Plan& plan, const Saga& saga, std::size_t i);

// In a saga that goes back: the step succeeded, or was sent and may have happened. A step whose compensation needs its
// own reply is first repeated until that is known (S3); a parked one waits for its person.
bool WantsCompensation(const StepPlan& plan, const Step& step);

// The call that step `i` makes must succeed in the end: no count of attempts ends it, only its answer or a person.
bool MustSucceed(const Plan& plan, const Saga& saga, std::size_t i);

// Participants may have forgotten its keys: nothing more is sent for it.
bool IsTooOld(const Plan& plan, const Saga& saga, absl::Time now);

// An operator's verb may move the step (S7): it is parked or waiting, or its call was sent and failed, must succeed in
// the end, and is out or waits to be sent again. A retry needs besides that the saga is not too old.
bool TakesVerb(const Plan& plan, const Saga& saga, std::size_t i);

// A nudge is for the step (S14): it may wait, and was sent and is not done. What it changes is Advance's to say.
bool TakesNudge(const Plan& plan, const Saga& saga, std::size_t i);

// The index of the step with this name, or steps.size().
std::size_t StepNamed(const Plan& plan, const std::string& name);

// The step has been repeated for so long (plan.stuck_unknowns, plan.stuck_after) that only a person or its
// participant's repair will end it. It is still repeated. A parked step is not stuck, nor is a waiting one.
bool IsStuck(const Plan& plan, const Saga& saga, std::size_t i, absl::Time now);

// A step of the saga was stuck at its last transition.
bool HasStuckStep(const Plan& plan, const Saga& saga);

// A step of the saga waits (S13): since when the oldest such wait goes on that only its answer ends, and no wait_until
// and no cancel; infinite: all of them end so. None: no step waits.
std::optional<absl::Time> WaitsSince(const Plan& plan, const Saga& saga);

// The saga takes room from new ones: a step of it is out, or will be sent again, and is neither parked nor was stuck at
// the saga's last transition.
bool CountsAgainstAdmission(const Plan& plan, const Saga& saga);

// The reason of the saga's failure as its caller is told it. In a saga that goes back, or went, an outcome that nobody
// knows is a step that failed: whatever it did is undone, and nobody is left to fear for his money.
std::string ToldReason(const Saga& saga);

// The saga goes back for a reason that is known, and its definition lets its callers be told so before all is undone.
bool IsDecided(const Plan& plan, const Saga& saga);

// The saga goes forward, and the step whose success or first pending answer answers its callers for now is done or
// waits (S16). Of a saga that memory has only the head of it is not known, and false.
bool IsAnsweredEarly(const Plan& plan, const Saga& saga);

// Its callers are answered though it has not ended: by one of these two.
bool MayBeAnswered(const Plan& plan, const Saga& saga);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_READING_H_
