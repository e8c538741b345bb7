// Proof that bytes come from who shares a secret.
#ifndef UNWIND_COMMON_BASE_HMAC_H_
#define UNWIND_COMMON_BASE_HMAC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace unwind {

// The HMAC-SHA256 of `bytes` under `secret` in lower-case hexadecimal. Thread-safe.
std::string HexHmacSha256(absl::string_view secret, absl::string_view bytes);

// Whether they are equal, in a time that tells nothing of where they differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

inline constexpr std::size_t kSecretBytesMin = 16;
inline constexpr std::size_t kSecretBytesMax = 4096;

// What stands in the file at `path` but for space at both ends. INVALID_ARGUMENT, UNAVAILABLE: one sentence that begins
// with `flag`, and never has the secret in it.
absl::StatusOr<std::string> ReadSecretFile(absl::string_view flag, const std::string& path);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_HMAC_H_
