// The network port: one verb.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_PARTICIPANTS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_PARTICIPANTS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/core/saga.h"

namespace unwind {

struct Call {
  std::string method;   // "/package.Service/Method"
  std::string request;  // bytes
  absl::Duration timeout;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// How the call ended, before rule S1 reads it.
struct CallResult {
  bool effect_free = false;  // it carried the trailer `saga-outcome: refused`
  std::string reply;         // bytes, if failure.code is 0
  Failure failure;           // code 0 (OK), or the error; `step` is left empty
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
