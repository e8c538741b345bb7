#include "sagactl/channel.h"

#include "common/rpc/channel.h"

namespace unwind::sagactl {

std::shared_ptr<grpc::Channel> Connect(const std::string& server) { return NewChannel(server); }

}  // namespace unwind::sagactl
