#include "common/rpc/own_descriptors.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "google/protobuf/descriptor.pb.h"

namespace unwind {

std::string OwnDescriptorSet() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "unwind.protoset").string();
}

std::unique_ptr<DescribedFiles> DescribedFiles::Read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  if (!stream.is_open() || !set.ParseFromIstream(&stream)) return nullptr;
  auto described = std::make_unique<DescribedFiles>();
  for (const auto& file : set.file()) {
    const std::string bytes = file.SerializeAsString();
    if (!described->files_.AddCopy(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
  }
  return described;
}

}  // namespace unwind
