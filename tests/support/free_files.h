// A process that has no file descriptor left, or only so many.
#ifndef UNWIND_TESTS_SUPPORT_FREE_FILES_H_
#define UNWIND_TESTS_SUPPORT_FREE_FILES_H_

#include <fcntl.h>
#include <sys/resource.h>

#include <vector>

#include "common/base/file_descriptor.h"

namespace unwind {

// While it lives this process can open `free` files more.
class FreeFiles {
 public:
  explicit FreeFiles(int free) {
    getrlimit(RLIMIT_NOFILE, &before_);
    std::vector<FileDescriptor> lowest;
    for (int i = 0; i <= free; ++i) lowest.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    rlimit limited = before_;
    limited.rlim_cur = static_cast<rlim_t>(lowest.back().get());
    setrlimit(RLIMIT_NOFILE, &limited);
  }
  ~FreeFiles() { setrlimit(RLIMIT_NOFILE, &before_); }
  FreeFiles(const FreeFiles&) = delete;
  FreeFiles& operator=(const FreeFiles&) = delete;

 private:
  rlimit before_ = {};
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_FREE_FILES_H_
