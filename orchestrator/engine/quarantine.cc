#include "orchestrator/engine/quarantine.h"

namespace unwind {

void Quarantine::Add(const Saga& saga, std::int64_t stored_version) {
  const std::lock_guard lock(mutex_);
  marks_[saga.id] = {.definition = saga.definition, .version = stored_version};
}

void Quarantine::End(const std::string& saga_id) {
  const std::lock_guard lock(mutex_);
  marks_.erase(saga_id);
}

bool Quarantine::Holds(const Saga& stored, const std::string& instance) {
  const std::lock_guard lock(mutex_);
  const auto mark = marks_.find(stored.id);
  if (mark == marks_.end()) return false;
  if (stored.owner == instance && stored.version <= mark->second.version) return true;
  marks_.erase(mark);
  return false;
}

std::vector<SagaHead> Quarantine::heads() const {
  const std::lock_guard lock(mutex_);
  std::vector<SagaHead> heads;
  for (const auto& [saga_id, mark] : marks_) heads.push_back({.id = saga_id, .version = mark.version});
  return heads;
}

std::map<std::string, std::size_t> Quarantine::counts() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::size_t> counts;
  for (const auto& [saga_id, mark] : marks_) ++counts[mark.definition];
  return counts;
}

}  // namespace unwind
