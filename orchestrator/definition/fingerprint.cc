#include "orchestrator/definition/fingerprint.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/sha256.h"
#include "google/protobuf/descriptor.pb.h"
#include "orchestrator/definition/definition_file.h"
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

// One text for all files that hold the same values. Lengths stand before what could be read in two ways.
std::string Canonical(const YAML::Node& node) {
  std::vector<std::string> parts;
  if (node.IsMap()) {
    for (const auto& entry : node) {
      parts.push_back(absl::StrCat(Canonical(entry.first), Canonical(entry.second)));
    }
    std::sort(parts.begin(), parts.end());
    return absl::StrCat("{", absl::StrJoin(parts, ""), "}");
  }
  if (node.IsSequence()) {
    for (const YAML::Node& element : node) parts.push_back(Canonical(element));
    return absl::StrCat("[", absl::StrJoin(parts, ""), "]");
  }
  return absl::StrCat(node.Tag() == "!" ? "\"" : "", node.Scalar().size(), ":", node.Scalar(), " ");
}

}  // namespace

std::string MinimalDescriptorSet(const std::vector<const google::protobuf::MethodDescriptor*>& methods) {
  google::protobuf::FileDescriptorSet set;
  std::set<std::string> added;
  // A method's messages are in its own file or in one it imports.
  for (const auto* method : methods) AddFile(*method->file(), added, set);
  return set.SerializeAsString();
}

std::string Fingerprint(absl::string_view yaml, const std::vector<const google::protobuf::MethodDescriptor*>& methods) {
  YAML::Node file = YAML::Load(std::string(yaml));
  file.remove(kDescriptorsKey);  // where the types were found says nothing about them
  std::string text = Canonical(file);
  for (const std::string& fact : FactsOfMethods(methods)) absl::StrAppend(&text, "\n", fact);
  return HexSha256(text);
}

}  // namespace unwind
