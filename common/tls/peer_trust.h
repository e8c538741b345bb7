// Whom the peers of this process must be, now: its material as it was last read, and what earlier peers have shown.
#ifndef UNWIND_COMMON_TLS_PEER_TRUST_H_
#define UNWIND_COMMON_TLS_PEER_TRUST_H_

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/tls/material.h"

namespace unwind {

// Thread-safe.
class PeerTrust {
 public:
  explicit PeerTrust(std::shared_ptr<const TlsMaterial> material) : material_(std::move(material)) {}

  std::shared_ptr<const TlsMaterial> material() const;
  void Set(std::shared_ptr<const TlsMaterial> material);

  // TlsMaterial::CheckPeer by what is current. A peer that comes back by the session of an earlier connection has sent
  // its own certificate alone (`chain` is empty): for it the certificates between others and their CA, which the first
  // handshake brought, are remembered.
  std::unique_ptr<PeerRefusal> Check(PeerRole role, absl::string_view certificate, absl::string_view chain,
                                     const std::string& host);

 private:
  static constexpr std::size_t kRememberedMax = 64;

  void Remember(std::vector<std::string> between);
  std::string Remembered() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const TlsMaterial> material_;  // guarded by mutex_, as all below
  std::set<std::string> remembered_;             // each as PEM, once vouched for by --tls_ca; begun anew when full
};

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_PEER_TRUST_H_
