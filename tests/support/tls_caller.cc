#include "tests/support/tls_caller.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>
#include <cstdlib>

#include "common/base/check.h"
#include "common/base/file_descriptor.h"

namespace unwind {
namespace {

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr char kNoSettings[] = "\0\0\0\x04\0\0\0\0\0";
constexpr unsigned char kHttp2[] = "\x02h2";
constexpr timeval kPatience = {.tv_sec = 20, .tv_usec = 0};

FileDescriptor Connect(const std::string& address) {
  FileDescriptor made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(made.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  return made;
}

}  // namespace

TlsCaller::TlsCaller(const Certificate* certificate, int version) : context_(SSL_CTX_new(TLS_client_method())) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the port has closed
  SSL_CTX_set_max_proto_version(context_.get(), version);
  SSL_CTX_set_alpn_protos(context_.get(), kHttp2, sizeof(kHttp2) - 1);
  if (certificate == nullptr) return;
  bool first = true;
  const auto chain = ReadCertificates(certificate->chain);
  for (const OpenSsl<X509>& each : *chain) {
    if (first) CHECK(SSL_CTX_use_certificate(context_.get(), each.get()) == 1);
    if (!first) CHECK(SSL_CTX_add1_chain_cert(context_.get(), each.get()) == 1);
    first = false;
  }
  CHECK(SSL_CTX_use_PrivateKey(context_.get(), ReadPrivateKey(certificate->key)->get()) == 1);
}

TlsCaller::~TlsCaller() = default;

TlsVisit TlsCaller::Visit(const std::string& address) {
  const FileDescriptor connection = Connect(address);
  const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
  SSL_set_fd(tls.get(), connection.get());
  if (session_ != nullptr) SSL_set_session(tls.get(), session_.get());
  TlsVisit visit;
  if (SSL_connect(tls.get()) != 1) return visit;
  visit.protocol = SSL_get_version(tls.get());
  const OpenSsl<X509> port(SSL_get1_peer_certificate(tls.get()));
  visit.serial = SerialOf(*port);
  SSL_write(tls.get(), kPreface, sizeof(kPreface) - 1);
  SSL_write(tls.get(), kNoSettings, sizeof(kNoSettings) - 1);
  char answer[64];
  visit.served = SSL_read(tls.get(), answer, sizeof(answer)) > 0;
  visit.resumed = SSL_session_reused(tls.get()) == 1;
  SSL_shutdown(tls.get());                      // else OpenSSL would not use the session again
  session_.reset(SSL_get1_session(tls.get()));  // of TLS 1.3: what came with the first bytes
  return visit;
}

}  // namespace unwind
