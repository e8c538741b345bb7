#include "orchestrator/participants/call_failure.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/base/utf8.h"
#include "common/rpc/error.h"
#include "google/rpc/error_details.pb.h"

namespace unwind {
namespace {

constexpr std::size_t kMessageBytesMax = 1024;
constexpr std::size_t kReasonBytesMax = 63;
constexpr std::size_t kDomainBytesMax = 253;
constexpr std::size_t kMetadataEntriesMax = 16;
constexpr std::size_t kMetadataBytesMax = 2048;  // in base64 and twice in the trailers, well below gRPC's 8 KiB
constexpr std::size_t kMetadataKeyBytesMax = 64;
constexpr std::size_t kMetadataValueBytesMax = 512;

constexpr int kCodeMax = grpc::StatusCode::UNAUTHENTICATED;

constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";

// "field: what is wrong; ..." of the BadRequest, empty if there is none.
std::string FieldViolations(const absl::Status& status) {
  const auto payload = status.GetPayload(kBadRequestUrl);  // an absl::optional, which is not the std one
  google::rpc::BadRequest bad_request;
  if (!payload.has_value() || !bad_request.ParseFromString(std::string(*payload))) return "";
  std::string text;
  for (const auto& violation : bad_request.field_violations()) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", violation.field(), ": ", violation.description());
    if (text.size() > kMetadataValueBytesMax) break;
  }
  return text;
}

}  // namespace

Failure ReadFailure(const grpc::Status& status) {
  Failure failure;
  if (status.ok()) return failure;
  const bool is_known = status.error_code() > 0 && status.error_code() <= kCodeMax;
  failure.code = is_known ? status.error_code() : grpc::StatusCode::UNKNOWN;
  const absl::Status detailed = FromGrpc(status);
  const ErrorInfo info = GetErrorInfo(detailed);
  failure.reason = CleanText(info.reason, kReasonBytesMax);
  failure.domain = CleanText(info.domain, kDomainBytesMax);
  failure.message = CleanText(status.error_message(), kMessageBytesMax);
  if (!is_known)
    failure.message = absl::StrCat("grpc-status ", static_cast<int>(status.error_code()), ": ", failure.message);
  if (const std::string violations = FieldViolations(detailed); !violations.empty()) {
    failure.metadata["field_violations"] = CleanText(violations, kMetadataValueBytesMax);
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : info.metadata) {
    bytes += std::min(key.size(), kMetadataKeyBytesMax) + std::min(value.size(), kMetadataValueBytesMax);
    if (failure.metadata.size() == kMetadataEntriesMax || bytes > kMetadataBytesMax) break;
    failure.metadata.emplace(CleanText(key, kMetadataKeyBytesMax), CleanText(value, kMetadataValueBytesMax));
  }
  return failure;
}

}  // namespace unwind
