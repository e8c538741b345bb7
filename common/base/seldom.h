// What is said once in a while, however often it happens.
#ifndef UNWIND_COMMON_BASE_SELDOM_H_
#define UNWIND_COMMON_BASE_SELDOM_H_

#include <cstdint>
#include <mutex>
#include <utility>

#include "absl/time/time.h"

namespace unwind {

// Thread-safe.
class Seldom {
 public:
  explicit Seldom(absl::Duration pause) : pause_(pause) {}

  // It has happened, `now` by SteadyNow. How often since it was said last, if it must be said again; else 0.
  std::int64_t Happened(absl::Time now) {
    const std::lock_guard lock(mutex_);
    ++times_;
    if (now < say_at_) return 0;
    say_at_ = now + pause_;
    return std::exchange(times_, 0);
  }

 private:
  const absl::Duration pause_;
  std::mutex mutex_;
  absl::Time say_at_ = absl::InfinitePast();  // guarded by mutex_, as all below
  std::int64_t times_ = 0;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_SELDOM_H_
