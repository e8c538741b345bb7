#include "payment_svc/webhook_signature.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/hmac.h"

namespace unwind::payment {
namespace {

constexpr std::size_t kSecondsDigitsMax = 12;

bool IsDigits(absl::string_view text) {
  return !text.empty() && text.size() <= kSecondsDigitsMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
}

}  // namespace

bool IsSigned(absl::string_view signature, absl::string_view body, const std::vector<std::string>& secrets,
              absl::Time now) {
  if (!absl::ConsumePrefix(&signature, "t=")) return false;
  const std::size_t comma = signature.find(",v1=");
  if (comma == absl::string_view::npos) return false;
  const absl::string_view seconds = signature.substr(0, comma);
  const absl::string_view hex = signature.substr(comma + 4);
  std::int64_t time = 0;
  if (!IsDigits(seconds) || !absl::SimpleAtoi(seconds, &time)) return false;
  const absl::Duration age = now - absl::FromUnixSeconds(time);
  if (age > kSignatureAgeMax || age < -kSignatureAgeMax) return false;
  const std::string text = absl::StrCat(seconds, ".", body);
  bool is_signed = false;
  for (const std::string& secret : secrets) {
    is_signed = EqualInConstantTime(hex, HexHmacSha256(secret, text)) || is_signed;
  }
  return is_signed;
}

}  // namespace unwind::payment
