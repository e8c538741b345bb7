#include "orchestrator/definition/descriptor_source.h"

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "google/protobuf/descriptor.pb.h"
#include "orchestrator/definition/type_facts.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

class BuildErrors : public DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& filename, const std::string& element, const google::protobuf::Message*,
                ErrorLocation, const std::string& message) override {
    errors_.push_back(absl::StrCat(filename, ": ", element, ": ", message));
  }
  std::string ToString() const { return absl::StrJoin(errors_, "; "); }

 private:
  std::vector<std::string> errors_;
};

using Files = std::map<std::string, FileDescriptorProto>;

// Whatever compiler made a set brought its own edition of these, the same in all that a saga's messages use.
bool IsWellKnown(const std::string& file) { return absl::StartsWith(file, "google/protobuf/"); }

// Builds `file` into `pool` after its imports.
absl::Status BuildFile(const Files& files, const std::string& file, std::set<std::string>& visited,
                       DescriptorPool& pool) {
  if (!visited.insert(file).second) return absl::OkStatus();
  const FileDescriptorProto& proto = files.at(file);
  for (const std::string& import : proto.dependency()) {
    if (!files.contains(import)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", file, "' imports '", import, "', which is not in it; make the set with --include_imports"));
    }
    RETURN_IF_ERROR(BuildFile(files, import, visited, pool));
  }
  BuildErrors errors;
  if (pool.BuildFileCollectingErrors(proto, &errors) == nullptr) return absl::InvalidArgumentError(errors.ToString());
  return absl::OkStatus();
}

absl::Status BuildAll(const Files& files, DescriptorPool& pool) {
  std::set<std::string> visited;
  for (const auto& [name, file] : files) RETURN_IF_ERROR(BuildFile(files, name, visited, pool));
  return absl::OkStatus();
}

// Adds the well-known files that are imported but not in the set: this program has them compiled in.
void AddMissingWellKnown(Files& files) {
  std::vector<std::string> missing;
  for (const auto& [name, file] : files) {
    for (const std::string& import : file.dependency()) {
      if (IsWellKnown(import) && !files.contains(import)) missing.push_back(import);
    }
  }
  for (const std::string& name : missing) {
    const auto* known = DescriptorPool::generated_pool()->FindFileByName(name);
    if (known != nullptr) known->CopyTo(&files[name]);
  }
  if (!missing.empty() && files.contains(missing.front())) AddMissingWellKnown(files);
}

// Takes `file` and its imports into `taken`, each in its fullest edition.
absl::Status Take(const FileDescriptor& file, std::map<std::string, const FileDescriptor*>& taken,
                  std::set<const FileDescriptor*>& visited) {
  if (!visited.insert(&file).second) return absl::OkStatus();
  const auto [it, is_new] = taken.try_emplace(file.name(), &file);
  if (!is_new) {
    const TypeFacts there = FactsOfFile(*it->second), here = FactsOfFile(file);
    if (Covers(here, there) && !Covers(there, here)) {
      it->second = &file;
    } else if (!Covers(there, here) && !IsWellKnown(file.name())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", file.name(), "' is there in two editions, and each declares what the other does not, such as ",
          FirstMissing(there, here)));
    }
  }
  for (int i = 0; i < file.dependency_count(); ++i) RETURN_IF_ERROR(Take(*file.dependency(i), taken, visited));
  return absl::OkStatus();
}

// Keeps the linker from dropping the registration of saga.v1.rules: options are understood while a set is parsed.
[[maybe_unused]] const auto& kRulesAreLinked = saga::v1::FieldRules::default_instance();

}  // namespace

absl::StatusOr<std::shared_ptr<const DescriptorSource>> DescriptorSource::Build(const std::string& name,
                                                                                absl::string_view bytes) {
  FileDescriptorSet set;
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor set '", name, "' is not a google.protobuf.FileDescriptorSet"));
  }
  Files files;
  for (FileDescriptorProto& file : *set.mutable_file()) {
    std::string file_name = file.name();
    const auto [it, is_new] = files.try_emplace(std::move(file_name), std::move(file));
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat("descriptor set '", name, "' holds '", it->first, "' twice"));
    }
  }
  AddMissingWellKnown(files);
  std::shared_ptr<DescriptorSource> source(new DescriptorSource(name));
  if (const absl::Status built = BuildAll(files, source->pool_); !built.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("descriptor set '", name, "': ", built.message()));
  }
  return source;
}

absl::StatusOr<std::shared_ptr<const DescriptorSource>> DescriptorSource::Join(
    const std::string& name, const std::vector<const FileDescriptor*>& files, const FileDescriptorProto* own) {
  std::map<std::string, const FileDescriptor*> taken;
  std::set<const FileDescriptor*> visited;
  for (const FileDescriptor* file : files) RETURN_IF_ERROR(Take(*file, taken, visited));
  FileDescriptorSet set;
  for (const auto& [file_name, file] : taken) {
    FileDescriptorProto& proto = *set.add_file();
    file->CopyTo(&proto);
    file->CopyJsonNameTo(&proto);
    file->CopySourceCodeInfoTo(&proto);
  }
  if (own != nullptr) *set.add_file() = *own;
  return Build(name, set.SerializeAsString());
}

}  // namespace unwind
