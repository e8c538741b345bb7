#include "common/base/utf8.h"

namespace unwind {

std::size_t Utf8CharacterBytes(absl::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  if (text.empty()) return 0;
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  unsigned low = 0x80;  // what the second byte may be: no overlong form, no surrogate, nothing past U+10FFFF
  unsigned high = 0xBF;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return size;
}

std::size_t FindNotUtf8(absl::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = Utf8CharacterBytes(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return absl::string_view::npos;
}

bool IsPrintable(absl::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    const absl::string_view character = text.substr(0, bytes);
    const auto first = static_cast<unsigned char>(text.front());
    const bool c0 = first < 0x20 || first == 0x7f;
    const bool c1 = bytes == 2 && character <= "\xc2\x9f";
    const bool line = bytes == 3 && character >= "\xe2\x80\xa8" && character <= "\xe2\x80\xae";     // LS to RLO
    const bool isolate = bytes == 3 && character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9";  // LRI to PDI
    if (bytes == 0 || c0 || c1 || line || isolate) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string CleanText(absl::string_view text, std::size_t bytes_max) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t size = Utf8CharacterBytes(text);
    const absl::string_view character = size == 0 ? "?" : text.substr(0, size);
    if (clean.size() + character.size() > bytes_max) break;
    clean.append(character.data(), character.size());
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return clean;
}

}  // namespace unwind
