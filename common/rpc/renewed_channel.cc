#include "common/rpc/renewed_channel.h"

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/target.h"
#include "common/rpc/channel.h"

namespace unwind {

RenewedChannel::RenewedChannel(const std::string& target)
    : RenewedChannel(target, [target] { return NewChannel(target); }) {}

RenewedChannel::RenewedChannel(const std::string& target, std::function<std::shared_ptr<grpc::Channel>()> make,
                               absl::Duration lost_max)
    : make_(std::move(make)), lost_max_(lost_max), is_looked_up_(!IsOneAddress(target)), channel_(make_()) {}

std::shared_ptr<grpc::Channel> RenewedChannel::Get() {
  std::lock_guard lock(mutex_);
  if (!is_looked_up_) return channel_;
  const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/false);
  if (state == GRPC_CHANNEL_READY) {
    previous_.reset();
    lost_since_ = absl::InfiniteFuture();
  }
  if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) return channel_;
  const absl::Time now = SteadyNow();
  lost_since_ = std::min(lost_since_, now);
  if (now - lost_since_ >= lost_max_) {
    previous_ = std::exchange(channel_, make_());
    lost_since_ = now;
  }
  return channel_;
}

}  // namespace unwind
