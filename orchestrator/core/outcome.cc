#include "orchestrator/core/outcome.h"

#include "absl/status/status.h"

namespace unwind {
namespace {

Outcome DefaultOutcome(absl::StatusCode code, absl::string_view reason) {
  switch (code) {
    case absl::StatusCode::kOk:
      return Outcome::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return Outcome::kRefused;
    case absl::StatusCode::kAborted:
      return reason == kReasonFenced ? Outcome::kFenced : Outcome::kUnknown;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kDoNotUseReservedForFutureExpansionUseDefaultInSwitchInstead_:
      return Outcome::kUnknown;
  }
  return Outcome::kUnknown;  // a code from outside the table
}

}  // namespace

bool IsFinalRefusal(Phase phase, int code, absl::string_view reason, bool says_refused) {
  return says_refused && phase != Phase::kResolve && code != 0 && reason != kReasonFenced && reason != kReasonKeyReused;
}

Outcome ReadOutcome(Phase phase, int code, absl::string_view reason, const OutcomeOverrides& overrides) {
  const auto status_code = static_cast<absl::StatusCode>(code);
  if (phase == Phase::kResolve) {
    if (status_code == absl::StatusCode::kOk) return Outcome::kOk;
    const bool never = status_code == absl::StatusCode::kFailedPrecondition && reason == kReasonNeverHappened;
    return never ? Outcome::kRefused : Outcome::kUnknown;
  }
  const Outcome outcome = DefaultOutcome(status_code, reason);
  if (phase != Phase::kAction || outcome == Outcome::kOk || outcome == Outcome::kFenced) return outcome;
  const auto it = overrides.find(code);
  return it == overrides.end() ? outcome : it->second;
}

Outcome ReadPending(bool step_waits) { return step_waits ? Outcome::kPending : Outcome::kUnknown; }

}  // namespace unwind
