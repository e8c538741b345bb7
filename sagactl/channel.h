// The way to the orchestrator.
#ifndef UNWIND_SAGACTL_CHANNEL_H_
#define UNWIND_SAGACTL_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace unwind::sagactl {

// `server`: host:port of an --admin_listen, or any gRPC URI.
std::shared_ptr<grpc::Channel> Connect(const std::string& server);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_CHANNEL_H_
