// A file descriptor that is closed with its owner.
#ifndef UNWIND_COMMON_BASE_FILE_DESCRIPTOR_H_
#define UNWIND_COMMON_BASE_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace unwind {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }

  bool ok() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }
  void Close() {
    if (ok()) close(Release());
  }

 private:
  int descriptor_ = -1;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_FILE_DESCRIPTOR_H_
