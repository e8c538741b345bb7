// A TLS client that is OpenSSL alone: it shows what a port's handshake is.
#ifndef UNWIND_TESTS_SUPPORT_TLS_CALLER_H_
#define UNWIND_TESTS_SUPPORT_TLS_CALLER_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "tests/support/certificates.h"

namespace unwind {

// What came of one connection.
struct TlsVisit {
  bool served = false;   // the port began to speak HTTP/2
  bool resumed = false;  // the handshake was a short one, by the session of the visit before
  std::string protocol;  // such as TLSv1.3
  std::string serial;    // of the port's certificate
};

// Not thread-safe.
class TlsCaller {
 public:
  // Shows `certificate`; null: none. Speaks `version` at most, such as TLS1_2_VERSION; 0: any. It trusts every port.
  explicit TlsCaller(const Certificate* certificate, int version = 0);
  ~TlsCaller();

  // `address`: HOST:PORT of the loopback. Offers the session of the visit before.
  TlsVisit Visit(const std::string& address);

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };

  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL_SESSION, Free> session_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_TLS_CALLER_H_
