// What can be said of a definition's text before it is read as YAML.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_TEXT_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_TEXT_H_

#include "absl/strings/string_view.h"
#include "common/base/findings.h"

namespace unwind {

// Whether the text is worth parsing: of a readable size, UTF-8 without control characters, every quote closed. If not,
// there is an error. A quoted text that goes on over the end of its line is a warning: most likely its quote is
// missing, and what YAML then makes of the file is hard to understand.
bool CheckText(absl::string_view yaml, Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_TEXT_H_
