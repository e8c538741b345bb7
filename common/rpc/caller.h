// Who makes a call, as far as the policy (common/rpc/policy.h) believes it.
#ifndef UNWIND_COMMON_RPC_CALLER_H_
#define UNWIND_COMMON_RPC_CALLER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_context.h"

namespace unwind {

// Without a policy all of it is empty.
struct Principal {
  std::string service;  // the stable identity in the caller's certificate; empty: it is not known
  std::string member;   // on whose behalf it calls, as it asserts and may; empty: on nobody's

  bool operator==(const Principal&) const = default;
};

// Whose an idempotency key is: the member's, else the service's. A member and a service of one name are two. Empty: of
// callers that are not told apart.
std::string KeyScopeOf(const Principal& principal);

// Who acts, as the history says it: the service, or "MEMBER via SERVICE". Empty: it is not known.
std::string ActorOf(const Principal& principal);

// Whether what belongs to `member` may be shown: to a member only its own is, and another's is as if it were not there.
bool MayRead(const Principal& principal, absl::string_view member);

// What was decided about a call before its handler runs.
struct Admission {
  absl::Status status;  // not OK: the call must be refused so, before any work is done
  Principal principal;
};

// For the gate (common/rpc/gate.h). `admission` must live as long as the call.
void SetAdmission(grpc::ServerContextBase& context, const Admission& admission);

// Of a server without a policy: OK, and nobody. Thread-safe once the handler runs.
const Admission& AdmissionOf(const grpc::ServerContextBase& context);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CALLER_H_
