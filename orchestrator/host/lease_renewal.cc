#include "orchestrator/host/lease_renewal.h"

#include <utility>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/log.h"

namespace unwind {

LeaseRenewal::LeaseRenewal(SagaStore& store, const Lease& lease, absl::Duration length,
                           std::function<void(bool)> set_serving)
    : store_(store),
      lease_(lease),
      length_(length),
      set_serving_(std::move(set_serving)),
      renewed_at_(SteadyNow()),
      renewing_(length / 3, [this] { return Renew(); }) {}

absl::Duration LeaseRenewal::Renew() {
  const absl::Status renewed = store_.Renew(lease_, length_);
  if (absl::IsAborted(renewed)) lost_ = true;
  if (renewed.ok()) {
    renewed_at_ = SteadyNow();
    SetServing(true);
    return length_ / 3;
  }
  Log(Severity::kWarning, "the lease was not renewed", {{"error", renewed.message()}});
  if (SteadyNow() - renewed_at_ > length_) SetServing(false);
  return length_ / 15;
}

void LeaseRenewal::SetServing(bool serving) {
  if (serving == serving_) return;
  serving_ = serving;
  Log(serving ? Severity::kInfo : Severity::kError,
      serving ? "the store answers again" : "the store has refused every write for as long as the lease lasts");
  set_serving_(serving);
}

}  // namespace unwind
