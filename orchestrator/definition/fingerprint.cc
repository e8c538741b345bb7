#include "orchestrator/definition/fingerprint.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/sha256.h"
#include "google/protobuf/descriptor.pb.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/parent_type.h"
#include "orchestrator/definition/paths.h"
#include "orchestrator/definition/quoted.h"
#include "orchestrator/definition/type_facts.h"

namespace unwind {
namespace {

using google::protobuf::FileDescriptor;

void AddFile(const FileDescriptor& file, std::set<std::string>& added, google::protobuf::FileDescriptorSet& set) {
  if (!added.insert(file.name()).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, set);
  auto& proto = *set.add_file();
  file.CopyTo(&proto);
  file.CopyJsonNameTo(&proto);
}

// Of the root and of a step: what is below reads paths and gives literals. All other scalars are names and numbers.
constexpr absl::string_view kMappings[] = {"request", "compensation_request", "resolve_request", "response", "when",
                                           "metadata"};

// One text for all files that hold the same values, however their scalars are written. Lengths stand before what could
// be read in two ways.
class Canon {
 public:
  explicit Canon(const YAML::Node& file) {
    for (const YAML::Node& step : file["steps"]) scope_.steps.push_back({step["name"].Scalar(), nullptr});
    if (file["follows"].IsDefined()) scope_.root = kParentRoot;
  }

  std::string Of(const YAML::Node& node, bool is_mapped = false) const {
    if (node.IsMap()) return OfMap(node, is_mapped);
    if (!node.IsSequence()) return OfScalar(node, is_mapped);
    std::string text = "[";
    for (const YAML::Node& element : node) absl::StrAppend(&text, Of(element, is_mapped));
    return absl::StrCat(text, "]");
  }

 private:
  std::string OfMap(const YAML::Node& node, bool is_mapped) const {
    std::vector<std::string> parts;
    for (const auto& entry : node) {
      const std::string& key = entry.first.Scalar();
      const bool begins = std::find(std::begin(kMappings), std::end(kMappings), key) != std::end(kMappings);
      parts.push_back(absl::StrCat(OfScalar(entry.first, false), Of(entry.second, is_mapped || begins)));
    }
    std::sort(parts.begin(), parts.end());
    return absl::StrCat("{", absl::StrJoin(parts, ""), "}");
  }

  std::string OfScalar(const YAML::Node& node, bool is_mapped) const {
    const std::string& value = node.Scalar();
    const bool is_literal = is_mapped && !IsPath({value, 1, IsQuoted(node)}, scope_);
    return absl::StrCat(is_literal ? "\"" : "", value.size(), ":", value, " ");
  }

  Scope scope_;  // the steps' names
};

// The names, numbers and types, and nothing that a new version of the parent may change without harm, such as limits.
void AddTypes(const google::protobuf::Descriptor& parent, std::string& text) {
  for (int i = 0; i < parent.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *parent.field(i);
    absl::StrAppend(&text, "\nparent ", field.full_name(), " = ", field.number(), " ", TypeName(field));
  }
  for (int i = 0; i < parent.nested_type_count(); ++i) AddTypes(*parent.nested_type(i), text);
}

}  // namespace

std::string MinimalDescriptorSet(const std::vector<const google::protobuf::MethodDescriptor*>& methods,
                                 const google::protobuf::Descriptor* parent) {
  google::protobuf::FileDescriptorSet set;
  std::set<std::string> added;
  if (parent != nullptr) AddFile(*parent->file(), added, set);
  // A method's messages are in its own file or in one it imports.
  for (const auto* method : methods) AddFile(*method->file(), added, set);
  return set.SerializeAsString();
}

std::string Fingerprint(absl::string_view yaml, const std::vector<const google::protobuf::MethodDescriptor*>& methods,
                        const google::protobuf::Descriptor* parent) {
  YAML::Node file = YAML::Load(std::string(yaml));
  file.remove(kDescriptorsKey);  // where the types were found says nothing about them
  std::string text = Canon(file).Of(file);
  for (const std::string& fact : FactsOfMethods(methods)) absl::StrAppend(&text, "\n", fact);
  if (parent != nullptr) AddTypes(*parent, text);
  return HexSha256(text);
}

}  // namespace unwind
