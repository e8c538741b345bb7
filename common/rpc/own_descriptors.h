// The descriptors of what this repository's programs serve, with the comments that what is compiled in has not.
#ifndef UNWIND_COMMON_RPC_OWN_DESCRIPTORS_H_
#define UNWIND_COMMON_RPC_OWN_DESCRIPTORS_H_

#include <memory>
#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor_database.h"

namespace unwind {

// unwind.protoset, beside the folder of this program.
std::string OwnDescriptorSet();

// A pool over a descriptor set. It builds a file when somebody asks for it.
class DescribedFiles {
 public:
  // Null if there is no descriptor set in the file.
  static std::unique_ptr<DescribedFiles> Read(const std::string& path);

  const google::protobuf::DescriptorPool& pool() const { return pool_; }

 private:
  google::protobuf::EncodedDescriptorDatabase files_;
  google::protobuf::DescriptorPool pool_{&files_};
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_OWN_DESCRIPTORS_H_
