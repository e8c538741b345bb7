// OpenSSL's objects with owners, and what is read from them.
#ifndef UNWIND_COMMON_TLS_OPENSSL_H_
#define UNWIND_COMMON_TLS_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind {

struct FreeOpenSsl {
  void operator()(BIO* object) const { BIO_free_all(object); }
  void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
  void operator()(X509* object) const { X509_free(object); }
  void operator()(X509_CRL* object) const { X509_CRL_free(object); }
  void operator()(X509_STORE* object) const { X509_STORE_free(object); }
  void operator()(X509_STORE_CTX* object) const { X509_STORE_CTX_free(object); }
};
template <class T>
using OpenSsl = std::unique_ptr<T, FreeOpenSsl>;

// What this thread's last failed call of OpenSSL says of itself; empties the thread's queue of errors.
std::string LastOpenSslError();

// The certificates of PEM text, in order; what else stands in it is passed over. INVALID_ARGUMENT: there is none, or
// one is damaged; the message completes "FILE: ".
absl::StatusOr<std::vector<OpenSsl<X509>>> ReadCertificates(absl::string_view pem);

// Likewise revocation lists, and the private key, which must not be encrypted.
absl::StatusOr<std::vector<OpenSsl<X509_CRL>>> ReadRevocationLists(absl::string_view pem);
absl::StatusOr<OpenSsl<EVP_PKEY>> ReadPrivateKey(absl::string_view pem);

std::string PemOf(const X509& certificate);

// InfiniteFuture for a time that is none.
absl::Time TimeOf(const ASN1_TIME* time);

// "CN=order_svc,O=Shop": RFC 2253, printable ASCII, at most 256 bytes.
std::string TextOf(const X509_NAME* name);
// Of a certificate, as revocation lists have it: hexadecimal.
std::string SerialOf(const X509& certificate);

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_OPENSSL_H_
