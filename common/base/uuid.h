// UUIDv7 (RFC 9562): ids that sort by the millisecond they were made in.
#ifndef UNWIND_COMMON_BASE_UUID_H_
#define UNWIND_COMMON_BASE_UUID_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace unwind {

// 36 characters, lower case. `random` gives 64 even bits at each call.
template <class Random>
std::string MakeUuidV7(absl::Time now, Random& random) {
  const auto millis = static_cast<std::uint64_t>(absl::ToUnixMillis(now)) & 0xffffffffffffULL;
  const std::uint64_t a = random();
  const std::uint64_t b = random();
  return absl::StrFormat("%08x-%04x-7%03x-%04x-%012x", millis >> 16, millis & 0xffff, a & 0xfff,
                         0x8000 | ((a >> 12) & 0x3fff), b & 0xffffffffffffULL);
}

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_UUID_H_
