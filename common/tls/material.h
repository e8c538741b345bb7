// What a process shows its peers and what it checks them by: the contents of --tls_cert, --tls_key, --tls_ca and
// --tls_crl, checked as a whole.
#ifndef UNWIND_COMMON_TLS_MATERIAL_H_
#define UNWIND_COMMON_TLS_MATERIAL_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/tls/files.h"
#include "common/tls/openssl.h"

namespace unwind {

enum class PeerRole { kClient, kServer };

// Why a peer's certificate is refused.
struct PeerRefusal {
  const char* reason;  // one of kPeerRefusals
  std::string text;    // OpenSSL's words
  std::string subject;
  std::string serial;
};
inline constexpr const char* kPeerRefusals[] = {"expired",   "not_yet_valid", "revoked",
                                                "untrusted", "wrong_host",    "invalid"};

// Immutable and thread-safe.
class TlsMaterial {
 public:
  // INVALID_ARGUMENT: a line for each thing that is wrong, which begins with its flag and file: a file without what it
  // is for, a key that is not the certificate's, a certificate in --tls_ca that is no CA's, a revocation list that its
  // CA has not signed. `paths` are for these lines only.
  static absl::StatusOr<std::shared_ptr<const TlsMaterial>> Make(const TlsPaths& paths, const TlsBytes& bytes);

  // The key and its certificates, first the process's own, as PEM.
  const std::string& identity_pem() const { return identity_pem_; }
  // From and until when the process's own certificate holds, and until when the first of the lists of --tls_crl;
  // InfiniteFuture: there is none.
  absl::Time begins() const { return begins_; }
  absl::Time expires() const { return expires_; }
  absl::Time lists_expire() const { return lists_expire_; }

  // By their subjects: the CAs of --tls_ca, and those that have a list in --tls_crl.
  const std::set<std::string>& authorities() const { return authorities_; }
  const std::set<std::string>& list_issuers() const { return list_issuers_; }
  // What is likely not meant and no reason to refuse it.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Checks the chain of a peer that has proved to own its first certificate's key: that it leads to a CA of --tls_ca,
  // is in its time and meant for `role`, is not revoked and, for a server, is for `host`, a name or an address.
  // `certificate` and `chain` are PEM; the chain may hold the certificate too. A CA without a list in --tls_crl revokes
  // nothing; a list that is out of date still holds. Null: it is good, and `between`, if any, gets the certificates of
  // the chain that lie between it and those of --tls_ca, as PEM.
  std::unique_ptr<PeerRefusal> CheckPeer(PeerRole role, absl::string_view certificate, absl::string_view chain,
                                         const std::string& host, std::vector<std::string>* between = nullptr) const;

 private:
  friend class MaterialCheck;
  TlsMaterial() = default;
  std::unique_ptr<PeerRefusal> Check(PeerRole role, absl::string_view certificate, absl::string_view chain,
                                     const std::string* host, std::vector<std::string>* between) const;

  std::string identity_pem_;
  absl::Time begins_ = absl::InfiniteFuture();
  absl::Time expires_ = absl::InfiniteFuture();
  absl::Time lists_expire_ = absl::InfiniteFuture();
  std::vector<std::string> warnings_;
  std::set<std::string> authorities_;
  std::set<std::string> list_issuers_;
  OpenSsl<X509_STORE> trusted_;  // the CAs and the lists
};

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_MATERIAL_H_
