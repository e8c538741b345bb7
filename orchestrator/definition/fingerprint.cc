#include "orchestrator/definition/fingerprint.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "google/protobuf/descriptor.pb.h"

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

}  // namespace

std::string MinimalDescriptorSet(const std::vector<const google::protobuf::MethodDescriptor*>& methods) {
  google::protobuf::FileDescriptorSet set;
  std::set<std::string> added;
  // A method's messages are in its own file or in one it imports.
  for (const auto* method : methods) AddFile(*method->file(), added, set);
  return set.SerializeAsString();
}

std::string Fingerprint(absl::string_view yaml, absl::string_view descriptors) {
  // The length keeps the two apart: no other pair joins to the same bytes.
  return HexSha256(absl::StrCat(yaml.size(), "\n", yaml, descriptors));
}

}  // namespace unwind
