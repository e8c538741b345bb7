#include "common/rpc/unary.h"

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/checked_flag.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/metrics/code_names.h"
#include "common/metrics/registry.h"
#include "common/rpc/caller.h"
#include "common/rpc/caller_fields.h"
#include "common/rpc/limits.h"
#include "common/rpc/validate.h"
#include "grpc/support/time.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"

RANGED_FLAG(std::uint32_t, message_max_bytes, 256 << 10, 1, unwind::kTransportMaxBytes,
            "Largest request that is accepted, in bytes; beyond a MiB gRPC itself answers RESOURCE_EXHAUSTED, without "
            "details.");

namespace unwind {
namespace {

constexpr std::int64_t kFarFutureSeconds = std::int64_t{1} << 33;  // the year 2242

const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* const buckets =
      new prometheus::Histogram::BucketBoundaries{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
  return *buckets;
}

}  // namespace

// The series of one method; its codes are added as they occur.
struct CallCounter::Method {
  explicit Method(const std::map<std::string, std::string>& labels)
      : started(prometheus::BuildCounter()
                    .Name("grpc_server_started_total")
                    .Help("Calls started on the server.")
                    .Register(*ProcessRegistry())
                    .Add(labels)),
        seconds(prometheus::BuildHistogram()
                    .Name("grpc_server_handling_seconds")
                    .Help("Time from a call's start to its end.")
                    .Register(*ProcessRegistry())
                    .Add(labels, Buckets())) {
    auto& family = prometheus::BuildCounter()
                       .Name("grpc_server_handled_total")
                       .Help("Calls ended on the server, by code.")
                       .Register(*ProcessRegistry());
    for (std::size_t code = 0; code < kCodeNames.size(); ++code) {
      std::map<std::string, std::string> with_code = labels;
      with_code["grpc_code"] = kCodeNames[code];
      handled[code] = &family.Add(with_code);
    }
  }

  prometheus::Counter& started;
  prometheus::Histogram& seconds;
  std::array<prometheus::Counter*, kCodeNames.size()> handled;
};

namespace {

// Of metadata that say which call this is there may be one value only, or proxies and services would act on different
// ones.
absl::Status CheckMetadata(const grpc::CallbackServerContext& context, absl::string_view domain) {
  const auto& metadata = context.client_metadata();
  for (auto it = metadata.begin(), next = it; it != metadata.end(); it = next) {
    ++next;
    const absl::string_view name(it->first.data(), it->first.size());
    const bool repeated = next != metadata.end() && next->first == it->first && next->second != it->second;
    if (repeated && (name == "idempotency-key" || absl::StartsWith(name, "saga-"))) {
      return MakeBadRequest(domain, {{std::string(name), "is given twice, with different values; send it once"}});
    }
  }
  return absl::OkStatus();
}

std::size_t MetadataBytes(const grpc::CallbackServerContext& context) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : context.client_metadata()) bytes += name.size() + value.size();
  return bytes;
}

CallCounter::Method* MethodOf(absl::string_view path) {
  static auto* const mutex = new std::mutex;
  static auto* const methods = new std::map<std::string, std::unique_ptr<CallCounter::Method>, std::less<>>;
  const std::string key(path);
  std::lock_guard lock(*mutex);
  std::unique_ptr<CallCounter::Method>& method = (*methods)[key];
  if (method == nullptr) {
    const std::vector<std::string> parts = absl::StrSplit(key, '/');
    method = std::make_unique<CallCounter::Method>(
        std::map<std::string, std::string>{{"grpc_type", "unary"},
                                           {"grpc_service", parts.size() == 3 ? parts[1] : "unknown"},
                                           {"grpc_method", parts.size() == 3 ? parts[2] : "unknown"}});
  }
  return method.get();
}

}  // namespace

CallCounter::CallCounter(absl::string_view path) : method_(MethodOf(path)), started_(SteadyNow()) {
  method_->started.Increment();
}

void CallCounter::Finish(absl::StatusCode code) {
  method_->handled[CodeIndex(static_cast<int>(code))]->Increment();
  method_->seconds.Observe(absl::ToDoubleSeconds(SteadyNow() - started_));
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  if (deadline.tv_sec >= kFarFutureSeconds) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(deadline.tv_sec) + absl::Nanoseconds(deadline.tv_nsec);
}

void AddPushback(grpc::ServerContextBase& context, const absl::Status& status) {
  const absl::Duration delay = GetRetryAfter(status);
  if (delay == absl::ZeroDuration()) return;
  context.AddTrailingMetadata("grpc-retry-pushback-ms", absl::StrCat(absl::ToInt64Milliseconds(delay)));
}

std::size_t MessageBytesMax() { return absl::GetFlag(FLAGS_message_max_bytes); }

absl::Status CheckCall(const grpc::CallbackServerContext& context, const google::protobuf::Message& request,
                       absl::string_view domain, FieldRules rules) {
  RETURN_IF_ERROR(AdmissionOf(context).status);
  if (DeadlineOf(context) <= absl::Now()) {
    return MakeError(absl::StatusCode::kDeadlineExceeded,
                     "the call's deadline had passed when it arrived; nothing was done",
                     {.reason = "DEADLINE_PASSED", .domain = std::string(domain), .metadata = {}});
  }
  if (const std::size_t size = MetadataBytes(context); size > kMetadataMaxBytes) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("the call has ", size, " bytes of metadata; at most ", kMetadataMaxBytes, " are accepted"),
        {.reason = "METADATA_TOO_LARGE",
         .domain = std::string(domain),
         .metadata = {{"bytes", absl::StrCat(size)}, {"bytes_max", absl::StrCat(kMetadataMaxBytes)}}});
  }
  RETURN_IF_ERROR(CheckMetadata(context, domain));
  const std::size_t limit = MessageBytesMax();
  if (const std::size_t size = request.ByteSizeLong(); size > limit) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("the request has ", size, " bytes; at most ", limit, " are accepted"),
                     {.reason = "MESSAGE_TOO_LARGE",
                      .domain = std::string(domain),
                      .metadata = {{"bytes", absl::StrCat(size)}, {"bytes_max", absl::StrCat(limit)}}});
  }
  if (rules == FieldRules::kApply) RETURN_IF_ERROR(Validate(request, domain));
  return CheckCallerFields(request, AdmissionOf(context).principal, domain);
}

}  // namespace unwind
