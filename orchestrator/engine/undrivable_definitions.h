// Definitions whose stored sagas are met and cannot be driven here. Their sagas may be many; each definition is logged
// once.
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
  // `saga` is left alone for want of its definition.
  void Report(const Saga& saga);

 private:
  std::mutex mutex_;
  std::set<std::pair<std::string, int>> reported_;  // names and versions; guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_UNDRIVABLE_DEFINITIONS_H_
