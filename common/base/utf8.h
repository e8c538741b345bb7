// UTF-8, walked in one place. A protobuf string that is not UTF-8 serializes, but no peer can parse it.
#ifndef UNWIND_COMMON_BASE_UTF8_H_
#define UNWIND_COMMON_BASE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace unwind {

// The bytes of the well-formed character that `text` begins with (Unicode table 3-7); 0: it begins with none.
std::size_t Utf8CharacterBytes(absl::string_view text);

// The offset of the first byte that is no part of a well-formed character; npos: all of it is UTF-8.
std::size_t FindNotUtf8(absl::string_view text);

// No control character, and none that breaks or turns around a line: what a person reads of it is what it says.
bool IsPrintable(absl::string_view text);

// `text` as valid UTF-8 (a bad byte becomes '?') of at most `bytes_max` bytes, cut between characters.
std::string CleanText(absl::string_view text, std::size_t bytes_max);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_UTF8_H_
