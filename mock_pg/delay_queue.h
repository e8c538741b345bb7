// Runs closures later, on one thread of its own, so that a delayed call holds no gRPC thread.
#ifndef UNWIND_MOCK_PG_DELAY_QUEUE_H_
#define UNWIND_MOCK_PG_DELAY_QUEUE_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace unwind::pg {

// Thread-safe.
class DelayQueue {
 public:
  using Closure = absl::AnyInvocable<void() &&>;

  explicit DelayQueue(std::size_t size_max);
  ~DelayQueue();

  // Runs `closure` in `delay`, or drops it at Stop. False, and not taken, if `size_max` wait already or Stop was
  // called.
  bool Push(std::chrono::milliseconds delay, Closure closure);

  // Drops what waits and ends the thread. Idempotent; not from a closure.
  void Stop();

 private:
  using Due = std::chrono::steady_clock::time_point;

  void Run();

  const std::size_t size_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<Due, Closure> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // last: it runs on what is above
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_DELAY_QUEUE_H_
