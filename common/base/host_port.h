// HOST:PORT, as flags and routes have it.
#ifndef UNWIND_COMMON_BASE_HOST_PORT_H_
#define UNWIND_COMMON_BASE_HOST_PORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace unwind {

struct HostPort {
  std::string host;  // a name or an address; an IPv6 address without its brackets
  int port = 0;      // 0 to 65535
};

// Reads "127.0.0.1:7000", "orders.internal:7000" or "[::1]:7000". INVALID_ARGUMENT says what is wrong and how to write
// it. Nothing is resolved.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// For CHECKED_FLAG: an address to listen on, where port 0 means any free one; and one that may be empty.
absl::Status CheckListenAddress(const std::string& text);
absl::Status CheckListenAddressOrNone(const std::string& text);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_HOST_PORT_H_
