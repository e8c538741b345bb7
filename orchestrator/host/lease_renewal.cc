#include "orchestrator/host/lease_renewal.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/log.h"

namespace unwind {

LeaseRenewal::LeaseRenewal(SagaStore& store, const Lease& lease, absl::Duration length,
                           std::function<bool()> commits_fail, std::function<void(bool)> set_serving)
    : store_(store),
      lease_(lease),
      length_(length),
      commits_fail_(std::move(commits_fail)),
      set_serving_(std::move(set_serving)),
      committed_at_(SteadyNow()),
      renewed_at_(committed_at_),
      renewing_(length / 3, [this] { return Renew(); }) {}

void LeaseRenewal::Tell() {
  const std::lock_guard lock(mutex_);
  telling_ = true;
  set_serving_(serving_);
}

absl::Duration LeaseRenewal::age() const {
  const std::lock_guard lock(mutex_);
  return SteadyNow() - renewed_at_;
}

absl::Duration LeaseRenewal::Renew() {
  const absl::Status renewed = store_.Renew(lease_, length_);
  if (absl::IsAborted(renewed)) lost_ = true;
  if (!renewed.ok()) Log(Severity::kWarning, "the lease was not renewed", {{"error", renewed.message()}});
  const bool commits_land = !commits_fail_();
  const absl::Time now = SteadyNow();
  if (renewed.ok()) {
    const std::lock_guard lock(mutex_);
    renewed_at_ = now;
  }
  if (commits_land) committed_at_ = now;
  if (renewed.ok() && commits_land) {
    SetServing(true);
    return length_ / 3;
  }
  if (std::max(age(), now - committed_at_) > length_) SetServing(false);
  return length_ / 15;
}

void LeaseRenewal::SetServing(bool serving) {
  const std::lock_guard lock(mutex_);
  if (serving == serving_) return;
  serving_ = serving;
  Log(serving ? Severity::kInfo : Severity::kError,
      serving ? "the store takes writes again"
              : "the store has refused the lease or what was decided of sagas for as long as the lease lasts");
  if (telling_) set_serving_(serving);
}

}  // namespace unwind
