#include "orchestrator/engine/unreadable_rows.h"

#include "common/base/log.h"

namespace unwind {

void UnreadableRows::Report(const std::vector<UnreadableSaga>& rows) {
  for (const UnreadableSaga& row : rows) {
    {
      std::lock_guard lock(mutex_);
      if (!reported_.insert(row.id).second) continue;
    }
    Log(Severity::kError,
        "the row of a saga cannot be read and is left alone: a newer version wrote it, or it is damaged",
        {{"saga_id", row.id}, {"error", row.why}});
    observer_.OnUnreadable();
  }
}

std::size_t UnreadableRows::count() const {
  const std::lock_guard lock(mutex_);
  return reported_.size();
}

std::vector<std::string> UnreadableRows::ids() const {
  const std::lock_guard lock(mutex_);
  return {reported_.begin(), reported_.end()};
}

std::vector<std::string> UnreadableRows::Next(std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (auto id = reported_.upper_bound(last_); id != reported_.end() && ids.size() < limit; ++id) ids.push_back(*id);
  last_ = ids.size() < limit ? "" : ids.back();
  return ids;
}

void UnreadableRows::Forget(const std::string& saga_id) {
  const std::lock_guard lock(mutex_);
  reported_.erase(saga_id);
}

}  // namespace unwind
