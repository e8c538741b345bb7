// Descriptors that definitions are checked against.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SOURCE_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SOURCE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace unwind {

// One descriptor set in a pool of its own, with its comments. Immutable and thread-safe.
class DescriptorSource {
 public:
  // `bytes` is a serialized FileDescriptorSet with its imports, in any order; google/protobuf/*.proto need not be in
  // it. `name` is the file it came from. INVALID_ARGUMENT names the set, the file and what does not resolve.
  static absl::StatusOr<std::shared_ptr<const DescriptorSource>> Build(const std::string& name,
                                                                       absl::string_view bytes);

  // One of all `files`, which may be of several pools, and of what they import, and of `own`, which may import from
  // them all; `name` is what it is for. Of a file that is there in two editions the one that declares all that the
  // other does is taken. INVALID_ARGUMENT names a file if neither edition does.
  static absl::StatusOr<std::shared_ptr<const DescriptorSource>> Join(
      const std::string& name, const std::vector<const google::protobuf::FileDescriptor*>& files,
      const google::protobuf::FileDescriptorProto* own = nullptr);

  const std::string& name() const { return name_; }
  const google::protobuf::DescriptorPool& pool() const { return pool_; }

 private:
  explicit DescriptorSource(std::string name) : name_(std::move(name)) {}

  const std::string name_;
  google::protobuf::DescriptorPool pool_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SOURCE_H_
