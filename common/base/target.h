// Addresses that gRPC connects to, as flags and routes have them.
#ifndef UNWIND_COMMON_BASE_TARGET_H_
#define UNWIND_COMMON_BASE_TARGET_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace unwind {

// "orders.internal:7001", "[::1]:7001", "dns:///order:7001", "ipv4:10.0.0.1:80,10.0.0.2:80", "unix:/run/order.sock" and
// their like.
// INVALID_ARGUMENT says what is wrong. Nothing is resolved.
absl::Status CheckTarget(absl::string_view target);

// Whether this machine alone is meant, as far as can be told without resolving: a socket's path, localhost, an address
// of loopback; of a list, each of them.
bool IsLoopbackTarget(absl::string_view target);

// Whether it is a socket's path or one address, not a name, which may stand for several, or a list.
bool IsOneAddress(absl::string_view target);

// For CHECKED_FLAG: one that may be empty.
absl::Status CheckTargetOrNone(const std::string& target);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_TARGET_H_
