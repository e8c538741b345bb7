#include "common/tls/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/file_descriptor.h"

namespace unwind {
namespace {

absl::Status Unreadable(absl::string_view why) { return absl::UnavailableError(absl::StrCat("cannot be read: ", why)); }

// The message completes "FILE: ".
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.ok()) return Unreadable(std::strerror(errno));
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return Unreadable(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return Unreadable("it is no regular file");
  std::string bytes;
  char piece[16384];
  for (;;) {
    const ssize_t size = read(file.get(), piece, sizeof(piece));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Unreadable(std::strerror(errno));
    if (size == 0) return bytes;
    bytes.append(piece, static_cast<std::size_t>(size));
    if (bytes.size() > bytes_max) return Unreadable(absl::StrCat("it has more than ", bytes_max, " bytes"));
  }
}

class Reading {
 public:
  std::string Take(absl::string_view flag, const std::string& path, std::size_t bytes_max) {
    absl::StatusOr<std::string> bytes = ReadFile(path, bytes_max);
    if (bytes.ok()) return *std::move(bytes);
    errors_.push_back(absl::StrCat("--", flag, "=", path, ": ", bytes.status().message()));
    return "";
  }

  std::vector<std::string> Names(absl::string_view flag, const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) return {path};
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator each(path, error), end; !error && each != end; each.increment(error)) {
      std::error_code ignored;
      const bool hidden = each->path().filename().string().front() == '.';
      if (!hidden && each->is_regular_file(ignored)) names.push_back(each->path().string());
    }
    if (error) errors_.push_back(absl::StrCat("--", flag, "=", path, ": cannot be read: ", error.message()));
    if (names.size() > kRevocationFilesMax) {
      errors_.push_back(absl::StrCat("--", flag, "=", path, ": has more than ", kRevocationFilesMax, " files"));
      names.clear();
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status status() const {
    return errors_.empty() ? absl::OkStatus() : absl::UnavailableError(absl::StrJoin(errors_, "\n"));
  }

 private:
  std::vector<std::string> errors_;
};

}  // namespace

absl::StatusOr<TlsBytes> ReadTlsFiles(const TlsPaths& paths) {
  Reading reading;
  TlsBytes bytes;
  bytes.cert = reading.Take("tls_cert", paths.cert, kPemBytesMax);
  bytes.key = reading.Take("tls_key", paths.key, kPemBytesMax);
  bytes.ca = reading.Take("tls_ca", paths.ca, kPemBytesMax);
  if (!paths.crl.empty()) {
    std::size_t left = kRevocationBytesMax;
    for (const std::string& name : reading.Names("tls_crl", paths.crl)) {
      bytes.crls.emplace_back(name, reading.Take("tls_crl", name, left));
      left -= bytes.crls.back().second.size();
    }
  }
  if (!reading.status().ok()) return reading.status();
  return bytes;
}

}  // namespace unwind
