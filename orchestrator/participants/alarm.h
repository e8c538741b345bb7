// Something to be done at a time, by a clock that is never set back. gRPC's own alarms wait by the wall clock.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_ALARM_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_ALARM_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace unwind {

// Thread-safe.
class Alarm {
 public:
  // `ring` runs on a thread of the alarm's own.
  explicit Alarm(std::function<void()> ring);
  ~Alarm() { Stop(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Rings once at `when` (by SteadyNow), or earlier if it is set to that; also from `ring`.
  void Set(absl::Time when);

  // Rings no more and waits for the ring at hand. Idempotent; not from `ring`.
  void Stop();

 private:
  void Run();

  const std::function<void()> ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  absl::Time when_ = absl::InfiniteFuture();  // guarded by mutex_; infinite: it is not set
  bool stopped_ = false;                      // guarded by mutex_
  std::thread thread_;                        // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_ALARM_H_
