#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/checked_flag.h"
#include "common/base/target.h"
#include "common/observe/otlp_exporter.h"
#include "common/observe/tracer.h"
#include "common/rpc/channel.h"

namespace {

constexpr char kPlaintext[] = "http://";

absl::Status CheckEndpoint(const std::string& endpoint) {
  absl::string_view target = endpoint;
  if (target.empty()) return absl::OkStatus();
  if (!absl::ConsumePrefix(&target, kPlaintext)) {
    return absl::InvalidArgumentError("must be http://HOST:PORT, where a collector takes OTLP over gRPC (often 4317)");
  }
  return unwind::CheckTarget(target);
}

}  // namespace

CHECKED_FLAG(
    std::string, otlp_endpoint, "", CheckEndpoint,
    "Collector that spans are sent to, http://HOST:PORT (OTLP over gRPC); empty: no spans are made. It is never "
    "waited for.");

namespace unwind {

std::unique_ptr<TracingScope> TraceAsFlagsSay(absl::string_view service) {
  const std::string endpoint = absl::GetFlag(FLAGS_otlp_endpoint);
  if (endpoint.empty()) return nullptr;
  const std::string target(absl::StripPrefix(endpoint, kPlaintext));
  return std::make_unique<TracingScope>(
      std::make_unique<OtlpExporter>(NewPlaintextChannel(target), std::string(service)));
}

}  // namespace unwind
