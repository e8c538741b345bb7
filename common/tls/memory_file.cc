#include "common/tls/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("a file in memory ", what, ": ", std::strerror(errno)));
}

absl::StatusOr<FileDescriptor> Write(absl::string_view bytes, int time) {
  FileDescriptor file(memfd_create("unwind", MFD_CLOEXEC));
  if (!file.ok()) return Failed("cannot be made");
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  const timespec moment = {.tv_sec = time, .tv_nsec = 0};
  const timespec times[] = {moment, moment};
  if (futimens(file.get(), times) != 0) return Failed("cannot be dated");
  return file;
}

}  // namespace

absl::StatusOr<MemoryFile> MemoryFile::Create(absl::string_view bytes) {
  MemoryFile made;
  ASSIGN_OR_RETURN(made.file_, Write(bytes, ++made.puts_));
  const FileDescriptor found(open(made.path().c_str(), O_RDONLY | O_CLOEXEC));
  if (!found.ok()) return Failed(absl::StrCat("cannot be opened at ", made.path()));
  return made;
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/self/fd/", file_.get()); }

// The descriptor's number stays and means the new file from one moment to the next.
absl::Status MemoryFile::Put(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const FileDescriptor next, Write(bytes, ++puts_));
  return dup3(next.get(), file_.get(), O_CLOEXEC) < 0 ? Failed("cannot be replaced") : absl::OkStatus();
}

}  // namespace unwind
