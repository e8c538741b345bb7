#include "orchestrator/participants/alarm.h"

#include <algorithm>
#include <utility>

#include "common/base/clock.h"

namespace unwind {

Alarm::Alarm(std::function<void()> ring) : ring_(std::move(ring)), thread_([this] { Run(); }) {}

void Alarm::Set(absl::Time when) {
  {
    std::lock_guard lock(mutex_);
    if (when >= when_) return;
    when_ = when;
  }
  changed_.notify_one();
}

void Alarm::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Alarm::Run() {
  constexpr absl::Duration kWaitMax = absl::Hours(1);  // and then it waits on
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (const absl::Duration left = when_ - SteadyNow(); left > absl::ZeroDuration()) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, kWaitMax)));
      continue;
    }
    when_ = absl::InfiniteFuture();
    lock.unlock();
    ring_();
    lock.lock();
  }
}

}  // namespace unwind
