// The saga's rules (S1-S17 of docs/ARCHITECTURE.md, but S14) as one pure, total function. No I/O, no clock, no
// randomness: time and jitter are values, so the function that runs in production is the one that tests search
// exhaustively.
#ifndef UNWIND_ORCHESTRATOR_CORE_ADVANCE_H_
#define UNWIND_ORCHESTRATOR_CORE_ADVANCE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"

namespace unwind {

// The outside world, as values.
struct Moment {
  absl::Time now;
  double jitter = 0;  // drawn evenly from [0, 1)

  bool operator==(const Moment&) const = default;
};

// What happened. Past tense: an event cannot be refused, only found stale.
struct Started {  // also of a saga that was born: its turn has come (S17)
  bool operator==(const Started&) const = default;
};
struct Born {  // by the end of its parent (S17): its steps wait until it is started
  int parked_step = 0;
  Failure why_parked;  // what it needs of its parent cannot be read, so that it waits for a person; none: no reason

  bool operator==(const Born&) const = default;
};
struct Replied {
  int step = 0;
  Phase phase = Phase::kAction;
  int attempt = 0;  // with step and phase the stamp of the send it answers (S8)
  Outcome outcome = Outcome::kUnknown;
  bool effect_free = false;   // refused for good: nothing happened, and under this key nothing ever will (S1)
  std::string reply;          // bytes, when OK or pending
  Failure failure;            // when not OK
  absl::Duration elapsed;     // from send to reply; for people, decides nothing
  bool by_transport = false;  // unknown for a reason that is not the call's: its connection ended, or no room (S2)
  absl::Duration retry_after = absl::ZeroDuration();  // the pause that the participant asks for; zero: none

  bool operator==(const Replied&) const = default;
};
struct Ticked {  // time passed: a wake_at or the deadline may be due
  bool operator==(const Ticked&) const = default;
};
struct CancelRequested {
  std::string actor;
  std::string reason;

  bool operator==(const CancelRequested&) const = default;
};
struct TakenOver {  // a new owner: what was awaited is sent again as attempt + 1 (S2)
  bool operator==(const TakenOver&) const = default;
};
enum class Verb : std::uint8_t { kRetry = 1, kSkip = 2, kResolve = 3 };
struct Operated {  // an operator's verb on a step that takes it (TakesVerb)
  Verb verb = Verb::kRetry;
  int step = 0;
  std::string reply;  // of kResolve: what the step's answer is taken to be
  std::string actor;
  std::string reason;

  bool operator==(const Operated&) const = default;
};
struct Nudged {      // a participant says that a step which waits may be finished (S14)
  std::string step;  // its name

  bool operator==(const Nudged&) const = default;
};
using Event = std::variant<Started, Replied, Ticked, CancelRequested, TakenOver, Operated, Born, Nudged>;

// The only effect there is: a call to be sent once the row is committed. Timers and answers follow from the row itself
// (NextRunAt, IsTerminal).
struct Send {
  int step = 0;
  Phase phase = Phase::kAction;
  int attempt = 0;

  bool operator==(const Send&) const = default;
};

struct Decision {
  bool stale = false;  // the event changes nothing: `next` equals the saga, no sends, nothing to store
  Saga next;           // version + 1
  std::vector<Send> sends;
};

// Decides what the saga becomes and what must be sent. Total: every saga and event has an answer. A terminal saga
// is absorbing. REQUIRES: saga.steps.size() == plan.steps.size().
Decision Advance(const Plan& plan, const Saga& saga, const Event& event, const Moment& moment);

// What Advance makes of Born, which needs no plan: who ends the parent may not know the follower's. REQUIRES:
// saga.version == 0, and its steps are as in the plan.
Saga BornAs(Saga saga, const Born& born, absl::Time now);

// Everything the saga has out and unanswered: what a new owner must do again. After a decision it equals the old one,
// less what was answered or abandoned, plus the decision's sends.
std::vector<Send> Outstanding(const Saga& saga);

// When a Ticked is due: the earliest wake_at, or EndsAt. Infinite: never.
absl::Time NextRunAt(const Plan& plan, const Saga& saga);

// When the deadline or the end of a wait is due, as far as they still have power. Infinite: never.
absl::Time EndsAt(const Plan& plan, const Saga& saga);

// When a Ticked is due of a saga that rests until then: each of its open steps waits (S13) or is parked, no call is
// out, and that time is at least plan.rest_min after its last transition, and after its create_time, which a clock that
// was set back may not have come to again. Infinite: it does not rest.
absl::Time RestsUntil(const Plan& plan, const Saga& saga);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_ADVANCE_H_
