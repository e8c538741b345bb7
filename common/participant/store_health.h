// Tells health whether a service's store takes writes: callers are sent elsewhere while it takes none.
#ifndef UNWIND_COMMON_PARTICIPANT_STORE_HEALTH_H_
#define UNWIND_COMMON_PARTICIPANT_STORE_HEALTH_H_

#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace unwind {

class StoreHealth {
 public:
  static constexpr absl::Duration kPause = absl::Seconds(5);       // between two probes that succeed
  static constexpr absl::Duration kRetryPause = absl::Seconds(1);  // after one that failed
  static constexpr absl::Duration kFailingMax = absl::Seconds(10);

  // Writes something, and calls `done` once with how that ended, on any thread.
  using Probe = std::function<void(std::function<void(absl::Status)> done)>;

  // `set_serving` is told false when no probe has succeeded for kFailingMax, and true when one has again; at first the
  // store is taken for good. `now` is a clock that is not set back. This must outlive every probe.
  StoreHealth(Probe probe, std::function<absl::Time()> now, std::function<void(bool)> set_serving);

  // Sends a probe unless one is out, and tells what is known. Returns the pause until the next call. One thread only.
  absl::Duration Check();

 private:
  void Ended(const absl::Status& status);

  const Probe probe_;
  const std::function<absl::Time()> now_;
  const std::function<void(bool)> set_serving_;
  bool serving_ = true;  // of the thread that checks
  std::mutex mutex_;
  bool is_out_ = false;    // a probe; guarded by mutex_, as are the next two
  std::string error_;      // of the last one that ended; empty: it succeeded
  absl::Time good_until_;  // by the last one that succeeded
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_STORE_HEALTH_H_
