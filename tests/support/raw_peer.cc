#include "tests/support/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <thread>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "common/base/check.h"

namespace unwind {
namespace {

constexpr std::size_t kPrefaceBytes = 24;
constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::size_t kFrameBytesMax = 16384;
constexpr std::size_t kOutMax = 1 << 20;  // bytes waiting for the socket, before more data is made
constexpr std::int64_t kWindow = 65535;   // until the receiver says otherwise
constexpr std::size_t kMessagePrefixBytes = 5;

enum FrameType : std::uint8_t {
  kDataFrame = 0,
  kHeadersFrame = 1,
  kResetFrame = 3,
  kSettingsFrame = 4,
  kPingFrame = 6,
  kGoAwayFrame = 7,
  kWindowFrame = 8,
  kContinuationFrame = 9,
};
constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;
constexpr std::uint16_t kInitialWindowSetting = 4;

std::string Number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

std::uint32_t ReadNumber(absl::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::string Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& payload) {
  return Number(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) + Number(stream, 4) + payload;
}

// HPACK's text of a plain string: its length in a prefix of seven bits, then its bytes.
std::string Literal(const std::string& text) {
  std::string out;
  std::size_t rest = text.size();
  if (rest < 127) return static_cast<char>(rest) + text;
  out.push_back(127);
  for (rest -= 127; rest >= 128; rest >>= 7) out.push_back(static_cast<char>(0x80 | (rest & 0x7f)));
  out.push_back(static_cast<char>(rest));
  return out + text;
}

}  // namespace

namespace h2 {

std::string Headers(std::uint32_t stream, const Fields& fields, bool ends_stream) {
  std::string block;
  for (const auto& [name, value] : fields) block += '\0' + Literal(name) + Literal(value);  // never indexed anywhere
  std::string frames;
  std::uint8_t type = kHeadersFrame;
  do {
    const std::string piece = block.substr(0, kFrameBytesMax);
    block.erase(0, piece.size());
    const int flags = (block.empty() ? kEndHeaders : 0) | (type == kHeadersFrame && ends_stream ? kEndStream : 0);
    frames += Frame(type, static_cast<std::uint8_t>(flags), stream, piece);
    type = kContinuationFrame;
  } while (!block.empty());
  return frames;
}

std::string Data(std::uint32_t stream, const std::string& bytes, bool ends_stream) {
  return Frame(kDataFrame, ends_stream ? kEndStream : 0, stream, bytes);
}

std::string ResetStream(std::uint32_t stream, std::uint32_t error) {
  return Frame(kResetFrame, 0, stream, Number(error, 4));
}

std::string GoAway(std::uint32_t last_stream, std::uint32_t error) {
  return Frame(kGoAwayFrame, 0, 0, Number(last_stream, 4) + Number(error, 4));
}

std::string Begin(std::uint32_t stream) {
  return Headers(stream, {{":status", "200"}, {"content-type", "application/grpc"}}, false);
}

std::string Message(const std::string& bytes, bool compressed) {
  return static_cast<char>(compressed ? 1 : 0) + Number(bytes.size(), 4) + bytes;
}

}  // namespace h2

namespace {

// One that was accepted: what came of its calls, and what is still to be sent.
class Connection {
 public:
  Connection(int fd, const RawPeer::Script& script) : fd_(fd), script_(script) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    out_ = Frame(kSettingsFrame, 0, 0, "");
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool is_over() const { return over_; }
  bool wants_to_write() const { return !out_.empty(); }

  absl::Time next_due() const {
    absl::Time due = absl::InfiniteFuture();
    for (const auto& [stream, call] : calls_) {
      if (!call.acts.empty() && !call.waits_for_window) due = std::min(due, call.due);
    }
    return due;
  }

  void Read() {
    std::array<char, 65536> buffer;
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      over_ = true;
      return;
    }
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    if (!greeted_) {
      if (in_.size() < kPrefaceBytes) return;
      in_.erase(0, kPrefaceBytes);
      greeted_ = true;
    }
    std::size_t at = 0;
    while (in_.size() - at >= kFrameHeadBytes) {
      const absl::string_view head(in_.data() + at, kFrameHeadBytes);
      const std::size_t length = ReadNumber(head.substr(0, 3));
      if (in_.size() - at < kFrameHeadBytes + length) break;
      Take(static_cast<std::uint8_t>(head[3]), static_cast<std::uint8_t>(head[4]),
           ReadNumber(head.substr(5)) & 0x7fffffff, in_.substr(at + kFrameHeadBytes, length));
      at += kFrameHeadBytes + length;
    }
    in_.erase(0, at);
  }

  void Write() {
    const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      over_ = errno != EAGAIN;
      return;
    }
    out_.erase(0, static_cast<std::size_t>(sent));
  }

  // Does what is due.
  void Play(absl::Time now) {
    for (auto& [stream, call] : calls_) {
      while (!over_ && !call.acts.empty() && call.due <= now && Do(stream, call)) {
        call.acts.pop_front();
        if (!call.acts.empty()) call.due = now + call.acts.front().after;
      }
    }
    std::erase_if(calls_, [](const auto& entry) { return entry.second.was_asked && entry.second.acts.empty(); });
  }

 private:
  struct Call {
    std::string request;
    bool was_asked = false;
    std::deque<RawPeer::Act> acts;
    absl::Time due;
    std::int64_t window = 0;
    bool waits_for_window = false;
    std::size_t sent = 0;  // of the first act's data
  };

  Call& CallOf(std::uint32_t stream) {
    const auto [it, is_new] = calls_.try_emplace(stream);
    if (is_new) it->second.window = initial_window_;
    return it->second;
  }

  void Take(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& payload) {
    if (type == kHeadersFrame) CallOf(stream);
    if (type == kSettingsFrame && (flags & kAck) == 0) TakeSettings(payload);
    if (type == kPingFrame && (flags & kAck) == 0) out_ += Frame(kPingFrame, kAck, 0, payload);
    if (type == kResetFrame) calls_.erase(stream);
    if (type == kWindowFrame) TakeWindow(stream, ReadNumber(payload));
    if (type == kDataFrame) TakeData(stream, payload);
    if ((type == kDataFrame || type == kHeadersFrame) && (flags & kEndStream) != 0) Ask(stream);
  }

  void TakeSettings(const std::string& payload) {
    for (std::size_t at = 0; at + 6 <= payload.size(); at += 6) {
      const absl::string_view setting(payload.data() + at, 6);
      if (ReadNumber(setting.substr(0, 2)) != kInitialWindowSetting) continue;
      const std::int64_t window = ReadNumber(setting.substr(2));
      for (auto& [stream, call] : calls_) call.window += window - initial_window_;
      initial_window_ = window;
    }
    out_ += Frame(kSettingsFrame, kAck, 0, "");
  }

  void TakeWindow(std::uint32_t stream, std::int64_t more) {
    if (stream == 0) {
      window_ += more;
    } else if (const auto it = calls_.find(stream); it != calls_.end()) {
      it->second.window += more;
    }
    for (auto& [number, call] : calls_) call.waits_for_window = false;
  }

  void TakeData(std::uint32_t stream, const std::string& payload) {
    CallOf(stream).request += payload;
    if (payload.empty()) return;
    const std::string more = Number(payload.size(), 4);
    out_ += Frame(kWindowFrame, 0, 0, more) + Frame(kWindowFrame, 0, stream, more);
  }

  void Ask(std::uint32_t stream) {
    Call& call = CallOf(stream);
    call.was_asked = true;
    const std::size_t prefix = std::min(call.request.size(), kMessagePrefixBytes);
    std::vector<RawPeer::Act> acts = script_(stream, call.request.substr(prefix));
    call.acts.assign(std::make_move_iterator(acts.begin()), std::make_move_iterator(acts.end()));
    if (!call.acts.empty()) call.due = absl::Now() + call.acts.front().after;
  }

  // False: not done yet.
  bool Do(std::uint32_t stream, Call& call) {
    RawPeer::Act& act = call.acts.front();
    switch (act.kind) {
      case RawPeer::Act::Kind::kSend:
        out_ += act.bytes;
        return true;
      case RawPeer::Act::Kind::kData: {
        const auto left = static_cast<std::int64_t>(act.bytes.size() - call.sent);
        const std::int64_t allowed = std::min({window_, call.window, left, static_cast<std::int64_t>(kFrameBytesMax)});
        call.waits_for_window = allowed <= 0 && left > 0;
        if (call.waits_for_window || out_.size() > kOutMax) return false;
        out_ += h2::Data(stream, act.bytes.substr(call.sent, static_cast<std::size_t>(allowed)), false);
        call.sent += static_cast<std::size_t>(allowed);
        window_ -= allowed;
        call.window -= allowed;
        if (allowed < left) return false;
        call.sent = 0;
        return true;
      }
      case RawPeer::Act::Kind::kReset: {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        over_ = true;
        return false;
      }
      case RawPeer::Act::Kind::kClose:
        Write();
        over_ = true;
        return false;
    }
    return true;
  }

  const int fd_;
  const RawPeer::Script& script_;
  std::string in_, out_;
  bool greeted_ = false;
  bool over_ = false;
  std::int64_t window_ = kWindow, initial_window_ = kWindow;
  std::map<std::uint32_t, Call> calls_;
};

}  // namespace

class RawPeer::Loop {
 public:
  explicit Loop(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t length = sizeof address;
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    CHECK(listen(listener_, 128) == 0);
    stop_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { Run(); });
  }

  ~Loop() {
    CHECK(eventfd_write(stop_, 1) == 0);
    thread_.join();
    close(listener_);
    close(stop_);
  }

  int port() const { return port_; }

 private:
  void Run() {
    while (true) {
      std::vector<pollfd> fds = {{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
      absl::Time due = absl::InfiniteFuture();
      for (const Connection& each : connections_) {
        fds.push_back({each.fd(), static_cast<short>(POLLIN | (each.wants_to_write() ? POLLOUT : 0)), 0});
        due = std::min(due, each.next_due());
      }
      const absl::Duration wait = std::clamp(due - absl::Now(), absl::ZeroDuration(), absl::Seconds(10));
      poll(fds.data(), fds.size(),
           static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)))));
      if (fds[0].revents != 0) return;
      std::size_t i = 2;
      for (Connection& each : connections_) {
        const short seen = fds[i++].revents;
        if ((seen & (POLLIN | POLLHUP | POLLERR)) != 0) each.Read();
        if (!each.is_over()) each.Play(absl::Now());
        if (!each.is_over() && each.wants_to_write() && (seen & POLLOUT) != 0) each.Write();
      }
      connections_.remove_if([](const Connection& each) { return each.is_over(); });
      if (fds[1].revents != 0) {
        if (const int fd = accept(listener_, nullptr, nullptr); fd >= 0) connections_.emplace_back(fd, script_);
      }
    }
  }

  const Script script_;
  int listener_ = -1, stop_ = -1;
  int port_ = 0;
  std::list<Connection> connections_;
  std::thread thread_;
};

RawPeer::RawPeer(Script script) : loop_(std::make_unique<Loop>(std::move(script))) {}
RawPeer::~RawPeer() = default;

std::string RawPeer::address() const { return "127.0.0.1:" + std::to_string(loop_->port()); }

}  // namespace unwind
