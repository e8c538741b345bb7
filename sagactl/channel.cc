#include "sagactl/channel.h"

#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_replace.h"
#include "common/rpc/channel.h"
#include "sagactl/ending.h"

// Of common/rpc/credentials: this program's command line is not Abseil's.
ABSL_DECLARE_FLAG(std::string, tls_ca);
ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);

namespace unwind::sagactl {

absl::StatusOr<Connection> Connect(const std::string& server, const TlsFiles& tls) {
  absl::SetFlag(&FLAGS_tls_ca, tls.ca);
  absl::SetFlag(&FLAGS_tls_cert, tls.cert);
  absl::SetFlag(&FLAGS_tls_key, tls.key);
  auto transport = Transport::Start();
  if (!transport.ok()) return CalledWrongly(absl::StrReplaceAll(transport.status().message(), {{"\n", "; "}}));
  Connection connection{.transport = *std::move(transport), .channel = nullptr};
  connection.channel = NewChannel(server);
  return connection;
}

}  // namespace unwind::sagactl
