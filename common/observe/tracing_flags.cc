#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/checked_flag.h"
#include "common/base/target.h"
#include "common/observe/otlp_exporter.h"
#include "common/observe/tracer.h"
#include "common/rpc/channel.h"
#include "common/rpc/credentials.h"

namespace {

constexpr char kPlaintext[] = "http://", kTls[] = "https://";

absl::Status CheckEndpoint(const std::string& endpoint) {
  absl::string_view target = endpoint;
  if (target.empty()) return absl::OkStatus();
  if (!absl::ConsumePrefix(&target, kPlaintext) && !absl::ConsumePrefix(&target, kTls)) {
    return absl::InvalidArgumentError(
        "must be http://HOST:PORT or https://HOST:PORT, where a collector takes OTLP over gRPC (often 4317)");
  }
  return unwind::CheckTarget(target);
}

}  // namespace

CHECKED_FLAG(std::string, otlp_endpoint, "", CheckEndpoint,
             "Collector that spans are sent to, http://HOST:PORT in plaintext or https://HOST:PORT with this process's "
             "certificate (OTLP over gRPC); empty: no spans are made. It is never waited for.");

namespace unwind {

absl::StatusOr<std::unique_ptr<TracingScope>> TraceAsFlagsSay(absl::string_view service) {
  const std::string endpoint = absl::GetFlag(FLAGS_otlp_endpoint);
  if (endpoint.empty()) return std::unique_ptr<TracingScope>();
  absl::string_view target = endpoint;
  const bool is_tls = absl::ConsumePrefix(&target, kTls);
  if (is_tls && !SpeaksTls()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--otlp_endpoint=", endpoint, " needs --tls_cert, --tls_key and --tls_ca; without them give http://"));
  }
  absl::ConsumePrefix(&target, kPlaintext);
  const std::string address(target);
  return std::make_unique<TracingScope>(std::make_unique<OtlpExporter>(
      is_tls ? NewChannel(address) : NewPlaintextChannel(address), std::string(service)));
}

}  // namespace unwind
