// The signals that tell a program to stop: SIGTERM and SIGINT.
#ifndef UNWIND_COMMON_BASE_STOP_SIGNALS_H_
#define UNWIND_COMMON_BASE_STOP_SIGNALS_H_

#include "absl/time/time.h"

namespace unwind {

// Blocks them and ignores SIGPIPE. First thing in main, before any thread is started.
void HoldStopSignals();

// Waits for up to `patience` for one that was held; whether one came. It is taken: the next wait does not see it.
bool AwaitStopSignal(absl::Duration patience);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_STOP_SIGNALS_H_
