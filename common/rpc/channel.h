// Client channels, made one way everywhere.
#ifndef UNWIND_COMMON_RPC_CHANNEL_H_
#define UNWIND_COMMON_RPC_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace unwind {

// A channel to `target` (any gRPC URI: host:port, dns:///..., unix:...). Retries of gRPC's own are off, the saga's
// timers retry; every call must carry an explicit deadline. Channels with different `index` use different connections.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& target, int index = 0);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CHANNEL_H_
