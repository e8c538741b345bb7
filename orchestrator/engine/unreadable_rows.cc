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

}  // namespace unwind
