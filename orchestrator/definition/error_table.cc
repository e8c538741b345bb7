#include "orchestrator/definition/error_table.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/definition/compiled_definition.h"
#include "orchestrator/definition/values.h"

namespace unwind {

std::map<std::string, int> ReadErrors(const decltype(DefinitionFile::errors)& table, Findings& findings) {
  std::map<std::string, int> errors;
  for (const auto& [reason, code_name] : table) {
    if (!IsReason(reason.value)) {
      findings.Add(reason.line, absl::StrCat("'", reason.value, "' is not a reason"),
                   "write it as services do in ErrorInfo: upper case, digits and _, at most 63 characters");
    }
    std::optional<int> code = ReadErrorCode(code_name, findings);
    if (code.has_value() && BidsRepeat(static_cast<absl::StatusCode>(*code))) {
      findings.Refuse(code_name.line,
                      absl::StrCat(code_name.value,
                                   " tells the caller to repeat the call, and an aborted saga would"
                                   " give the same answer for ever"),
                      "use ABORTED: the caller may try again under another key");
      code = static_cast<int>(absl::StatusCode::kAborted);  // of a stored definition
    }
    if (code.has_value()) errors[reason.value] = *code;
  }
  return errors;
}

}  // namespace unwind
