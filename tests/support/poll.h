// Waiting for something that another thread or process does: the only place of the tests that lets time pass.
#ifndef UNWIND_TESTS_SUPPORT_POLL_H_
#define UNWIND_TESTS_SUPPORT_POLL_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace unwind {

inline constexpr absl::Duration kPollPause = absl::Milliseconds(5);

// Asks `holds` until it says true, or until `patience` is over. True if it held.
template <typename Predicate>
bool Eventually(absl::Duration patience, Predicate holds) {
  const absl::Time until = SteadyNow() + patience;
  while (true) {
    if (holds()) return true;
    if (SteadyNow() >= until) return false;
    absl::SleepFor(kPollPause);
  }
}

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_POLL_H_
