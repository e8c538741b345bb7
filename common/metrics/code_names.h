// The status codes as go-grpc-prometheus spells them in the label grpc_code.
#ifndef UNWIND_COMMON_METRICS_CODE_NAMES_H_
#define UNWIND_COMMON_METRICS_CODE_NAMES_H_

#include <array>
#include <cstddef>

namespace unwind {

// By google.rpc.Code.
inline constexpr std::array<const char*, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// Where a code is counted: one that gRPC does not know counts as Unknown.
inline constexpr std::size_t CodeIndex(int code) {
  return code >= 0 && code < static_cast<int>(kCodeNames.size()) ? static_cast<std::size_t>(code) : 2;
}

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_CODE_NAMES_H_
