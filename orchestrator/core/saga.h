// A saga is a row. These are its values, as they are stored; nothing else about a saga is kept anywhere.
#ifndef UNWIND_ORCHESTRATOR_CORE_SAGA_H_
#define UNWIND_ORCHESTRATOR_CORE_SAGA_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/trace_context.h"

namespace unwind {

// The numbers of these enums equal those of saga.v1 and are stored: never renumber.
enum class SagaState : std::uint8_t { kRunning = 1, kCompensating = 2, kCompleted = 3, kAborted = 4, kParked = 5 };
enum class StepState : std::uint8_t {
  kPending = 1,
  kSkipped = 2,
  kInFlight = 3,
  kSucceeded = 4,
  kRefused = 5,  // by a refusal that is free of effects: nothing to undo
  kCompensating = 6,
  kCompensated = 7,
  kWaiting = 8,  // the last answer of its action, compensation or resolve, but for unknown ones, was that it is not
                 // finished; `phase` says which
};
enum class Phase : std::uint8_t { kAction = 1, kCompensation = 2, kResolve = 3 };
enum class Outcome : std::uint8_t { kOk = 1, kRefused = 2, kUnknown = 3, kFenced = 4, kPending = 5 };

// Why a call was not OK, or why the saga went back.
struct Failure {
  std::string reason;  // ErrorInfo reason; empty: no failure
  std::string domain;  // ErrorInfo domain
  int code = 0;        // google.rpc.Code
  std::string message;
  std::string step;                             // empty for a cancel or a deadline
  std::map<std::string, std::string> metadata;  // ErrorInfo metadata

  bool operator==(const Failure&) const = default;
};

struct Step {
  StepState state = StepState::kPending;
  Phase phase = Phase::kAction;   // of the call it makes now or made last
  std::array<int, 4> sends = {};  // committed sends, by Phase; the current attempt is sends[phase]
  int refusals = 0;               // of the current phase
  int unknowns = 0;       // UNKNOWN answers of the current phase that spent an attempt (S2), since its last pending one
  bool awaiting = false;  // send number sends[phase] is out and unanswered
  bool parked = false;    // waits for a person; neither awaiting nor waking
  absl::Time wake_at = absl::InfiniteFuture();          // when it is sent again; infinite: not waiting
  absl::Time first_send_time = absl::InfiniteFuture();  // of the current phase; infinite: not sent yet, or not known
  int pendings = 0;                                     // answers of the current phase that it is not finished
  absl::Time wait_until = absl::InfiniteFuture();  // what the action waits for at most (S15); infinite: no such limit
  bool decides = false;                            // a pivot whose wait is over: its resolve must settle it
  bool nudged = false;  // since its last send, which is out: a pending answer may have crossed the nudge (S14)
  absl::Time nudge_time = absl::InfinitePast();  // of the last send that a nudge hastened; infinite past: none
  std::string pending_reply;  // bytes of the first answer of the action or the resolve that it is not finished
  std::string reply;          // bytes of the OK answer of the action or the resolve; written once
  Failure last_failure;  // why the last answered call was not OK, or what parked it; none: no reason, once one was OK

  int attempt() const { return sends[static_cast<std::size_t>(phase)]; }
  bool operator==(const Step&) const = default;
};

struct Saga {
  std::string id;
  std::string definition;
  int definition_version = 0;
  std::string key_scope;   // whose key it is; empty: of callers that are not told apart
  std::string key;         // idempotency key, unique within the definition and the scope
  std::string input_hash;  // of the accepted request
  std::string input;       // bytes of the accepted request
  TraceContext trace;
  std::string parent;  // the saga whose end gave birth to it (S17); empty: none
  std::string owner;   // instance id; written by the store
  absl::Time create_time;
  absl::Time update_time;
  absl::Time deadline = absl::InfiniteFuture();
  // When its row must be looked at, since it is driven by nobody until then: it waits for its turn (S17), or rests.
  // Infinite: it is driven.
  absl::Time due_at = absl::InfiniteFuture();

  SagaState state = SagaState::kRunning;
  std::int64_t version = 0;  // counts transitions; equals the last seq of its history
  bool cancel_requested = false;
  bool backward = false;    // the direction, which a PARKED state hides
  std::vector<Step> steps;  // as in the plan
  Failure
      failure;  // what made it go back, or parked its first step; or why its pivot was refused, while it is resolved

  bool operator==(const Saga&) const = default;
};

inline bool IsTerminal(SagaState state) { return state == SagaState::kCompleted || state == SagaState::kAborted; }

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_SAGA_H_
