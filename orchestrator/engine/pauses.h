// The definitions that are paused, so that no saga of them starts, as this instance read them last.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_PAUSES_H_
#define UNWIND_ORCHESTRATOR_ENGINE_PAUSES_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// Thread-safe.
class Pauses {
 public:
  // `store` must outlive it.
  explicit Pauses(SagaStore& store) : store_(store) {}

  // Reads them; blocks for as long as the store takes. What the store had taken before the call holds after it,
  // whichever of several calls at once ends last. An error leaves what was read before.
  absl::Status Read();

  // OK, or UNAVAILABLE DEFINITION_PAUSED: no saga of `definition` may be started.
  absl::Status Check(const std::string& definition) const;

  std::vector<std::string> names() const;

 private:
  void Take(std::map<std::string, DefinitionPause> read);

  SagaStore& store_;
  mutable std::mutex mutex_;
  std::uint64_t begun_ = 0;                        // reads; guarded by mutex_, as all below
  std::uint64_t held_ = 0;                         // the read that holds
  std::map<std::string, DefinitionPause> paused_;  // by definition
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_PAUSES_H_
