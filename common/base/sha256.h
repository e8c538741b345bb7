// What makes two byte strings the same, in 64 characters.
#ifndef UNWIND_COMMON_BASE_SHA256_H_
#define UNWIND_COMMON_BASE_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"

namespace unwind {

// The SHA-256 of `bytes` in lower-case hexadecimal. Thread-safe.
std::string HexSha256(absl::string_view bytes);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_SHA256_H_
