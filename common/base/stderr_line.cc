#include "common/base/stderr_line.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "common/base/file_descriptor.h"

namespace unwind {
namespace {

// What stderr is. A pipe or a terminal is opened once more: O_NONBLOCK on stderr itself would hold for every process
// that shares it.
class Sink {
 public:
  bool Write(absl::string_view line) {
    struct stat now = {};
    if (fstat(STDERR_FILENO, &now) != 0) return false;
    if (now.st_ino != inode_ || now.st_dev != device_) Open(now);
    const ssize_t written = S_ISSOCK(now.st_mode)
                                ? send(STDERR_FILENO, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                : write(again_.ok() ? again_.get() : STDERR_FILENO, line.data(), line.size());
    return written == static_cast<ssize_t>(line.size());
  }

 private:
  void Open(const struct stat& now) {
    inode_ = now.st_ino;
    device_ = now.st_dev;
    again_.Close();
    if (S_ISFIFO(now.st_mode) || S_ISCHR(now.st_mode)) {
      again_ = FileDescriptor(open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    }
  }

  ino_t inode_ = 0;
  dev_t device_ = 0;
  FileDescriptor again_;
};

}  // namespace

bool WriteToStderr(absl::string_view line) {
  static auto* const mutex = new std::mutex;
  static auto* const sink = new Sink;
  std::lock_guard lock(*mutex);
  return sink->Write(line);
}

}  // namespace unwind
