// Many callers, one commit: callers enqueue, one thread drains what waits and handles it as a batch. One slow fsync
// serves everybody who waited for it.
#ifndef UNWIND_COMMON_BASE_BATCH_WRITER_H_
#define UNWIND_COMMON_BASE_BATCH_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/gather.h"

namespace unwind {

// Thread-safe. std::mutex and not absl::Mutex, so that ThreadSanitizer sees it.
template <class Job>
class BatchWriter {
 public:
  // `handle` gets 1 to `batch_max` jobs in the order they were pushed, always on the writer's own thread.
  BatchWriter(std::size_t batch_max, std::size_t queue_max, std::function<void(std::vector<Job>)> handle)
      : batch_max_(batch_max), queue_max_(queue_max), handle_(std::move(handle)), thread_([this] { Run(); }) {}
  ~BatchWriter() { Stop(); }
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  // False, and `job` untouched, if `queue_max` jobs wait already or Stop was called.
  bool Push(Job&& job) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_ || queue_.size() >= queue_max_) return false;
      queue_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }

  // Handles what is queued, then ends the thread. Idempotent; not from `handle`.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run() {
    for (;;) {
      std::vector<Job> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Gather(lock, batch_max_, [this] { return queue_.size(); });
        if (queue_.size() <= batch_max_) {
          batch.swap(queue_);
        } else {
          const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(batch_max_);
          batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
          queue_.erase(queue_.begin(), end);
        }
      }
      handle_(std::move(batch));
    }
  }

  const std::size_t batch_max_;
  const std::size_t queue_max_;
  const std::function<void(std::vector<Job>)> handle_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_BATCH_WRITER_H_
