#include "common/rpc/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/host_port.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

constexpr absl::Duration kCountPause = absl::Milliseconds(50);  // counting open connections costs a system call each
constexpr int kAcceptsMax = 64;                                 // before the other sockets are looked at
constexpr int kFullPauseMs = 10;                                // when a connection can be neither taken nor refused

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

absl::StatusOr<Addresses> Resolve(const HostPort& address) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.host.c_str(), nullptr, &hints, &found); error != 0) {
    return absl::UnavailableError(absl::StrCat("the host ", address.host, " is not known: ", gai_strerror(error)));
  }
  return Addresses(found);
}

void SetPort(sockaddr* address, int port) {
  const in_port_t number = htons(static_cast<std::uint16_t>(port));
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = number;
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = number;
  }
}

sockaddr_storage AddressOf(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

int PortOf(int socket) {
  const sockaddr_storage address = AddressOf(socket);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

bool IsLoopback(const FileDescriptor& socket) {
  const sockaddr_storage address = AddressOf(socket.get());
  if (address.ss_family == AF_INET6) {
    const in6_addr& host = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&host) || (IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == IN_LOOPBACKNET);
  }
  const in_addr_t host = ntohl(reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr);
  return address.ss_family == AF_INET && host >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

// Not ok, and errno says why.
FileDescriptor ListenAt(const addrinfo& address) {
  FileDescriptor socket(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.ok()) return socket;
  const int on = 1;
  // Connections inherit TCP_NODELAY. SO_REUSEADDR only ignores old connections: an address in use is still refused.
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const bool listens =
      bind(socket.get(), address.ai_addr, address.ai_addrlen) == 0 && listen(socket.get(), SOMAXCONN) == 0;
  return listens ? std::move(socket) : FileDescriptor();
}

FileDescriptor OpenSpare() { return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool NoneIsFree(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

// 0 if there is none.
ino_t InodeOf(int descriptor) {
  struct stat status = {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const std::string& text) {
  ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(text));
  ASSIGN_OR_RETURN(const Addresses addresses, Resolve(address));
  auto listener = std::unique_ptr<Listener>(new Listener);
  listener->port_ = address.port;
  int error = 0;
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    SetPort(each->ai_addr, listener->port_);
    FileDescriptor socket = ListenAt(*each);
    if (!socket.ok()) {
      error = errno;
      if (error == EADDRINUSE) break;
      continue;  // such as the IPv6 address of localhost on a host without IPv6
    }
    listener->port_ = PortOf(socket.get());
    listener->sockets_.push_back(std::move(socket));
  }
  if (error == EADDRINUSE || listener->sockets_.empty()) return absl::UnavailableError(std::strerror(error));
  listener->stop_ = FileDescriptor(eventfd(0, EFD_CLOEXEC));
  if (!listener->stop_.ok()) return absl::UnavailableError(std::strerror(errno));
  listener->spare_ = OpenSpare();
  return listener;
}

Listener::~Listener() { Stop(); }

bool Listener::is_loopback() const { return std::all_of(sockets_.begin(), sockets_.end(), IsLoopback); }

void Listener::Start(std::size_t connections_max, std::size_t of_one_host_max, std::function<void(int)> take) {
  connections_max_ = connections_max;
  of_one_host_max_ = of_one_host_max;
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void Listener::Stop() {
  if (thread_.joinable()) {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  sockets_.clear();
}

void Listener::Run() {
  std::vector<pollfd> waits = {{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (const FileDescriptor& socket : sockets_) waits.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
  for (;;) {
    poll(waits.data(), waits.size(), -1);
    if (waits.front().revents != 0) return;
    for (std::size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents != 0) AcceptSome(waits[i].fd);
    }
  }
}

// Those that are left keep the socket ready, so that a flood neither starves the others nor keeps Stop waiting.
void Listener::AcceptSome(int socket) {
  for (int i = 0; i < kAcceptsMax && AcceptOne(socket); ++i) continue;
}

// Whether there may be more.
bool Listener::AcceptOne(int socket) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  FileDescriptor connection(accept4(socket, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.ok()) {
    const int error = errno;
    return NoneIsFree(error) ? RefuseOne(socket) : error == EINTR || error == ECONNABORTED;
  }
  const Host host = HostOf(peer);
  if (!HasRoom(host)) {
    const bool is_full = connections_.size() >= connections_max_;
    Log(Severity::kWarning,
        is_full ? "a connection was refused: as many as this port takes are open"
                : "a connection was refused: its host has as many as one may have",
        {{"port", absl::StrCat(port_)},
         {"connections_max", absl::StrCat(connections_max_)},
         {"of_one_host_max", absl::StrCat(of_one_host_max_)}});
    return true;
  }
  connections_.push_back({connection.get(), InodeOf(connection.get()), host});
  ++of_host_[host];
  take_(connection.Release());
  return true;
}

bool Listener::Fits(const Host& host) const {
  const auto has = of_host_.find(host);
  return connections_.size() < connections_max_ && (has == of_host_.end() || has->second < of_one_host_max_);
}

bool Listener::HasRoom(const Host& host) {
  if (Fits(host)) return true;
  if (SteadyNow() - counted_ < kCountPause) return false;
  counted_ = SteadyNow();
  std::erase_if(connections_, [](const Connection& each) { return InodeOf(each.descriptor) != each.inode; });
  of_host_.clear();
  for (const Connection& each : connections_) ++of_host_[each.host];
  return Fits(host);
}

Listener::Host Listener::HostOf(const sockaddr_storage& peer) {
  Host host = {};
  if (peer.ss_family == AF_INET6) {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
    const std::size_t bytes = IN6_IS_ADDR_V4MAPPED(&address) ? sizeof(address) : sizeof(address) / 2;
    std::memcpy(host.data(), &address, bytes);
    return host;
  }
  const in_addr& address = reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr;
  host[10] = host[11] = 0xff;
  std::memcpy(host.data() + 12, &address, sizeof(address));
  return host;
}

// The peer learns at once that it is refused, and the backlog does not fill up with peers that gave up waiting. Whether
// there was one: accept needs a descriptor to tell even that.
bool Listener::RefuseOne(int socket) {
  spare_.Close();
  FileDescriptor refused(accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
  const bool accepted = refused.ok();
  refused.Close();
  spare_ = OpenSpare();
  if (accepted) {
    Log(Severity::kWarning, "a connection was refused: no file descriptor is free", {{"port", absl::StrCat(port_)}});
  }
  if (!spare_.ok()) poll(nullptr, 0, kFullPauseMs);  // another thread took the descriptor
  return accepted;
}

}  // namespace unwind
