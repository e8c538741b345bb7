// What a follower reads of the saga whose end it follows (S17). Its paths `parent.*` are gathered into one message
// type, the follower's own: a tree of the names, whose leaves have the types of the fields that they are copied from.
// So a follower is checked and built like any definition, and needs its parent's definition no more once it is loaded.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_PARENT_TYPE_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_PARENT_TYPE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// The word that a follower's paths into its parent begin with.
inline constexpr char kParentRoot[] = "parent";

// The definitions among `candidates` that `file` follows; a finding for each name that is none of theirs.
std::vector<std::shared_ptr<const Definition>> FindParents(
    const DefinitionFile& file, const std::vector<std::shared_ptr<const Definition>>& candidates, Findings& findings);

// `descriptors` with what `parents` give the follower, and with the type of its `parent`. Findings for what a path
// leads to in none of them, or to fields of different types; such a path has no place in the type. INVALID_ARGUMENT if
// the types do not fit together.
absl::StatusOr<std::shared_ptr<const DescriptorSource>> WithParentType(
    const DefinitionFile& file, const std::vector<std::shared_ptr<const Definition>>& parents,
    const DescriptorSource& descriptors, Findings& findings);

// The type in a source that WithParentType made, or one that was stored; null if there is none.
const google::protobuf::Descriptor* FindParentType(const google::protobuf::DescriptorPool& pool);

// Whether `field` of such a type holds more of the tree, and is no leaf.
bool IsBetween(const google::protobuf::FieldDescriptor& field);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_PARENT_TYPE_H_
