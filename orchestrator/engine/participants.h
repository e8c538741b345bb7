// The network port: one verb.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_PARTICIPANTS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_PARTICIPANTS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"

namespace unwind {

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct Call {
  std::string method;   // "/package.Service/Method"
  std::string request;  // bytes
  absl::Duration timeout;

  // Of the participant contract.
  std::string saga_id;
  std::string step;  // its name
  Phase phase = Phase::kAction;
  StepKind kind = StepKind::kCompensatable;
  int attempt = 1;        // of the phase, counted from 1
  absl::Time issued_at;   // when it is sent; one that waited before is given its time anew
  absl::Time expires_at;  // past it the saga calls nobody any more; until then its keys must be remembered
  TraceContext trace;
  Metadata metadata;             // what the definition adds
  bool alone = false;            // on a connection that no other call uses meanwhile
  bool accepts_pending = false;  // it may be answered that it is not finished
  bool decides = false;          // of a resolve: the wait is over
};

// The step that `call` belongs to, the same for all its phases and attempts: "saga/step".
std::string StepOf(const Call& call);

// The idempotency key of all its attempts: "saga/step/phase".
std::string KeyOf(const Call& call);

// Everything of `call` that travels as metadata, by the names of the participant contract. Without the baggage if that
// would make it more than a participant takes by default.
Metadata MetadataOf(const Call& call);

// How the call ended, before rule S1 reads it.
struct CallResult {
  bool is_answered = true;   // false: `failure` was made here, and nothing says what the participant did
  bool effect_free = false;  // it carried the trailer `saga-outcome: refused`, for this call's key if it names one
  bool pending = false;      // OK with the trailer `saga-outcome: pending`: accepted, not finished
  // It is at no fault: its connection ended, and others may have used it (the next attempt goes alone, and one that was
  // alone is at fault itself); or there was no room for it to wait.
  bool by_transport = false;
  std::string reply;  // bytes, if failure.code is 0
  Failure failure;    // code 0 (OK), or the error; `step` is left empty
  // What the participant asks for before a repeat, or says of when to ask again; 0: nothing.
  absl::Duration retry_after = absl::ZeroDuration();
};

// Thread-safe.
class Participants {
 public:
  virtual ~Participants() = default;

  // Runs `done` exactly once, on any thread, possibly before Invoke returns: so `done` only enqueues.
  virtual void Invoke(Call call, std::function<void(CallResult)> done) = 0;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_PARTICIPANTS_H_
