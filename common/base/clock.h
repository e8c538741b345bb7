// Time as a port.
#ifndef UNWIND_COMMON_BASE_CLOCK_H_
#define UNWIND_COMMON_BASE_CLOCK_H_

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace unwind {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

// No date, and never set back: for how long something takes or has to wait. The wall clock may jump.
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_CLOCK_H_
