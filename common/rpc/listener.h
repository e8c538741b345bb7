// An address that is listened on, and the thread that accepts its connections. gRPC 1.51 would do this itself, but it
// stops listening for good when one accept fails, and it binds only when it serves.
#ifndef UNWIND_COMMON_RPC_LISTENER_H_
#define UNWIND_COMMON_RPC_LISTENER_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/file_descriptor.h"

namespace unwind {

class Listener {
 public:
  // Binds to every address that `address` (HOST:PORT) stands for and listens; port 0: any free one, the same for all.
  // Connections wait in the kernel's backlog until Start. INVALID_ARGUMENT, UNAVAILABLE: what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const std::string& address);
  ~Listener();

  int port() const { return port_; }
  // Whether this machine alone can reach it.
  bool is_loopback() const;

  // Hands over each new connection, a non-blocking socket that belongs to `take` from then on. While `connections_max`
  // of them are open, or `of_one_host_max` from the same host, and while this process has no free file descriptor, new
  // ones are closed at once. A host is an IPv4 address, or a /64 of IPv6. Call once.
  void Start(std::size_t connections_max, std::size_t of_one_host_max, std::function<void(int connection)> take);

  // Closes the address; connections that were handed over go on. Idempotent.
  void Stop();

 private:
  using Host = std::array<unsigned char, 16>;  // IPv6, or IPv4 as IPv6 has it; of a /64 its first half alone

  Listener() = default;
  void Run();
  void AcceptSome(int socket);
  bool AcceptOne(int socket);
  bool Fits(const Host& host) const;
  bool HasRoom(const Host& host);
  bool RefuseOne(int socket);
  static Host HostOf(const sockaddr_storage& peer);

  // A connection that was handed over. Its new owner closes it, and its descriptor may then be another file's: the
  // inode tells.
  struct Connection {
    int descriptor;
    ino_t inode;
    Host host;
  };

  std::vector<FileDescriptor> sockets_;
  FileDescriptor stop_;   // an eventfd
  FileDescriptor spare_;  // given up to accept, and close, a connection when no descriptor is free
  int port_ = 0;
  std::size_t connections_max_ = 0, of_one_host_max_ = 0;
  std::function<void(int)> take_;
  std::vector<Connection> connections_;        // of the thread, as what follows; some may be closed by now
  std::map<Host, std::size_t> of_host_;        // how many of them
  absl::Time counted_ = absl::InfinitePast();  // when the closed ones were last taken out of connections_
  std::thread thread_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_LISTENER_H_
