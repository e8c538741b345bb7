#include "common/participant/store_health.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace unwind {

StoreHealth::StoreHealth(Probe probe, std::function<absl::Time()> now, std::function<void(bool)> set_serving)
    : probe_(std::move(probe)),
      now_(std::move(now)),
      set_serving_(std::move(set_serving)),
      good_until_(now_() + kFailingMax) {}

absl::Duration StoreHealth::Check() {
  bool was_out = false;
  {
    std::lock_guard lock(mutex_);
    was_out = std::exchange(is_out_, true);
  }
  if (!was_out) probe_([this](const absl::Status& status) { Ended(status); });
  std::unique_lock lock(mutex_);
  // A process that was stopped for long knows nothing of its store.
  const bool is_failing = was_out || !error_.empty();
  const bool serving = !is_failing || now_() <= good_until_;
  const absl::Duration pause = is_failing ? kRetryPause : kPause;
  const std::string error = was_out ? "a write does not end" : error_;
  lock.unlock();
  if (std::exchange(serving_, serving) == serving) return pause;
  if (serving) {
    Log(Severity::kInfo, "the store takes writes again: health says SERVING", {});
  } else {
    Log(Severity::kError, "the store takes no writes: health says NOT_SERVING",
        {{"for", absl::FormatDuration(kFailingMax)}, {"error", error}});
  }
  set_serving_(serving);
  return pause;
}

void StoreHealth::Ended(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  is_out_ = false;
  error_ = status.ok() ? "" : status.ToString();
  if (status.ok()) good_until_ = now_() + kFailingMax;
}

}  // namespace unwind
