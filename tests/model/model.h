// What is searched: a plan, what its services may do, and at most one seeded bug.
#ifndef UNWIND_TESTS_MODEL_MODEL_H_
#define UNWIND_TESTS_MODEL_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/core/plan.h"
#include "tests/model/world.h"

namespace unwind::model {

// Plausible mistakes, put in from outside: the production functions stay as they are.
enum class Bug : std::uint8_t {
  kNone,
  kTimedOutStepNotCompensated,  // out of attempts: taken as refused
  kNoFence,                     // a commit checks neither version nor owner
  kCheckThenAct,                // the barrier is read in one transaction and acted upon in another
  kTombstoneCollected,          // while messages are still out
  kUnknownPaymentFailed,        // a pivot's unknown outcome: taken as refused
  kSendBeforeCommit,
  kTimerForgotten,         // what waits to be sent again is not
  kEndedConnectionFailed,  // a pivot whose connection ended: taken as refused for good
  kAnyRefusalFinal,        // a pivot's refusal without the trailer: taken as one with it
  kForgottenIsNever,       // a row that was purged counts as one that never was
  kPendingNotFenced,       // a compensation leaves the row of a pending action as it is
  kPendingTombstoned,      // or makes it a tombstone at once
  kPendingIsOk,            // "accepted, not finished" is read as done
  kBirthForgotten,         // nobody looks for what was born and not started
  kSkippedUnread,          // a person skips what is asked about again and again, without a look at the service's books
};

struct Model {
  std::string name;
  Plan plan;
  std::string input;                  // for `when`
  bool two_transactions = false;      // the pivot's service commits an intent, asks the gateway, commits the result
  bool refusals = true;               // actions before and at the pivot may be refused
  bool lies = true;                   // and may be answered as refused, without the trailer, whatever happened
  bool must_succeed_refused = false;  // compensations and retriable steps may be refused, and any call may be taken
                                      // for another's: steps may park
  bool pauses = false;                // a compensatable step's service answers in a second transaction
  bool cancel = true;                 // at any moment, by the owner and by another instance
  bool deadline = true;               // may pass at any moment
  bool born = false;                  // the saga was born by another's end, and waits for its start
  bool forgets = false;               // and later the saga may become too old: rows are purged in any order
  Bug bug = Bug::kNone;

  std::size_t size() const { return plan.steps.size(); }
  bool has_effect(std::size_t step) const {
    return plan.steps[step].kind != StepKind::kCompensatable || plan.steps[step].has_compensation;
  }
  bool is_pivot(std::size_t step) const { return plan.steps[step].kind == StepKind::kPivot; }
  bool may_wait(std::size_t step) const { return plan.steps[step].pending.has_value(); }
};

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_MODEL_H_
