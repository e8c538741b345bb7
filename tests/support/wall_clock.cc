#include "tests/support/wall_clock.h"

#include <dlfcn.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "common/base/check.h"
#include "tests/support/poll.h"

namespace {

std::atomic<std::int64_t> g_seconds_back = 0;

}  // namespace

// In the place of the C library's, for every library of the process.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using GetTime = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<GetTime>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, time);
  if (clock == CLOCK_REALTIME) time->tv_sec -= g_seconds_back;
  return result;
}

namespace unwind {

// Abseil asks the system only every two seconds, and counts the processor's cycles between.
WallClockSetBack::WallClockSetBack(absl::Duration by) {
  const absl::Time before = absl::Now();
  g_seconds_back = absl::ToInt64Seconds(by);
  CHECK(Eventually(absl::Seconds(20), [before] { return absl::Now() < before; }));
}
WallClockSetBack::~WallClockSetBack() { g_seconds_back = 0; }

}  // namespace unwind
