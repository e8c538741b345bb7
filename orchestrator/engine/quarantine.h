// Sagas that stand still because the store refuses what was decided for them.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_QUARANTINE_H_
#define UNWIND_ORCHESTRATOR_ENGINE_QUARANTINE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "orchestrator/engine/saga_store.h"

namespace unwind {

// Thread-safe.
class Quarantine {
 public:
  // `saga` stands as it is stored, in `stored_version`.
  void Add(const Saga& saga, std::int64_t stored_version);
  void End(const std::string& saga_id);

  // Whether `stored` stands still at `instance`. Ends the quarantine once the saga has moved, which only another
  // instance can have done.
  bool Holds(const Saga& stored, const std::string& instance);

  // Of each its id and the version that it stands in.
  std::vector<SagaHead> heads() const;
  // How many, by definition.
  std::map<std::string, std::size_t> counts() const;

 private:
  struct Mark {
    std::string definition;
    std::int64_t version = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Mark> marks_;  // by saga id
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_QUARANTINE_H_
