// How this process speaks with its peers: mutual TLS on every port and channel, or plaintext. The one file that makes
// gRPC's credentials.
#ifndef UNWIND_COMMON_RPC_CREDENTIALS_H_
#define UNWIND_COMMON_RPC_CREDENTIALS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"

namespace unwind {

class TlsReload;

// What --tls_cert, --tls_key, --tls_ca, --tls_crl and --insecure say. Made before the first port and channel of the
// process and destroyed after the last; at most one at a time. Without one everything is plaintext.
class Transport {
 public:
  // Plaintext if no --tls_ flag is given; else the files are read, and looked at again every second from then on.
  // INVALID_ARGUMENT, UNAVAILABLE: a line for each flag and file with which something is wrong.
  static absl::StatusOr<std::unique_ptr<Transport>> Start();
  ~Transport();

  // `flags`: those that name addresses which are not loopback, such as "--listen=0.0.0.0:7000". FAILED_PRECONDITION,
  // one sentence: plaintext would be served there, and nobody said --insecure.
  static absl::Status CheckReach(const std::vector<std::string>& flags);

  // `target`: where `flag` sends calls. FAILED_PRECONDITION, one sentence: they would go to another machine in
  // plaintext, and nobody said --insecure.
  static absl::Status CheckTargetOf(absl::string_view flag, absl::string_view target);

 private:
  Transport() = default;

  std::unique_ptr<TlsReload> reload_;  // null: plaintext
};

// Of a port: with TLS a client must show a certificate that TlsMaterial::CheckPeer takes; one that does not is cut off
// before its first call, and the log says why. Thread-safe, as below.
std::shared_ptr<grpc::ServerCredentials> ServerCredentials();

// Of a channel: with TLS the process's own certificate is shown, and the server's must be for the host of the channel's
// target. Channels follow the files as ports do: at their next connection.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials();

// Whether they are TLS.
bool SpeaksTls();

// Of a channel that is plaintext whatever the flags say: to a collector of spans that --otlp_endpoint names by http.
std::shared_ptr<grpc::ChannelCredentials> PlaintextChannelCredentials();

// Of a port that is plaintext whatever the flags say: --health_listen.
std::shared_ptr<grpc::ServerCredentials> PlaintextServerCredentials();

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CREDENTIALS_H_
