// A channel to a name, made anew while nothing that the name stands for is reached.
#ifndef UNWIND_COMMON_RPC_RENEWED_CHANNEL_H_
#define UNWIND_COMMON_RPC_RENEWED_CHANNEL_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/channel.h"

namespace unwind {

// gRPC 1.51 asks for a name that it did not find again after a second, and then at pauses that grow to two minutes; it
// cannot be told to ask now. A new channel asks at once. So a service whose name was gone for an hour, as that of a
// headless Service is without a ready pod, is called again `lost_max` after it came back. Thread-safe.
class RenewedChannel {
 public:
  static constexpr absl::Duration kLostMax = absl::Seconds(5);

  // Of NewChannel's channels.
  explicit RenewedChannel(const std::string& target);
  // `make` gives a new channel to `target`, each time an equal one.
  RenewedChannel(const std::string& target, std::function<std::shared_ptr<grpc::Channel>()> make,
                 absl::Duration lost_max = kLostMax);

  // The channel of the next call, which must be an asynchronous one.
  std::shared_ptr<grpc::Channel> Get();

 private:
  const std::function<std::shared_ptr<grpc::Channel>()> make_;
  const absl::Duration lost_max_;
  const bool is_looked_up_;

  std::mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_;
  // The one before, until this one is connected: gRPC does not survive that the last channel of a process is let go by
  // a thread of its own, as a call's end may do.
  std::shared_ptr<grpc::Channel> previous_;
  absl::Time lost_since_ = absl::InfiniteFuture();  // as calls have seen it, by SteadyNow
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_RENEWED_CHANNEL_H_
