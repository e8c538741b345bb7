// Who calls, as the transport has proved it.
#ifndef UNWIND_COMMON_RPC_PRINCIPAL_H_
#define UNWIND_COMMON_RPC_PRINCIPAL_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "grpcpp/security/auth_context.h"

namespace unwind {

inline constexpr std::size_t kIdentityBytesMax = 253;  // as long as a DNS name may be

// The stable service identity in the certificate that the peer has proved to own; the same for all copies of a service
// and over every renewal of its certificate. Thread-safe.
//
// With a `spiffe_prefix`, such as "spiffe://shop.example/ns/prod/sa/", a peer is who its SPIFFE id says, which must be
// that prefix and one segment more: "orchestrator" of spiffe://shop.example/ns/prod/sa/orchestrator. The same name in
// another trust domain or namespace is nobody, and so is a certificate with another URI beside it, which SPIFFE
// forbids. Names count for nothing.
//
// Without one it is the first DNS name among the subject alternative names, in lower case; where there is none, the
// common name. A certificate with a SPIFFE id is nobody then: whose it is nobody has said.
//
// An identity has 1 to kIdentityBytesMax bytes: letters, digits and any of . - _ @ (so a mail address may be one, and a
// DNS name with a wildcard may not). Where what is picked above is anything else, the identity is empty, and the
// next name does not take its place, so that a certificate cannot mean two peers to two readers.
//
// Empty too on plaintext. A policy must take empty as nobody.
std::string PeerIdentity(const grpc::AuthContext& peer, absl::string_view spiffe_prefix);

// Whether PeerIdentity could give it. Pure.
bool IsIdentity(absl::string_view text);

// Whether it may be a `spiffe_prefix`: "spiffe://", a trust domain, and whole segments up to a slash. Pure.
bool IsSpiffePrefix(absl::string_view text);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_PRINCIPAL_H_
