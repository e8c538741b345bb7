// Rows of sagas that cannot be read: a newer version wrote them, or they are damaged. They are left alone, and met
// again and again; each is logged and counted once.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_

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

 private:
  DriverObserver& observer_;
  std::mutex mutex_;
  std::set<std::string> reported_;  // saga ids; guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_UNREADABLE_ROWS_H_
