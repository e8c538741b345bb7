// A definition file as it stands: every word with its line, nothing looked up yet.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_FILE_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_FILE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/findings.h"

namespace unwind {

// A scalar. Line 0: the file does not give it.
struct Text {
  std::string value;
  int line = 0;
  bool quoted = false;  // so it is a literal, even if it looks like a path

  bool given() const { return line != 0; }
};

struct FieldText;

// A right-hand side: a scalar, `first_of: [...]`, or a nested map that builds a message.
struct ValueText {
  int line = 0;
  Text text;
  std::vector<Text> first_of;
  bool is_message = false;
  std::vector<FieldText> fields;
};

struct FieldText {
  Text name;
  ValueText value;
};

// A request or a response. Line 0: the file does not give it.
struct MappingText {
  int line = 0;
  std::vector<FieldText> fields;

  bool given() const { return line != 0; }
};

struct StepText {
  int line = 0;
  Text name;
  Text kind;
  Text action;
  MappingText request;
  Text compensation;
  MappingText compensation_request;
  Text resolve;
  MappingText resolve_request;
  Text attempts;
  Text backoff;
  Text cap;
  Text timeout;
  int pending_line = 0;  // 0: not given, then it does not wait
  Text poll;
  Text poll_cap;
  Text wait_for;
  int after_line = 0;  // 0: not given, then it is the step above
  std::vector<Text> after;
  Text when;
  std::vector<std::pair<Text, Text>> outcomes;
  std::vector<std::pair<Text, Text>> metadata;
};

// The top-level key that names descriptor sets.
inline constexpr char kDescriptorsKey[] = "descriptors";

struct DefinitionFile {
  Text saga;
  Text version;
  Text serves;
  int follows_line = 0;       // 0: not given
  std::vector<Text> follows;  // definitions
  Text on;                    // how they end
  std::vector<Text> reasons;  // of `on: { aborted: [...] }`
  Text key;
  Text key_required;
  Text deadline;
  Text refusals_max;
  int answer_line = 0;  // 0: not given
  Text answer_at;
  Text answer_after;
  MappingText early_response;
  std::vector<Text> descriptors;  // file names of the sets to look in; empty: all
  std::vector<StepText> steps;
  MappingText response;
  std::vector<std::pair<Text, Text>> errors;

  bool is_follower() const { return follows_line != 0; }
};

// Reads YAML. Syntax, unknown and repeated keys, missing ones and values of the wrong shape are findings.
DefinitionFile ReadDefinitionFile(absl::string_view yaml, Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_FILE_H_
