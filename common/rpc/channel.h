// Client channels, made one way everywhere.
#ifndef UNWIND_COMMON_RPC_CHANNEL_H_
#define UNWIND_COMMON_RPC_CHANNEL_H_

#include <cstddef>
#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace unwind {

inline constexpr int kReplyBytesMax = 4 << 20;
inline constexpr std::size_t kReceivedBytesMax = 64 << 20;

// A channel to `target` (any gRPC URI: host:port, dns:///..., unix:...). Calls take turns between the addresses that it
// stands for, those that answer; when one is lost, the name is looked up again, every few seconds at most. Retries of
// gRPC's own are off, the saga's timers retry; every call must carry an explicit deadline. Channels with different
// `index` use different connections. Mutual TLS or plaintext as the process's Transport says
// (common/rpc/credentials.h); with TLS the target's host is looked for in the server's certificate; of a list the first
// one's.
//
// What a peer sends is bounded. A call whose reply is larger than `reply_bytes_max` or compressed fails alone, without
// the reply being unpacked. All that is received and not yet handed on takes `received_bytes_max` at most; past that
// calls of the channel are ended. Headers and trailers above 256 KiB, and those that are no HTTP/2, end the connection
// and with it all its calls: gRPC 1.51 knows no other way.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& target, int index = 0,
                                          int reply_bytes_max = kReplyBytesMax,
                                          std::size_t received_bytes_max = kReceivedBytesMax);

// The same, in plaintext whatever the process's Transport is.
std::shared_ptr<grpc::Channel> NewPlaintextChannel(const std::string& target);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CHANNEL_H_
