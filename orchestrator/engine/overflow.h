// Callers that find the house full. Who repeats a call is attached to the saga that it started, anyone else is refused
// (S10, S11), beside the shards, so that a refusal waits for no commit.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_OVERFLOW_H_
#define UNWIND_ORCHESTRATOR_ENGINE_OVERFLOW_H_

#include <optional>
#include <vector>

#include "common/base/batch_writer.h"
#include "orchestrator/engine/ownership.h"

namespace unwind {

class Overflow {
 public:
  // `context` must outlive it.
  explicit Overflow(DriverContext& context) : context_(context) {}

  // From now on callers are heard on a thread of this object, before that at once. Not beside Hear.
  void Start();

  // Thread-safe.
  void Hear(NewSaga saga, Waiter waiter);

  // Hears who is waiting. Idempotent.
  void Stop();

 private:
  struct Caller {
    NewSaga saga;
    Waiter waiter;
  };

  void Answer(std::vector<Caller> callers);

  DriverContext& context_;
  std::optional<BatchWriter<Caller>> queue_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_OVERFLOW_H_
