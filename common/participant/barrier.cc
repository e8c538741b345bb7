#include "common/participant/barrier.h"

#include <cstdlib>

namespace unwind::barrier {
namespace {

Decision DecideAction(const std::optional<Row>& row, absl::string_view payload_hash) {
  if (!row.has_value()) return {Verdict::kExecute};
  if (row->outcome == Outcome::kTombstone) return {Verdict::kFenced};
  if (row->payload_hash != payload_hash) return {Verdict::kKeyReused};
  // A pending action is resumed: between its two transactions only asking again tells what became of it.
  return {row->outcome == Outcome::kPending ? Verdict::kExecute : Verdict::kReplayOwn};
}

Decision DecideCompensation(const std::optional<Row>& action, Memory memory) {
  // The tombstone keeps out an action that is still on its way.
  if (!action.has_value()) return {Verdict::kNothingToUndo, /*tombstone=*/true};
  switch (action->outcome) {
    case Outcome::kRefused:
    case Outcome::kTombstone:
      return {Verdict::kNothingToUndo};
    case Outcome::kOk:  // its compensation's own row may have gone first
      return {memory == Memory::kWhole ? Verdict::kExecute : Verdict::kForgotten};
    case Outcome::kPending:  // so it was not undone
      return {Verdict::kExecute};
  }
  return {Verdict::kExecute};
}

Decision DecideResolve(const std::optional<Row>& action, absl::string_view payload_hash) {
  if (!action.has_value()) return {Verdict::kNeverHappened, /*tombstone=*/true};
  if (action->outcome == Outcome::kTombstone) return {Verdict::kNeverHappened};
  if (action->payload_hash != payload_hash) return {Verdict::kKeyReused};
  switch (action->outcome) {
    case Outcome::kOk:
      return {Verdict::kReplayAction};
    case Outcome::kRefused:
    case Outcome::kTombstone:
      return {Verdict::kNeverHappened};
    case Outcome::kPending:
      return {Verdict::kExecute};
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

Decision Decide(Phase phase, const std::optional<Row>& action, const std::optional<Row>& own,
                absl::string_view payload_hash, Memory memory) {
  if (phase != Phase::kAction && own.has_value()) {
    return {own->payload_hash == payload_hash ? Verdict::kReplayOwn : Verdict::kKeyReused};
  }
  if (!action.has_value() && memory == Memory::kMayLackRows) return {Verdict::kForgotten};
  if (phase == Phase::kAction) return DecideAction(action, payload_hash);
  return phase == Phase::kCompensation ? DecideCompensation(action, memory) : DecideResolve(action, payload_hash);
}

}  // namespace unwind::barrier
