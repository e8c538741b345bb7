// The participant barrier, as a pure decision. A row per (saga, step, phase) in the participant's own database,
// inserted in the transaction of the business change, makes every call idempotent, a compensation of a call that never
// came a no-op, and a call that comes after its compensation FENCED. The idea is DTM's subtransaction barrier; sticky
// refusals, FENCED and resolve are ours.
#ifndef UNWIND_COMMON_PARTICIPANT_BARRIER_H_
#define UNWIND_COMMON_PARTICIPANT_BARRIER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::barrier {

// Stored: never renumber.
enum class Phase : std::uint8_t { kAction = 1, kCompensation = 2, kResolve = 3 };

enum class Outcome : std::uint8_t {
  kOk = 1,         // reply: the response's bytes
  kRefused = 2,    // reply: the serialized google.rpc.Status; sticky
  kTombstone = 3,  // on the action's row: it may never happen any more
  kPending = 4,    // on the action's row: it was accepted and is not finished
  kSettling = 5,   // on the action's row: it was pending, and is carried out no more; its compensation or resolve says
                   // what became of it. reply: the status FENCED, which a release before this outcome answers then
};

// As in the metadata saga-phase.
const char* NameOf(Phase phase);

struct Row {
  Outcome outcome = Outcome::kOk;
  std::string payload_hash;  // SHA-256 of the request's type and deterministic bytes, hex; empty on a tombstone
  std::string reply;
  absl::Time keep_until = absl::InfinitePast();  // of a row to be written: it is not purged before

  bool operator==(const Row&) const = default;
};

enum class Verdict : std::uint8_t {
  kExecute,        // ask the domain, store its answer
  kReplayOwn,      // answer what this call's own row holds
  kReplayAction,   // a resolve: answer what the action's row holds; it happened
  kNeverHappened,  // a resolve: it did not and, with the tombstone in place, never will; store that as this call's
                   // answer
  kNothingToUndo,  // a compensation: answer an empty response; store it
  kForgotten,      // UNAVAILABLE, reason KEYS_FORGOTTEN: it may have happened and nobody remembers; store nothing
  kFenced,         // ABORTED, reason FENCED; store nothing
  kTooOld,         // the same, of an action whose tombstone may be purged already
  kKeyReused,      // INVALID_ARGUMENT, reason KEY_REUSED; store nothing
};

struct Decision {
  Verdict verdict = Verdict::kExecute;
  // kTombstone or kSettling: what the action's row becomes in the same transaction, whatever the call is answered.
  std::optional<Outcome> mark = {};

  bool operator==(const Decision&) const = default;
};

// Whether every row that the call's step ever had is still there.
enum class Memory : std::uint8_t { kWhole, kMayLackRows };

struct Call {
  Phase phase = Phase::kAction;
  absl::string_view payload_hash;
  Memory memory = Memory::kWhole;
  bool decides = false;  // a resolve that ends the wait for a pending action
  bool too_old = false;  // issued so long ago that an action's tombstone may be purged
};

// `action` is the action's row, `own` the row of the call's own phase (the same row for an action). Total and pure.
Decision Decide(const Call& call, const std::optional<Row>& action, const std::optional<Row>& own);

}  // namespace unwind::barrier

#endif  // UNWIND_COMMON_PARTICIPANT_BARRIER_H_
