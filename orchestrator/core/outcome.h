// Rule S1: how the answer of one call is read. The only place where a gRPC code becomes an Outcome.
#ifndef UNWIND_ORCHESTRATOR_CORE_OUTCOME_H_
#define UNWIND_ORCHESTRATOR_CORE_OUTCOME_H_

#include <map>

#include "absl/strings/string_view.h"
#include "orchestrator/core/saga.h"

namespace unwind {

inline constexpr char kReasonFenced[] = "FENCED";
inline constexpr char kReasonKeyReused[] = "KEY_REUSED";
inline constexpr char kReasonOutcomeUnknown[] = "OUTCOME_UNKNOWN";  // of an UNKNOWN without a reason
inline constexpr char kReasonStepFailed[] = "STEP_FAILED";  // what a caller is told for it, once that matters no more
inline constexpr char kReasonConnectionEnded[] = "CONNECTION_ENDED";  // nothing says what became of the call
inline constexpr char kReasonNeverHappened[] = "NEVER_HAPPENED";
inline constexpr char kReasonPendingNotAsked[] = "PENDING_NOT_ASKED";  // of an UNKNOWN, see ReadPending

// A step's own table for its action, by google.rpc.Code; codes not in it keep the default. FENCED and OK cannot be
// overridden, and neither can a final refusal.
using OutcomeOverrides = std::map<int, Outcome>;

// The answer of an action or a compensation is a refusal for good: the participant stored it, so nothing happened, and
// under this key nothing ever will. `says_refused`: it carried the trailer `saga-outcome: refused`.
bool IsFinalRefusal(Phase phase, int code, absl::string_view reason, bool says_refused);

// `code` is a google.rpc.Code, `reason` the ErrorInfo reason or empty. Codes outside 0..16 are unknown.
// For Phase::kResolve, only OK and FAILED_PRECONDITION with reason NEVER_HAPPENED (kRefused) are answers (S6).
Outcome ReadOutcome(Phase phase, int code, absl::string_view reason, const OutcomeOverrides& overrides);

// OK with the trailer `saga-outcome: pending` (S13), of any phase: of a resolve too it is never OK. Of a step that does
// not wait it is UNKNOWN: its participant takes the call for another's, and nothing says that it acts on it.
Outcome ReadPending(bool step_waits);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_OUTCOME_H_
