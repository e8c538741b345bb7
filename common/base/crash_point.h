// Named places at which a test makes this process die, to see what is left of its work. They exist only in a build with
// the option UNWIND_CRASH_POINTS; in any other they are nothing. A process started with UNWIND_CRASH_PLAN=FILE reads
// FILE at every place that it passes, so that a running process can be armed. Its lines say where to die:
//
//     orchestrator.before_send@charge/action      at this place, of this call
//     participant.after_commit#3                  at this place the third time, of whatever call
//
// It notes the place in UNWIND_CRASH_LOG and ends without unwinding, flushing or answering.
#ifndef UNWIND_COMMON_BASE_CRASH_POINT_H_
#define UNWIND_COMMON_BASE_CRASH_POINT_H_

#include "absl/strings/string_view.h"

#ifdef UNWIND_CRASH_POINTS
#define UNWIND_CRASH_POINTS_IN true
#else
#define UNWIND_CRASH_POINTS_IN false
#endif

// `detail`, an expression that is evaluated only in an armed process, says which call this is about.
#define CRASH_POINT(name, detail)                                       \
  do {                                                                  \
    if constexpr (UNWIND_CRASH_POINTS_IN) {                             \
      if (::unwind::MayCrash()) ::unwind::PassCrashPoint(name, detail); \
    }                                                                   \
  } while (false)

namespace unwind {

inline constexpr int kCrashExit = 137;

// Whether the process has a plan.
bool MayCrash();

// Ends the process here if its plan says so. Thread-safe.
void PassCrashPoint(absl::string_view name, absl::string_view detail);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_CRASH_POINT_H_
