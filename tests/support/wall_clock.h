// A wall clock that is set back, as an operator or a time server does it.
#ifndef UNWIND_TESTS_SUPPORT_WALL_CLOCK_H_
#define UNWIND_TESTS_SUPPORT_WALL_CLOCK_H_

#include "absl/time/time.h"

namespace unwind {

// While it lives the wall clock of this process, and no other's, is behind by `by`: whole seconds. One at a time.
class WallClockSetBack {
 public:
  explicit WallClockSetBack(absl::Duration by);
  ~WallClockSetBack();
  WallClockSetBack(const WallClockSetBack&) = delete;
  WallClockSetBack& operator=(const WallClockSetBack&) = delete;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_WALL_CLOCK_H_
