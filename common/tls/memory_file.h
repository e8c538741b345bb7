// A file that is nowhere but in this process's memory, for libraries that read what they are given by its path.
#ifndef UNWIND_COMMON_TLS_MEMORY_FILE_H_
#define UNWIND_COMMON_TLS_MEMORY_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file_descriptor.h"

namespace unwind {

// One thread at a time puts; any may read the path.
class MemoryFile {
 public:
  // UNAVAILABLE: the system has no such files, or no /proc to find them in.
  static absl::StatusOr<MemoryFile> Create(absl::string_view bytes);

  // Below /proc/self; the same for good.
  std::string path() const;

  // Who opens the path sees all of the old bytes or all of the new. The time of modification is each time another, in
  // seconds, so that who reads the file twice and compares it has read the same.
  absl::Status Put(absl::string_view bytes);

 private:
  MemoryFile() = default;

  FileDescriptor file_;
  int puts_ = 0;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_MEMORY_FILE_H_
