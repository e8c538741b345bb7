#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

constexpr std::size_t kKeptMax = 1 << 20;  // bytes on their way in one direction of a connection
constexpr int kBacklog = 64;

// Closes it at the end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

  // It will end by a reset, and what was not sent is lost.
  void Abandon() const {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

 private:
  int fd_;
};

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

Socket NewSocket() { return Socket(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

void SendAtOnce(const Socket& connection) {
  const int on = 1;
  setsockopt(connection.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

absl::StatusOr<sockaddr_in> ReadAddress(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const std::size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 || port > 65535 ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("not a number and a port: ", text));
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

absl::Status Failed(const char* what) { return absl::InternalError(absl::StrCat(what, ": ", strerror(errno))); }

struct Chunk {
  absl::Time due;
  std::string bytes;
};

// One direction of a connection.
class Pipe {
 public:
  Pipe(int from, int to) : from_(from), to_(to) {}

  bool wants_to_read() const { return !ended_ && kept_ < kKeptMax; }
  bool wants_to_write(absl::Time now) const { return !chunks_.empty() && chunks_.front().due <= now; }
  absl::Time next_due() const { return chunks_.empty() ? absl::InfiniteFuture() : chunks_.front().due; }
  bool is_over() const { return ended_ && chunks_.empty(); }

  // Moves what can be moved. False: the connection broke.
  bool Pump(absl::Time now, absl::Duration delay) {
    if (!Read(now, delay) || !Write(now)) return false;
    if (is_over() && !std::exchange(told_, true)) shutdown(to_, SHUT_WR);
    return true;
  }

 private:
  bool Read(absl::Time now, absl::Duration delay) {
    std::array<char, 16384> buffer;
    while (wants_to_read()) {
      const ssize_t got = recv(from_, buffer.data(), buffer.size(), 0);
      if (got < 0) return WouldBlock();
      ended_ = got == 0;
      if (ended_) break;
      // Later than what went before, though the delay has become shorter meanwhile.
      const absl::Time due = chunks_.empty() ? now + delay : std::max(now + delay, chunks_.back().due);
      chunks_.push_back({due, std::string(buffer.data(), static_cast<std::size_t>(got))});
      kept_ += static_cast<std::size_t>(got);
    }
    return true;
  }

  bool Write(absl::Time now) {
    while (wants_to_write(now)) {
      std::string& bytes = chunks_.front().bytes;
      const ssize_t sent = send(to_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return WouldBlock();
      bytes.erase(0, static_cast<std::size_t>(sent));
      kept_ -= static_cast<std::size_t>(sent);
      if (bytes.empty()) chunks_.pop_front();
    }
    return true;
  }

  const int from_, to_;
  std::deque<Chunk> chunks_;
  std::size_t kept_ = 0;  // bytes in chunks_
  bool ended_ = false;    // nothing more comes
  bool told_ = false;     // and the receiver knows
};

struct Connection {
  Connection(Socket from, Socket to)
      : caller(std::move(from)),
        target(std::move(to)),
        there(caller.fd(), target.fd()),
        back(target.fd(), caller.fd()) {}

  const Socket caller, target;
  Pipe there, back;
};

struct Link {
  Link(Socket socket, const sockaddr_in& address) : listener(std::move(socket)), target(address) {}

  const Socket listener;
  const sockaddr_in target;
  absl::Duration delay;
  bool stalled = false;
  bool is_cut = false;
  std::list<Connection> connections;
};

void AcceptAll(Link& link) {
  while (true) {
    Socket caller(accept4(link.listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!caller.is_open()) return;
    if (link.is_cut) continue;
    Socket target = NewSocket();
    if (!target.is_open()) continue;
    if (connect(target.fd(), reinterpret_cast<const sockaddr*>(&link.target), sizeof link.target) != 0 &&
        errno != EINPROGRESS) {
      continue;
    }
    SendAtOnce(caller);
    SendAtOnce(target);
    link.connections.emplace_back(std::move(caller), std::move(target));
  }
}

void Serve(Link& link, absl::Time now) {
  AcceptAll(link);
  if (link.stalled && !link.is_cut) return;
  std::erase_if(link.connections, [&](Connection& each) {
    if (!link.is_cut && each.there.Pump(now, link.delay) && each.back.Pump(now, link.delay)) {
      return each.there.is_over() && each.back.is_over();
    }
    each.caller.Abandon();
    each.target.Abandon();
    return true;
  });
}

// What `link` waits for. A socket that nobody waits for is left out: its hang-up would wake the loop for ever.
void Watch(const Link& link, absl::Time now, std::vector<pollfd>& watched) {
  watched.push_back({.fd = link.listener.fd(), .events = POLLIN, .revents = 0});
  if (link.stalled) return;
  const auto watch = [&](const Socket& socket, const Pipe& out, const Pipe& in) {
    const int events = (out.wants_to_read() ? POLLIN : 0) | (in.wants_to_write(now) ? POLLOUT : 0);
    if (events != 0) watched.push_back({.fd = socket.fd(), .events = static_cast<short>(events), .revents = 0});
  };
  for (const Connection& each : link.connections) {
    watch(each.caller, each.there, each.back);
    watch(each.target, each.back, each.there);
  }
}

absl::Time NextDue(const Link& link, absl::Time now) {
  absl::Time next = absl::InfiniteFuture();
  if (link.stalled) return next;
  for (const Connection& each : link.connections) {
    for (const Pipe* pipe : {&each.there, &each.back}) {
      if (pipe->next_due() > now) next = std::min(next, pipe->next_due());
    }
  }
  return next;
}

}  // namespace

class FaultProxy::Loop {
 public:
  explicit Loop(Socket wake) : wake_(std::move(wake)), thread_([this] { Run(); }) {}

  ~Loop() {
    Change([this] { stopping_ = true; });
    thread_.join();
  }

  void Add(const std::string& name, Socket listener, const sockaddr_in& target) {
    Change([&] { links_.try_emplace(name, std::move(listener), target); });
  }

  template <typename Body>
  void ChangeLink(const std::string& name, Body body) {
    Change([&] {
      if (const auto found = links_.find(name); found != links_.end()) body(found->second);
    });
  }

  template <typename Body>
  void ChangeAll(Body body) {
    Change([&] {
      for (auto& [name, link] : links_) body(link);
    });
  }

 private:
  template <typename Body>
  void Change(Body body) {
    {
      const std::lock_guard lock(mutex_);
      body();
    }
    eventfd_write(wake_.fd(), 1);
  }

  // Every socket is tried whenever anything happened: there are few.
  void Run() {
    while (true) {
      std::vector<pollfd> watched = {{.fd = wake_.fd(), .events = POLLIN, .revents = 0}};
      absl::Time next = absl::InfiniteFuture();
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        const absl::Time now = absl::Now();
        for (auto& [name, link] : links_) Serve(link, now);
        for (const auto& [name, link] : links_) {
          Watch(link, now, watched);
          next = std::min(next, NextDue(link, now));
        }
      }
      const timespec wait = absl::ToTimespec(std::max(next - absl::Now(), absl::ZeroDuration()));
      ppoll(watched.data(), watched.size(), next == absl::InfiniteFuture() ? nullptr : &wait, nullptr);
      eventfd_t changes = 0;
      eventfd_read(wake_.fd(), &changes);
    }
  }

  const Socket wake_;
  std::mutex mutex_;
  std::map<std::string, Link> links_;  // guarded by mutex_; by where they listen
  bool stopping_ = false;              // guarded by mutex_
  std::thread thread_;                 // last: it runs on what is above
};

FaultProxy::FaultProxy(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
FaultProxy::~FaultProxy() = default;

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::Start() {
  Socket wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return Failed("eventfd");
  return std::unique_ptr<FaultProxy>(new FaultProxy(std::make_unique<Loop>(std::move(wake))));
}

absl::StatusOr<std::string> FaultProxy::AddLink(const std::string& target) {
  FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!listener.ok() || bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), kBacklog) != 0) {
    return Failed("cannot listen on loopback");
  }
  return AddLink(target, std::move(listener));
}

absl::StatusOr<std::string> FaultProxy::AddLink(const std::string& target, FileDescriptor listener) {
  ASSIGN_OR_RETURN(const sockaddr_in to, ReadAddress(target));
  sockaddr_in address{};
  socklen_t size = sizeof address;
  char ip[INET_ADDRSTRLEN];
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip) == nullptr) {
    return Failed("the socket has no address");
  }
  const std::string name = absl::StrCat(ip, ":", ntohs(address.sin_port));
  loop_->Add(name, Socket(listener.Release()), to);
  return name;
}

void FaultProxy::Delay(const std::string& link, absl::Duration delay) {
  loop_->ChangeLink(link, [delay](Link& each) { each.delay = delay; });
}

void FaultProxy::Stall(const std::string& link, bool stalled) {
  loop_->ChangeLink(link, [stalled](Link& each) { each.stalled = stalled; });
}

void FaultProxy::Cut(const std::string& link, bool is_cut) {
  loop_->ChangeLink(link, [is_cut](Link& each) { each.is_cut = is_cut; });
}

void FaultProxy::Heal() {
  loop_->ChangeAll([](Link& each) {
    each.delay = absl::ZeroDuration();
    each.stalled = each.is_cut = false;
  });
}

}  // namespace unwind
