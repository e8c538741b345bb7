#include "common/base/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace unwind {

std::string HexHmacSha256(absl::string_view secret, absl::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data(), &size) != nullptr);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::StatusOr<std::string> ReadSecretFile(absl::string_view flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kSecretBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) {
    return absl::UnavailableError(absl::StrCat("--", flag, ": \"", path, "\" cannot be read"));
  }
  if (text.size() > kSecretBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, ": \"", path, "\" must have at most ", kSecretBytesMax, " bytes"));
  }
  absl::StripAsciiWhitespace(&text);
  if (text.size() < kSecretBytesMin) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the secret in \"", path, "\" must have at least ",
                                                   kSecretBytesMin, " bytes; make one by `openssl rand -hex 32`"));
  }
  return text;
}

}  // namespace unwind
