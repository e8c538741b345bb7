// What one port takes from its peers: the limits of every gRPC server and the sum that they make.
#ifndef UNWIND_COMMON_RPC_LIMITS_H_
#define UNWIND_COMMON_RPC_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "grpcpp/server_builder.h"

namespace unwind {

// Of a message that is read at all; --message_max_bytes, which is answered with details, may be as much.
constexpr std::uint32_t kTransportMaxBytes = 1 << 20;

// Of a call's metadata: one with more is refused alone, while gRPC 1.51 ends the whole connection, and so every call
// that shares it, at kTransportMetadataMaxBytes in one frame. What comes in more frames than one it does not limit
// (docs/SECURITY.md). A proxy lets less through (Envoy: 60 KiB).
constexpr std::size_t kMetadataMaxBytes = 16 << 10;
constexpr std::size_t kTransportMetadataMaxBytes = 64 << 10;

// Sets the limits on connections that are open, and on their streams and messages, by this process's flags; at most
// `streams_max` calls at a time on one connection.
void SetLimits(grpc::ServerBuilder& builder, int streams_max);
void SetLimits(grpc::ServerBuilder& builder);  // --streams_max

// Raises the limit of open files as far as this process may. How many connections one port may have: --connections_max,
// or fewer if files would not suffice for `ports` times as many, which a warning says. Call once, at the start.
std::size_t ReserveFiles(std::size_t ports);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_LIMITS_H_
