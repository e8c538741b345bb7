// Holds every call that reaches a port to the policy, before its handler runs.
#ifndef UNWIND_COMMON_RPC_GATE_H_
#define UNWIND_COMMON_RPC_GATE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/seldom.h"
#include "common/rpc/policy.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"

namespace unwind {

// The stable service identity of the peer of a call; empty: it has none.
using Identify = std::function<std::string(const grpc::ServerContextBase&)>;

// Thread-safe.
class Gate {
 public:
  static constexpr absl::Duration kLogPause = absl::Seconds(10);  // between two lines about refused calls

  // By the certificate that the peer has shown, read as the policy says (PeerIdentity).
  explicit Gate(Policy policy);
  // For tests without TLS.
  Gate(Policy policy, Identify identify);

  // Decides about a call of "/package.Service/Method". A refusal is counted by policy_refused_total and logged, seldom.
  Admission Admit(const grpc::ServerContextBase& context, absl::string_view path);

 private:
  void Report(const Admission& refused, absl::string_view path);

  const Policy policy_;
  const Identify identify_;
  Seldom log_{kLogPause};
};

// Asks `gate`, which must outlive the server, about each call, and leaves its answer where the call's handler finds it
// (AdmissionOf): it refuses before it does anything. A call of a service that is gRPC's or reflection, whose name
// begins with "grpc.", is ended here.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewGateInterceptors(Gate& gate);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_GATE_H_
