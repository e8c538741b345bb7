#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "google/protobuf/descriptor.pb.h"
#include "orchestrator/definition/definition.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

// Every compiler brings its own edition of these files, alike in all that a saga uses: the first one stays.
bool IsWellKnown(const std::string& file) { return absl::StartsWith(file, "google/protobuf/"); }

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

// Builds `file` into `pool` after its imports.
absl::Status BuildFile(const Files& files, const std::string& file, std::set<std::string>& visited,
                       DescriptorPool& pool) {
  if (!visited.insert(file).second || pool.FindFileByName(file) != nullptr) return absl::OkStatus();
  const FileDescriptorProto& proto = files.at(file);
  for (const std::string& import : proto.dependency()) {
    if (!files.contains(import)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", file, "' imports '", import, "', which no set holds; make the set with --include_imports"));
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

// Adds the well-known files that are imported but not in any set: this program has them compiled in.
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

class PooledDescriptorSource final : public DescriptorSource {
 public:
  absl::Status Add(const std::string& name, absl::string_view bytes) override {
    // Options such as saga.v1.rules are understood while parsing, because they are compiled in.
    FileDescriptorSet set;
    if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::InvalidArgumentError(
          absl::StrCat("descriptor set '", name, "' is not a google.protobuf.FileDescriptorSet"));
    }
    Files files = files_;
    for (FileDescriptorProto& file : *set.mutable_file()) {
      file.clear_source_code_info();  // comments say nothing to a saga, and must not make two files differ
      const auto [it, added] = files.try_emplace(file.name(), file);
      if (added || IsWellKnown(file.name()) || it->second.SerializeAsString() == file.SerializeAsString()) continue;
      return absl::InvalidArgumentError(absl::StrCat("descriptor set '", name, "': '", file.name(),
                                                     "' differs from the one loaded before; load one version of it"));
    }
    AddMissingWellKnown(files);
    // A pool cannot forget a file, so a set that does not build must fail on a pool that is thrown away.
    DescriptorPool trial;
    absl::Status built = BuildAll(files, trial);
    if (built.ok()) built = BuildAll(files, pool_);
    if (!built.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("descriptor set '", name, "': ", built.message()));
    }
    files_ = std::move(files);
    return absl::OkStatus();
  }

  const DescriptorPool& pool() const override { return pool_; }

 private:
  Files files_;
  DescriptorPool pool_;
};

// Keeps the linker from dropping the registration of saga.v1.rules, on which parsing the options relies.
[[maybe_unused]] const auto& kRulesAreLinked = saga::v1::FieldRules::default_instance();

}  // namespace

std::shared_ptr<DescriptorSource> DescriptorSource::New() { return std::make_shared<PooledDescriptorSource>(); }

}  // namespace unwind
