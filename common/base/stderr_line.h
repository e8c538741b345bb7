// Lines to stderr that nobody waits for.
#ifndef UNWIND_COMMON_BASE_STDERR_LINE_H_
#define UNWIND_COMMON_BASE_STDERR_LINE_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace unwind {

// A pipe takes so much at once or nothing.
inline constexpr std::size_t kLineBytesMax = 4096;

// Writes `line`, which ends with a newline and has at most kLineBytesMax bytes, in one piece. False, and nothing is
// written, if stderr is a pipe, a terminal or a socket that would have to be waited for. Thread-safe.
bool WriteToStderr(absl::string_view line);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_STDERR_LINE_H_
