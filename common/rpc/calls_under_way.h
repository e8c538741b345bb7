// How many asynchronous calls of one client are under way, so that they are bounded and that who made them can wait for
// their ends.
#ifndef UNWIND_COMMON_RPC_CALLS_UNDER_WAY_H_
#define UNWIND_COMMON_RPC_CALLS_UNDER_WAY_H_

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace unwind {

// Thread-safe.
class CallsUnderWay {
 public:
  explicit CallsUnderWay(std::size_t calls_max) : calls_max_(calls_max) {}

  // False: there are `calls_max`, or Stop was called. Else End must follow.
  bool Begin() {
    std::lock_guard lock(mutex_);
    if (stopping_ || calls_ >= calls_max_) return false;
    ++calls_;
    return true;
  }

  // Notifies under the lock: Stop may return, and this be destroyed, as soon as it is released.
  void End() {
    std::lock_guard lock(mutex_);
    if (--calls_ == 0) idle_.notify_all();
  }

  // Lets no call begin any more, and waits for those under way. Idempotent.
  void Stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    idle_.wait(lock, [this] { return calls_ == 0; });
  }

 private:
  const std::size_t calls_max_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t calls_ = 0;
  bool stopping_ = false;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CALLS_UNDER_WAY_H_
