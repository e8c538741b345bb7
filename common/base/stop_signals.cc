#include "common/base/stop_signals.h"

#include <csignal>
#include <ctime>

namespace unwind {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void HoldStopSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool AwaitStopSignal(absl::Duration patience) {
  const sigset_t set = StopSignals();
  const timespec wait = absl::ToTimespec(patience);
  return sigtimedwait(&set, nullptr, &wait) > 0;
}

}  // namespace unwind
