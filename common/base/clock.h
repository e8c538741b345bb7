// Time as a port.
#ifndef UNWIND_COMMON_BASE_CLOCK_H_
#define UNWIND_COMMON_BASE_CLOCK_H_

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

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_CLOCK_H_
