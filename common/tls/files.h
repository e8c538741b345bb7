// The PEM files that mutual TLS takes: their bytes, as they stand at one moment.
#ifndef UNWIND_COMMON_TLS_FILES_H_
#define UNWIND_COMMON_TLS_FILES_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace unwind {

inline constexpr std::size_t kPemBytesMax = 1 << 20;          // of --tls_cert, --tls_key and --tls_ca each
inline constexpr std::size_t kRevocationBytesMax = 16 << 20;  // of all files of --tls_crl
inline constexpr std::size_t kRevocationFilesMax = 1000;

struct TlsPaths {
  std::string cert;
  std::string key;
  std::string ca;
  std::string crl;  // a file, or a directory of files; empty: none
};

struct TlsBytes {
  std::string cert;
  std::string key;
  std::string ca;
  std::vector<std::pair<std::string, std::string>> crls;  // path and contents, by path

  bool operator==(const TlsBytes&) const = default;
};

// UNAVAILABLE: a line for each file that cannot be read, which begins with its flag. Of a directory every regular file
// is read whose name does not begin with a dot (so that the links which Kubernetes keeps in a volume are read once).
absl::StatusOr<TlsBytes> ReadTlsFiles(const TlsPaths& paths);

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_FILES_H_
