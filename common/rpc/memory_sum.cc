#include "common/rpc/memory_sum.h"

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "common/metrics/registry.h"
#include "prometheus/gauge.h"

ABSL_DECLARE_FLAG(int, connections_max);
ABSL_DECLARE_FLAG(int, streams_max);
ABSL_DECLARE_FLAG(int, grpc_memory_max_mib);

namespace unwind {
namespace {

constexpr std::size_t kCallBytes = 20 << 10;
constexpr std::size_t kOfQuota = 2;  // gRPC ends calls only once it is exceeded

}  // namespace

std::size_t MemoryOfCallsIn(std::size_t ports) {
  const auto connections = static_cast<std::size_t>(absl::GetFlag(FLAGS_connections_max));
  const auto streams = static_cast<std::size_t>(absl::GetFlag(FLAGS_streams_max));
  const auto quota = static_cast<std::size_t>(absl::GetFlag(FLAGS_grpc_memory_max_mib)) << 20;
  return ports * connections * streams * kCallBytes + kOfQuota * quota;
}

void ExportMemorySum(std::size_t sum) {
  prometheus::BuildGauge()
      .Name("memory_limits_bytes")
      .Help("The sum of the limits of what the process may take above what it takes at rest.")
      .Register(*ProcessRegistry())
      .Add({})
      .Set(static_cast<double>(sum));
}

}  // namespace unwind
