// Text from outside, made fit to be stored and sent on.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_TEXT_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace unwind {

// `text` as valid UTF-8 (a bad byte becomes '?') of at most `bytes_max` bytes, cut between characters. A protobuf
// string that is not UTF-8 serializes, but no peer can parse it.
std::string CleanText(absl::string_view text, std::size_t bytes_max);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_TEXT_H_
