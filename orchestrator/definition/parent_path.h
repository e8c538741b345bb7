// Where a path `parent.*` of a follower leads in one version of a parent (S17).
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_PARENT_PATH_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_PARENT_PATH_H_

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "orchestrator/core/follower.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/field_path.h"

namespace unwind {

// The names of a path, without `parent`.
using ParentPath = std::vector<std::string>;

// What they begin with, besides the names of steps.
inline constexpr char kParentId[] = "id";
inline constexpr char kParentFailure[] = "failure";
inline constexpr char kParentInputName[] = "input";

// By the words that stand behind parent.failure.
const std::map<std::string, ParentFailure>& ParentFailureFields();

// Along `fields` in the message `type`, which is the parent's input or the reply of a step.
struct ParentSource {
  int root = kParentInput;
  const google::protobuf::Descriptor* type = nullptr;  // null: the step's action is not known
  FieldPath fields;

  const google::protobuf::FieldDescriptor* field() const { return fields.empty() ? nullptr : fields.back(); }
};

// What the parent lacks, the word that it has not, and those that it has instead.
struct MissingInParent {
  std::string what;
  std::string word;
  std::vector<std::string> names;
};

// REQUIRES: the path is not empty, and neither the id nor of the failure.
std::variant<ParentSource, MissingInParent> FindInParent(const Definition& parent, const ParentPath& path);

// Of the same type, and with the same bytes for it.
bool AreAlike(const google::protobuf::FieldDescriptor& a, const google::protobuf::FieldDescriptor& b);
bool AreAlike(const ParentSource& a, const ParentSource& b);

// For people. REQUIRES: source.type is not null.
std::string TypeOf(const ParentSource& source);
std::string VersionOf(const Definition& definition);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_PARENT_PATH_H_
