// Who calls, as the transport has proved it.
#ifndef UNWIND_COMMON_RPC_PRINCIPAL_H_
#define UNWIND_COMMON_RPC_PRINCIPAL_H_

#include <cstddef>
#include <string>

#include "grpcpp/security/auth_context.h"

namespace unwind {

inline constexpr std::size_t kIdentityBytesMax = 253;  // as long as a DNS name may be

// The stable service identity in the certificate that the peer has proved to own; the same for all copies of a service
// and over every renewal of its certificate. Thread-safe. It is, in this order:
//
//   1. if a URI of the certificate's subject alternative names begins with spiffe://, the last segment of that URI's
//      path: "orchestrator" of spiffe://shop.example/ns/prod/sa/orchestrator. The trust domain and the segments before
//      it count for nothing: who signs certificates with the CA of --tls_ca decides who has which name. SPIFFE allows
//      no other URI beside it: where there is one, the identity is empty;
//   2. else the first DNS name among them, in lower case;
//   3. else the common name of the subject.
//
// An identity has 1 to kIdentityBytesMax bytes: letters, digits and any of . - _ @ (so a mail address may be one, and a
// DNS name with a wildcard may not). Where the one that the order above picks is anything else, the identity is empty;
// the order is not gone on with, so that a certificate cannot mean two peers to two readers.
//
// Empty too on plaintext. A policy must take empty as nobody.
std::string PeerIdentity(const grpc::AuthContext& peer);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_PRINCIPAL_H_
