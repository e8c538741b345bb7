// A certificate authority of a test's own, and channels that show its certificates.
#ifndef UNWIND_TESTS_SUPPORT_CERTIFICATES_H_
#define UNWIND_TESTS_SUPPORT_CERTIFICATES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/tls/openssl.h"

namespace unwind {

// What a certificate says of its owner. The default is good for a program on loopback.
struct CertificateFor {
  std::string name;      // the common name
  std::string uri = "";  // such as spiffe://shop.example/ns/prod/sa/order_svc; empty: none
  std::vector<std::string> dns = {"localhost"};
  std::vector<std::string> ips = {"127.0.0.1"};
  absl::Duration begins = -absl::Hours(24);  // from now
  absl::Duration ends = absl::Hours(24);     // likewise
  std::string uses = "serverAuth,clientAuth";
  unsigned rsa_bits = 0;  // 0: a key on the curve P-256
};

// As PEM. `chain`: the certificate, then those between it and its authority.
struct Certificate {
  std::string chain;
  std::string key;
};

// Of one service, by a SPIFFE id as policy/shop.yaml takes it, whose last segment is `identity`.
CertificateFor Service(const std::string& identity);

// Not thread-safe.
class TestAuthority {
 public:
  // One that trusts itself, or one below `parent`, which must outlive it.
  explicit TestAuthority(const std::string& name, const TestAuthority* parent = nullptr);

  // Its own certificate: what trusts it has this in --tls_ca.
  std::string pem() const;

  Certificate Issue(const CertificateFor& whom) const;

  // Its list of what it has revoked, which it publishes anew after `valid`; negative: it is out of date.
  // `scope`: none, "delta", or what an issuing distribution point says, such as "critical,indirectCRL:TRUE".
  std::string RevocationList(const std::vector<Certificate>& revoked, absl::Duration valid = absl::Hours(24),
                             const std::string& scope = "") const;

 private:
  const TestAuthority* const parent_;
  OpenSsl<EVP_PKEY> key_;
  OpenSsl<X509> certificate_;
};

// Replaces the file as a whole.
void WriteFile(const std::string& path, const std::string& bytes);
// Likewise, and nobody but its owner may read it, as libpq asks of a key.
void WriteSecret(const std::string& path, const std::string& bytes);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_CERTIFICATES_H_
