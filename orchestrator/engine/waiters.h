// Callers that wait for an answer: each is answered once and in time, also while the store blocks every shard.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_WAITERS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_WAITERS_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/engine/driver.h"

namespace unwind {

// A caller that waits for a saga.
struct Waiter {
  absl::Time answer_by = absl::InfiniteFuture();
  std::function<void(const std::string&)> accepted;
  std::function<void(Progress)> answered;
  std::shared_ptr<const std::atomic<bool>> left = nullptr;  // whether it waits no more; null: it does not say

  bool has_left() const { return left != nullptr && *left; }
};

// Thread-safe.
class Waiters {
 public:
  // At most `waiters_max` wait at a time. `clock` must outlive it.
  Waiters(const Clock& clock, std::size_t waiters_max) : clock_(clock), waiters_max_(waiters_max) {}
  ~Waiters() { Stop(); }

  // A waiter whose `answered` may be called more than once; only the first call counts. Null, and `answered` is told
  // OVERLOADED, if there are too many. `leave`, if it is asked for: ends its waiting without an answer, which then
  // counts no more; its place is another's at once.
  std::optional<Waiter> Add(absl::Time answer_by, std::function<void(const std::string&)> accepted,
                            std::function<void(Progress)> answered, std::function<void()>* leave = nullptr);

  // Answers those whose shard is late: it is blocked in the store. A caller still has a little time then. Start does
  // that on a thread of its own until Stop, which is idempotent.
  void AnswerLate();
  void Start();
  void Stop();

  // Waits until all are answered, at most `patience`, and answers the others as AnswerLate does.
  void AnswerAll(absl::Duration patience);

  // When AnswerLate is due.
  absl::Time NextLate() const;

 private:
  using Place = std::pair<absl::Time, std::uint64_t>;  // (when its shard is late, a number)

  std::function<void(Progress)> Take(const Place& place);
  absl::Time NextLateLocked() const;
  void AnswerLate(absl::Time now);
  void Run();

  const Clock& clock_;
  const std::size_t waiters_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_, answered_;
  std::map<Place, std::function<void(Progress)>> waiting_;  // guarded by mutex_, as all below
  std::uint64_t added_ = 0;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_WAITERS_H_
