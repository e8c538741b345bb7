#include "common/participant/barrier.h"

#include <cstdlib>

namespace unwind::barrier {
namespace {

Decision DecideAction(const Call& call, const std::optional<Row>& row) {
  if (!row.has_value()) return {Verdict::kExecute};
  if (row->outcome == Outcome::kTombstone) return {Verdict::kFenced};
  if (row->outcome == Outcome::kSettling) return {Verdict::kFenced};
  if (row->payload_hash != call.payload_hash) return {Verdict::kKeyReused};
  // A pending action is resumed: only asking again tells what became of it.
  return {row->outcome == Outcome::kPending ? Verdict::kExecute : Verdict::kReplayOwn};
}

Decision DecideCompensation(const Call& call, const std::optional<Row>& action) {
  // The tombstone keeps out an action that is still on its way.
  if (!action.has_value()) return {Verdict::kNothingToUndo, Outcome::kTombstone};
  switch (action->outcome) {
    case Outcome::kRefused:
    case Outcome::kTombstone:
      return {Verdict::kNothingToUndo};
    case Outcome::kOk:  // its compensation's own row may have gone first
      return {call.memory == Memory::kWhole ? Verdict::kExecute : Verdict::kForgotten};
    case Outcome::kPending:  // so it was not undone
    case Outcome::kSettling:
      return {Verdict::kExecute, Outcome::kSettling};
  }
  return {Verdict::kExecute};
}

Decision DecideResolve(const Call& call, const std::optional<Row>& action) {
  if (!action.has_value()) return {Verdict::kNeverHappened, Outcome::kTombstone};
  if (action->outcome == Outcome::kTombstone) return {Verdict::kNeverHappened};
  if (action->payload_hash != call.payload_hash) return {Verdict::kKeyReused};
  switch (action->outcome) {
    case Outcome::kOk:
      return {Verdict::kReplayAction};
    case Outcome::kRefused:
    case Outcome::kTombstone:
      return {Verdict::kNeverHappened};
    case Outcome::kPending:
      if (!call.decides) return {Verdict::kExecute};
      return {Verdict::kExecute, Outcome::kSettling};
    case Outcome::kSettling:
      return {Verdict::kExecute, Outcome::kSettling};
  }
  return {Verdict::kExecute};
}

}  // namespace

const char* NameOf(Phase phase) {
  switch (phase) {
    case Phase::kAction:
      return "action";
    case Phase::kCompensation:
      return "compensation";
    case Phase::kResolve:
      return "resolve";
  }
  std::abort();
}

Decision Decide(const Call& call, const std::optional<Row>& action, const std::optional<Row>& own) {
  if (call.phase != Phase::kAction && own.has_value()) {
    return {own->payload_hash == call.payload_hash ? Verdict::kReplayOwn : Verdict::kKeyReused};
  }
  if (call.phase == Phase::kAction && call.too_old && !action.has_value()) return {Verdict::kTooOld};
  if (!action.has_value() && call.memory == Memory::kMayLackRows) return {Verdict::kForgotten};
  switch (call.phase) {
    case Phase::kAction:
      return DecideAction(call, action);
    case Phase::kCompensation:
      return DecideCompensation(call, action);
    case Phase::kResolve:
      return DecideResolve(call, action);
  }
  std::abort();
}

}  // namespace unwind::barrier
