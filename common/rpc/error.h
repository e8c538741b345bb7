// Errors as absl::Status that carry google.rpc details, and their way to and from gRPC.
//
// A detail travels as a Status payload: type URL "type.googleapis.com/google.rpc.ErrorInfo" and so on, serialized. So
// domain code needs only absl::Status, and grpc::Status exists only at the edge.
#ifndef UNWIND_COMMON_RPC_ERROR_H_
#define UNWIND_COMMON_RPC_ERROR_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace unwind {

struct ErrorInfo {
  std::string reason;  // UPPER_SNAKE_CASE, at most 63 characters
  std::string domain;  // such as "stock.shop.unwind"
  std::map<std::string, std::string> metadata;

  bool operator==(const ErrorInfo&) const = default;
};

struct FieldViolation {
  std::string field;  // path, such as "items[1].quantity"
  std::string description;
};

absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorInfo& info);

// INVALID_ARGUMENT, reason INVALID_REQUEST, with a BadRequest naming the fields: the first 16, so that the answer fits
// into trailers; how many there are is the ErrorInfo's metadata `violations`.
absl::Status MakeBadRequest(absl::string_view domain, const std::vector<FieldViolation>& violations);

// Adds a RetryInfo to `status`.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);

// What the RetryInfo of `status` asks for, never negative; zero if it carries none.
absl::Duration GetRetryAfter(const absl::Status& status);

// The ErrorInfo that `status` carries; empty fields if none.
ErrorInfo GetErrorInfo(const absl::Status& status);

// All payloads become details of the grpc-status-details-bin trailer, and back. A message over 1 KiB is cut.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// The serialized google.rpc.Status of `status`, and back; how a refusal is stored so that a repeat gets the same bytes.
std::string SerializeStatus(const absl::Status& status);
absl::Status ParseStatus(absl::string_view bytes);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_ERROR_H_
