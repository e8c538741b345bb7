#include "tests/support/raw_caller.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "tests/support/raw_peer.h"

namespace unwind {
namespace {

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::size_t kFrameBytesMax = 16384;
constexpr std::int64_t kFirstWindow = 65535;  // until the server says otherwise
constexpr std::uint8_t kResetFrame = 3, kSettingsFrame = 4, kPingFrame = 6, kGoAwayFrame = 7, kWindowFrame = 8;
constexpr std::uint8_t kAck = 1;
constexpr std::uint16_t kInitialWindowSetting = 4;
constexpr std::size_t kSettingBytes = 6;

std::uint32_t ReadNumber(absl::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

// Of stream 0.
std::string Frame(std::uint8_t type, std::uint8_t flags, const std::string& payload) {
  std::string head = {0, 0, static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags)};
  return head + std::string(4, '\0') + payload;
}

}  // namespace

RawCaller::RawCaller(int port) : window_(kFirstWindow), stream_window_(kFirstWindow) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ended_ = connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0;
  Write(kPreface + Frame(kSettingsFrame, 0, ""));
}

RawCaller::~RawCaller() { close(fd_); }

bool RawCaller::Write(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size() && !ended_;) {
    const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) ended_ = true;
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return !ended_;
}

// Whether anything came.
bool RawCaller::Receive(absl::Duration wait) {
  pollfd look = {.fd = fd_, .events = POLLIN, .revents = 0};
  if (ended_ || poll(&look, 1, static_cast<int>(absl::ToInt64Milliseconds(wait))) <= 0) return false;
  std::array<char, 1 << 16> bytes;
  const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
  if (n <= 0) {
    ended_ = true;
    return false;
  }
  received_.append(bytes.data(), static_cast<std::size_t>(n));
  while (received_.size() >= kFrameHeadBytes) {
    const absl::string_view head = received_;
    const std::size_t size = ReadNumber(head.substr(0, 3));
    if (received_.size() < kFrameHeadBytes + size) break;
    const auto type = static_cast<std::uint8_t>(head[3]), flags = static_cast<std::uint8_t>(head[4]);
    Handle(type, flags, ReadNumber(head.substr(5, 4)), received_.substr(kFrameHeadBytes, size));
    received_.erase(0, kFrameHeadBytes + size);
  }
  return true;
}

void RawCaller::Handle(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& payload) {
  if (type == kSettingsFrame && flags != kAck) {
    for (absl::string_view left = payload; left.size() >= kSettingBytes; left.remove_prefix(kSettingBytes)) {
      if (ReadNumber(left.substr(0, 2)) != kInitialWindowSetting) continue;
      const std::int64_t window = ReadNumber(left.substr(2, 4));
      for (auto& [id, each] : streams_) each.window += window - stream_window_;
      stream_window_ = window;
    }
    Write(Frame(kSettingsFrame, kAck, ""));
  } else if (type == kPingFrame && flags != kAck) {
    Write(Frame(kPingFrame, kAck, payload));
  } else if (type == kWindowFrame) {
    const std::int64_t more = ReadNumber(payload);
    if (stream == 0) window_ += more;
    if (const auto it = streams_.find(stream); it != streams_.end()) it->second.window += more;
  } else if (type == kResetFrame) {
    streams_.erase(stream);
  } else if (type == kGoAwayFrame) {
    ended_ = true;
  }
}

std::size_t RawCaller::SendWhatMay() {
  std::size_t sent = 0;
  for (auto& [id, stream] : streams_) {
    const std::int64_t may = std::min(
        {window_, stream.window, static_cast<std::int64_t>(stream.left), static_cast<std::int64_t>(kFrameBytesMax)});
    if (may <= 0) continue;
    if (!Write(h2::Data(id, std::string(static_cast<std::size_t>(may), 'm'), false))) break;
    window_ -= may;
    stream.window -= may;
    stream.left -= static_cast<std::size_t>(may);
    sent += static_cast<std::size_t>(may);
  }
  return sent;
}

std::size_t RawCaller::SendUnfinished(const std::string& path, int calls, std::size_t message_bytes,
                                      std::size_t bytes_per_second, absl::Duration patience) {
  const std::string prefix = h2::Message(std::string(message_bytes, 'm')).substr(0, 5);
  for (int i = 0; i < calls; ++i, next_stream_ += 2) {
    const h2::Fields fields = {{":method", "POST"},    {":scheme", "http"}, {":path", path},
                               {":authority", "here"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
    Write(h2::Headers(next_stream_, fields, false) + h2::Data(next_stream_, prefix, false));
    streams_[next_stream_] = {.window = stream_window_ - 5, .left = message_bytes - 1};
    window_ -= 5;
  }
  std::size_t taken = 0;
  const absl::Time began = absl::Now();
  absl::Time until = began + patience;
  while (!ended_ && absl::Now() < until) {
    const double due = absl::ToDoubleSeconds(absl::Now() - began) * static_cast<double>(bytes_per_second);
    const std::size_t sent = static_cast<double>(taken) > due ? 0 : SendWhatMay();
    taken += sent;
    if (sent > 0) until = absl::Now() + patience;
    Receive(sent > 0 ? absl::ZeroDuration() : absl::Milliseconds(1));
  }
  return taken;
}

}  // namespace unwind
