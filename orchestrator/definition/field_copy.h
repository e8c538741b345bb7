// Copies fields between serialized messages by their numbers, without knowing their types.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FIELD_COPY_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FIELD_COPY_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace unwind {

// Appends to `to`, a serialized message, the field that `source` leads to in `from`, as the field that `target` leads
// to; nothing if it is not set. All but the last of a path are singular messages; the empty source is `from` itself.
// False if `from` is no message. REQUIRES: `target` is not empty.
bool CopyFieldBytes(absl::string_view from, const std::vector<int>& source, const std::vector<int>& target,
                    std::string& to);

// Appends the field `number` with `value`, a text or a message.
void AppendField(int number, absl::string_view value, std::string& to);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FIELD_COPY_H_
