// Rows of sagas that cannot be read: a newer version wrote them, or they are damaged. They are left alone, and met
// again and again; each is logged once.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_

#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/engine/driver.h"

namespace unwind {

// Thread-safe.
class UnreadableRows {
 public:
  // `observer` must outlive it.
  explicit UnreadableRows(DriverObserver& observer) : observer_(observer) {}

  void Report(const std::vector<UnreadableSaga>& rows);

  // Those that were reported and not forgotten: how many, their ids, and at most `limit` of these, of all in turn.
  std::size_t count() const;
  std::vector<std::string> ids() const;
  std::vector<std::string> Next(std::size_t limit);
  // It can be read, or is gone.
  void Forget(const std::string& saga_id);

 private:
  DriverObserver& observer_;
  mutable std::mutex mutex_;
  std::set<std::string> reported_;  // saga ids; guarded by mutex_
  std::string last_;                // that Next gave; guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_
