// The `metadata:` of a step: what a definition adds to the metadata of the step's calls.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_CALL_METADATA_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_CALL_METADATA_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/findings.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/mapping.h"
#include "orchestrator/definition/message_types.h"
#include "orchestrator/definition/paths.h"

namespace unwind {

// Immutable. Thread-safe. The prototypes must outlive it.
class CallMetadata {
 public:
  struct StoredText {
    Root root;
    FieldPath path;  // of a string
  };
  struct Pair {
    std::string name;
    std::variant<std::string, StoredText, SagaField> value;  // a literal, or where it is read from
  };

  CallMetadata() = default;
  explicit CallMetadata(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}

  // The same for the same row. Values are printable ASCII of at most 256 bytes: other characters become '?', the rest
  // is cut; an empty one is left out. INTERNAL if a stored message does not parse.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Build(const Saga& saga) const;

 private:
  std::vector<Pair> pairs_;
};

// A value is a path to a string, which may be unset, or a literal.
CallMetadata CompileMetadata(const std::vector<std::pair<Text, Text>>& table, const Scope& scope, MessageTypes& types,
                             Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_CALL_METADATA_H_
