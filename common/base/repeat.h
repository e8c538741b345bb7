// Work that comes back: the lease's renewal, the purge, the probe of a store.
#ifndef UNWIND_COMMON_BASE_REPEAT_H_
#define UNWIND_COMMON_BASE_REPEAT_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace unwind {

// Runs `task` on a thread of its own, first after one pause and then after each. The task says how long the next pause
// is.
class Repeat {
 public:
  Repeat(absl::Duration pause, std::function<absl::Duration()> task)
      : task_(std::move(task)), thread_([this, pause] { Run(pause); }) {}
  ~Repeat() { Stop(); }
  Repeat(const Repeat&) = delete;
  Repeat& operator=(const Repeat&) = delete;

  // Waits for the run at hand. Idempotent; not from `task`.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run(absl::Duration pause) {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, absl::ToChronoMicroseconds(pause), [this] { return stopping_; })) return;
      }
      pause = task_();
    }
  }

  const std::function<absl::Duration()> task_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_REPEAT_H_
