#include "common/rpc/limits.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/log.h"
#include "grpcpp/resource_quota.h"

RANGED_FLAG(
    int, connections_max, 128, 1, 1000000,
    "Connections that are open on one port, half of them from one host where other machines reach the port; more are "
    "closed as soon as they come.");
RANGED_FLAG(int, streams_max, 256, 1, 100000, "Calls at a time on one connection; a client holds back the rest.");
RANGED_FLAG(
    int, grpc_memory_max_mib, 256, 16, 1 << 20,
    "Memory of the connections of all ports and of what is under way on them, in MiB. Beyond it gRPC closes idle "
    "connections and ends calls.");
RANGED_FLAG(absl::Duration, connection_idle_max, absl::Minutes(10), absl::Seconds(1), absl::Hours(24),
            "How long a connection without a call stays open.");
RANGED_FLAG(absl::Duration, connection_age_max, absl::Hours(1), absl::Seconds(1), absl::Hours(24 * 7),
            "How long a connection is used, a tenth more or less; then its client makes another, maybe to another "
            "process. Calls under way end first.");

namespace unwind {
namespace {

constexpr absl::Duration kHandshakeMax = absl::Seconds(10);  // from a connection's start to its first settings
constexpr absl::Duration kAgeGrace = absl::Minutes(11);      // longer than any call may wait for its saga
constexpr absl::Duration kKeepaliveTime = absl::Minutes(1);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);
constexpr absl::Duration kPingIntervalMin = absl::Seconds(10);  // a client that pings more often is cut off
constexpr std::size_t kOtherFiles = 128;                        // databases, logs, calls to participants

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

const grpc::ResourceQuota& ProcessQuota() {
  static const auto* const quota = [] {
    auto* const made = new grpc::ResourceQuota("process");
    made->Resize(static_cast<std::size_t>(absl::GetFlag(FLAGS_grpc_memory_max_mib)) << 20);
    return made;
  }();
  return *quota;
}

}  // namespace

void SetLimits(grpc::ServerBuilder& builder) { SetLimits(builder, absl::GetFlag(FLAGS_streams_max)); }

void SetLimits(grpc::ServerBuilder& builder, int streams_max) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kTransportMaxBytes));
  builder.SetResourceQuota(ProcessQuota());
  // A message is checked against its limit before it is inflated, so none may be compressed.
  for (const grpc_compression_algorithm each : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(each, false);
  }
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(kTransportMetadataMaxBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, streams_max);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(kHandshakeMax));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(absl::GetFlag(FLAGS_connection_idle_max)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(absl::GetFlag(FLAGS_connection_age_max)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(kAgeGrace));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kKeepaliveTime));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Milliseconds(kPingIntervalMin));
}

std::size_t ReserveFiles(std::size_t ports) {
  const auto wanted = static_cast<std::size_t>(absl::GetFlag(FLAGS_connections_max));
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_NOFILE, &files);
  const std::size_t left = files.rlim_cur > kOtherFiles ? files.rlim_cur - kOtherFiles : 0;
  const std::size_t connections = std::clamp<std::size_t>(left / ports, 1, wanted);
  if (connections < wanted) {
    Log(Severity::kWarning, "fewer connections than --connections_max fit into the limit of open files",
        {{"connections_max", absl::StrCat(connections)}, {"open_files_max", absl::StrCat(files.rlim_cur)}});
  }
  return connections;
}

}  // namespace unwind
