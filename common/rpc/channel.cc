#include "common/rpc/channel.h"

#include "absl/strings/string_view.h"
#include "common/base/target.h"
#include "common/rpc/credentials.h"
#include "grpc/compression.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/support/channel_arguments.h"

namespace unwind {
namespace {

// Far above what servers send. Not higher: gRPC parses headers that come in pieces in quadratic time, 1 MiB in 0.2 s.
constexpr int kMetadataBytesMax = 256 << 10;
constexpr int kNoCompression = 1 << GRPC_COMPRESS_NONE;
constexpr int kReconnectMinMs = 50;
constexpr int kReconnectMaxMs = 1000;   // a restarted service is found again within a second
constexpr int kTlsConnectMaxMs = 5000;  // a handshake takes two busy machines longer than a connection alone
constexpr int kKeepaliveMs = 30000;
constexpr int kLookUpMinMs = 2000;  // gRPC's own 30 s leave a new copy without calls for that long

// The first address of a list, ipv4:A,B; empty if `target` is none.
std::string FirstOfList(absl::string_view target) {
  const std::size_t comma = target.find(',');
  if (comma == absl::string_view::npos) return "";
  const absl::string_view first = target.substr(0, comma);
  return std::string(first.substr(first.find(':') + 1));
}

grpc::ChannelArguments Arguments(const std::string& target, int index, int reply_bytes_max,
                                 std::size_t received_bytes_max) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(reply_bytes_max);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, kNoCompression);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);  // else what comes with its headers is unpacked
  // A message is only measured once all of it was received.
  arguments.SetResourceQuota(grpc::ResourceQuota().Resize(received_bytes_max));
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  // gRPC takes this one as the connect timeout, the handshake included.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, SpeaksTls() ? kTlsConnectMaxMs : kReconnectMaxMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  // Not to one address: this policy refuses calls while it waits to connect again, the default one connects for them.
  if (!IsOneAddress(target)) arguments.SetLoadBalancingPolicyName("round_robin");
  // gRPC would look for the whole list in the servers' certificates.
  if (const std::string first = FirstOfList(target); !first.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, first);
  }
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kLookUpMinMs);
  arguments.SetInt("unwind.channel_index", index);  // channels with equal arguments would share one connection
  return arguments;
}

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const std::string& target, int index, int reply_bytes_max,
                                          std::size_t received_bytes_max) {
  return grpc::CreateCustomChannel(target, ChannelCredentials(),
                                   Arguments(target, index, reply_bytes_max, received_bytes_max));
}

std::shared_ptr<grpc::Channel> NewPlaintextChannel(const std::string& target) {
  return grpc::CreateCustomChannel(target, PlaintextChannelCredentials(),
                                   Arguments(target, 0, kReplyBytesMax, kReceivedBytesMax));
}

}  // namespace unwind
