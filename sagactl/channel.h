// The way to the orchestrator.
#ifndef UNWIND_SAGACTL_CHANNEL_H_
#define UNWIND_SAGACTL_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc/credentials.h"
#include "grpcpp/channel.h"

namespace unwind::sagactl {

// PEM files, as the flags of the same names of the other programs. All empty: plaintext.
struct TlsFiles {
  std::string ca, cert, key;

  bool given() const { return !ca.empty() || !cert.empty() || !key.empty(); }
};

struct Connection {
  std::unique_ptr<Transport> transport;  // outlives the channel
  std::shared_ptr<grpc::Channel> channel;
};

// `server`: host:port of an --admin_listen, or any gRPC URI. CalledWrongly: each option and file with which something
// is wrong. At most one at a time.
absl::StatusOr<Connection> Connect(const std::string& server, const TlsFiles& tls);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_CHANNEL_H_
