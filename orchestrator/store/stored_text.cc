#include "orchestrator/store/stored_text.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/utf8.h"

namespace unwind {
std::string EncodeText(absl::string_view text) {
  std::string stored;
  stored.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = Utf8CharacterBytes(text);
    if (text[0] == '\\') {
      stored += "\\\\";
    } else if (text[0] == '\0') {
      stored += "\\0";
    } else if (length == 0) {
      absl::StrAppend(&stored, "\\x", absl::BytesToHexString(text.substr(0, 1)));
    } else {
      stored.append(text.data(), length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return stored;
}

std::optional<std::string> DecodeText(absl::string_view stored) {
  std::string text;
  text.reserve(stored.size());
  while (!stored.empty()) {
    if (stored[0] != '\\') {
      text.push_back(stored[0]);
      stored.remove_prefix(1);
    } else if (absl::ConsumePrefix(&stored, "\\\\")) {
      text.push_back('\\');
    } else if (absl::ConsumePrefix(&stored, "\\0")) {
      text.push_back('\0');
    } else if (stored.size() >= 4 && stored[1] == 'x' && absl::ascii_isxdigit(static_cast<unsigned char>(stored[2])) &&
               absl::ascii_isxdigit(static_cast<unsigned char>(stored[3]))) {
      text += absl::HexStringToBytes(stored.substr(2, 2));
      stored.remove_prefix(4);
    } else {
      return std::nullopt;
    }
  }
  return text;
}

}  // namespace unwind
