// How text stands in a column: as it is, so that a person can read it, but a backslash is doubled, a NUL is \0 and a
// byte that is not UTF-8 is \xHH. So every database and JSON can hold any bytes, and no two texts become one.
#ifndef UNWIND_ORCHESTRATOR_STORE_STORED_TEXT_H_
#define UNWIND_ORCHESTRATOR_STORE_STORED_TEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace unwind {

// Well-formed UTF-8 without a NUL.
std::string EncodeText(absl::string_view text);

// Nothing if EncodeText did not make it.
std::optional<std::string> DecodeText(absl::string_view stored);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_STORED_TEXT_H_
