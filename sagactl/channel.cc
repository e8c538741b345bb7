#include "sagactl/channel.h"

#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_replace.h"
#include "common/base/log.h"
#include "common/rpc/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "sagactl/ending.h"

// Of common/base/log and common/rpc/credentials: this program's command line is not Abseil's.
ABSL_DECLARE_FLAG(std::string, log_level);
ABSL_DECLARE_FLAG(std::string, tls_ca);
ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);

namespace unwind::sagactl {
namespace {

// A person waits for a slow handshake rather than to be told that nobody answers. Who refuses is known at once.
constexpr int kConnectMaxMs = 10'000;
constexpr int kMetadataBytesMax = 256 << 10;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMaxMs);  // gRPC takes it as the connect timeout
  return arguments;
}

}  // namespace

absl::StatusOr<Connection> Connect(const std::string& server, const TlsFiles& tls) {
  absl::SetFlag(&FLAGS_log_level, "warning");  // why a certificate is refused, but not which one is in use
  InitLog("sagactl");
  absl::SetFlag(&FLAGS_tls_ca, tls.ca);
  absl::SetFlag(&FLAGS_tls_cert, tls.cert);
  absl::SetFlag(&FLAGS_tls_key, tls.key);
  auto transport = Transport::Start();
  if (!transport.ok()) return CalledWrongly(absl::StrReplaceAll(transport.status().message(), {{"\n", "; "}}));
  Connection connection{.transport = *std::move(transport), .channel = nullptr};
  connection.channel = grpc::CreateCustomChannel(server, ChannelCredentials(), Arguments());
  return connection;
}

}  // namespace unwind::sagactl
