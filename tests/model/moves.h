// Everything that can happen next in a world.
#ifndef UNWIND_TESTS_MODEL_MOVES_H_
#define UNWIND_TESTS_MODEL_MOVES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/model/model.h"
#include "tests/model/world.h"

namespace unwind::model {

enum class What : std::uint8_t {
  kStarted,          // orchestrator
  kBorn,             // nobody: another saga's end is stored, and this one with it
  kFindBorn,         // orchestrator: loads what is its own and not started
  kCrash,            // orchestrator
  kRestart,          // orchestrator
  kClaim,            // orchestrator: the lease of the owner lapsed, or its own row after a restart
  kFindStale,        // orchestrator: its commit was refused, or it looks
  kDeadline,         // nobody: time passes
  kWaitOver,         // nobody: time passes, and every wait is over
  kAge,              // nobody: time passes, and the saga is too old
  kForget,           // service: the row of `phase` is purged
  kUndoByHand,       // service: a person undoes what nobody can be asked to any more
  kFenceByHand,      // service: a person asks the gateway that the capture never come
  kForeignCancel,    // nobody: another instance writes cancel_requested
  kDecide,           // orchestrator: `event`; committed and learnt
  kDecideUnlearnt,   // orchestrator: `event`; committed and not learnt
  kSendUncommitted,  // orchestrator: the seeded bug; sent, then crashed
  kExecute,          // service of `step`, `phase`: `said`, `to` an orchestrator or nobody (2)
  kBegin,            // service: the seeded bug; has read the barrier
  kFinish,           // service: the seeded bug; acts on what it had read
  kCollect,          // service: the seeded bug; a tombstone goes
  kCapture,          // gateway
  kFence,            // gateway
};

struct Move {
  What what = What::kStarted;
  int orchestrator = 0;  // who moves, or is told; 2: nobody
  int step = 0;
  Phase phase = Phase::kAction;
  std::uint8_t said = 0;  // one of kSaid*, or 0: no answer
  bool decides = false;   // of a resolve: it ends a wait
  std::string event;      // of a decision
  bool sends = false;     // a decision
  bool trouble = false;   // a fault, a cancel or the deadline: no saga may need it in order to end
};

// `broken` names the rule that what a service does breaks; null: none.
using Take = absl::FunctionRef<void(const World& next, const Move& move, const char* broken)>;

// The worlds a saga can begin in: stored and sent, or stored only.
void Begin(const Model& model, Take take);

void Expand(const Model& model, const World& world, Take take);

// The rule that the world as it stands breaks; null: none.
const char* Broken(const Model& model, const World& world);

bool IsOver(const World& world);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_MOVES_H_
