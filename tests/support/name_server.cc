#include "tests/support/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace unwind {
namespace {

// RFC 1035, section 4.1.
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kQueryBytesMax = 512;
constexpr std::uint16_t kAnswer = 0x8400;  // of an authority
constexpr std::uint16_t kNoSuchName = 3;
constexpr std::uint16_t kTypeA = 1, kClassInternet = 1;
constexpr std::uint16_t kNameOfTheQuestion = 0xc000 | kHeaderBytes;

std::string Number(std::uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string Record(const std::string& address) {
  in_addr parsed = {};
  CHECK(inet_pton(AF_INET, address.c_str(), &parsed) == 1);
  return absl::StrCat(Number(kNameOfTheQuestion), Number(kTypeA), Number(kClassInternet), std::string(4, '\0'),
                      Number(sizeof parsed), std::string(reinterpret_cast<const char*>(&parsed), sizeof parsed));
}

sockaddr_in AddressOf(const FileDescriptor& socket) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  CHECK(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return address;
}

}  // namespace

NameServer::NameServer() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
  thread_ = std::thread([this] { Run(); });
}

NameServer::~NameServer() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  const sockaddr_in own = AddressOf(socket_);
  sendto(socket_.get(), "", 0, 0, reinterpret_cast<const sockaddr*>(&own), sizeof own);  // wakes it
  thread_.join();
}

std::string NameServer::address() const { return absl::StrCat("127.0.0.1:", ntohs(AddressOf(socket_).sin_port)); }

void NameServer::Set(std::vector<std::string> addresses) {
  std::lock_guard lock(mutex_);
  addresses_ = std::move(addresses);
}

int NameServer::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

// Of a query with one question, as resolvers send it; what stands behind that is left away.
std::string NameServer::AnswerTo(const std::string& query) {
  const std::size_t name_end = query.find('\0', kHeaderBytes);
  CHECK(name_end != std::string::npos && query.size() >= name_end + 5);
  const std::string question = query.substr(kHeaderBytes, name_end + 5 - kHeaderBytes);
  const bool is_for_ipv4 = query.substr(name_end + 1, 2) == Number(kTypeA);
  std::lock_guard lock(mutex_);
  asked_ += is_for_ipv4;
  const std::uint16_t flags = addresses_.empty() ? kAnswer | kNoSuchName : kAnswer;
  const std::size_t records = is_for_ipv4 ? addresses_.size() : 0;
  std::string answer = absl::StrCat(query.substr(0, 2), Number(flags), Number(1),
                                    Number(static_cast<std::uint16_t>(records)), Number(0), Number(0), question);
  for (std::size_t i = 0; i < records; ++i) answer += Record(addresses_[i]);
  return answer;
}

void NameServer::Run() {
  std::array<char, kQueryBytesMax> query;
  for (;;) {
    sockaddr_in from = {};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(socket_.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
    }
    if (got < static_cast<ssize_t>(kHeaderBytes)) continue;
    const std::string answer = AnswerTo(std::string(query.data(), static_cast<std::size_t>(got)));
    sendto(socket_.get(), answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
  }
}

}  // namespace unwind
