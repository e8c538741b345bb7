// Definitions whose sagas this instance owns and cannot drive. Their sagas may be many; each definition is logged once,
// and counted by host/saga_census.h.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_UNDRIVABLE_DEFINITIONS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_UNDRIVABLE_DEFINITIONS_H_

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "orchestrator/core/saga.h"

namespace unwind {

// Thread-safe.
class UndrivableDefinitions {
 public:
  // `saga`, this instance's own, is not driven; `why`: and what to do.
  void Report(const Saga& saga, const std::string& why);

 private:
  std::mutex mutex_;
  std::set<std::pair<std::string, int>> reported_;  // names and versions; guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_UNDRIVABLE_DEFINITIONS_H_
