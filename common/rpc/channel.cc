#include "common/rpc/channel.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace unwind {
namespace {

constexpr int kReceiveMaxBytes = 4 << 20;
constexpr int kMetadataMaxBytes = 16 << 10;  // as on our servers; a participant's error details travel in it
constexpr int kReconnectMinMs = 50;
constexpr int kReconnectMaxMs = 1000;  // a restarted service is found again within a second
constexpr int kKeepaliveMs = 30000;

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const std::string& target, int index) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReceiveMaxBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataMaxBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMaxMs);  // gRPC takes this one as the connect timeout
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt("unwind.channel_index", index);  // channels with equal arguments would share one connection
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace unwind
