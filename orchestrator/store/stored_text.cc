#include "orchestrator/store/stored_text.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

// The length of the well-formed UTF-8 sequence at the front of `text`, or 0 if there is none.
std::size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  if (within(0, 0x00, 0x7f)) return 1;
  if (within(0, 0xc2, 0xdf)) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (within(0, 0xe0, 0xef)) {
    const bool second = within(1, byte(0) == 0xe0 ? 0xa0 : 0x80, byte(0) == 0xed ? 0x9f : 0xbf);
    return second && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (within(0, 0xf0, 0xf4)) {
    const bool second = within(1, byte(0) == 0xf0 ? 0x90 : 0x80, byte(0) == 0xf4 ? 0x8f : 0xbf);
    return second && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string EncodeText(absl::string_view text) {
  std::string stored;
  stored.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
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
