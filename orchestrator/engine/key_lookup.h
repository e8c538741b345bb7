// Answers callers from the saga that their key has started, beside the shards: who finds no room, so that a refusal
// waits for no commit, who finds the definition paused, and who comes second under a key, so that a turn does not wait
// for a look-up.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_KEY_LOOKUP_H_
#define UNWIND_ORCHESTRATOR_ENGINE_KEY_LOOKUP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/batch_writer.h"
#include "orchestrator/engine/driver_context.h"

namespace unwind {

struct KeyCaller {
  std::string definition;
  std::string key_scope;
  std::string key;
  std::string input_hash;
  Waiter waiter;
  absl::Status if_none;  // what it is told if the key has started no saga
};

class KeyLookup {
 public:
  // `context` must outlive it.
  explicit KeyLookup(DriverContext& context) : context_(context) {}

  // Starts the worker thread. Before, Find answers inline. Must not race with Find.
  void Start();

  // Attaches the caller to the saga of its key (S10), or refuses it. Thread-safe.
  void Find(KeyCaller caller);
  // The same of who asked for `saga`, which is not started.
  void Find(NewSaga saga, Waiter waiter, absl::Status if_none);

  // Answers those who wait; later ones are told OVERLOADED. Idempotent.
  void Stop();

 private:
  void Answer(std::vector<KeyCaller> callers);

  DriverContext& context_;
  std::optional<BatchWriter<KeyCaller>> queue_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_KEY_LOOKUP_H_
