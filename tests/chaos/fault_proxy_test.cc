#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kAWhile = absl::Milliseconds(200);

// A blocking socket; reads give up after `patience`.
class Tcp {
 public:
  explicit Tcp(int fd, absl::Duration patience = kPatience) : fd_(fd) {
    const timeval wait = absl::ToTimeval(patience);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  }
  ~Tcp() { close(fd_); }
  Tcp(const Tcp&) = delete;
  Tcp& operator=(const Tcp&) = delete;

  int fd() const { return fd_; }
  void Send(const std::string& text) const { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  void End() const { shutdown(fd_, SHUT_WR); }

  // What comes until there are `size` bytes, the end or no patience.
  std::string Read(std::size_t size) const {
    std::string text;
    std::array<char, 4096> buffer;
    while (text.size() < size) {
      const ssize_t got = recv(fd_, buffer.data(), std::min(buffer.size(), size - text.size()), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

  // Whether the other side has ended it, by whatever means.
  bool HasEnded() const {
    char byte = 0;
    const ssize_t got = recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  const int fd_;
};

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

class FaultProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(target_.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(target_.fd(), 8), 0);
    ASSERT_EQ(getsockname(target_.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    auto proxy = FaultProxy::Start();
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    const auto link = proxy_->AddLink(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *link;
  }

  std::unique_ptr<Tcp> Call(absl::Duration patience = kPatience) const {
    auto caller = std::make_unique<Tcp>(socket(AF_INET, SOCK_STREAM, 0), patience);
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(link_.substr(link_.rfind(':') + 1), &port));
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(connect(caller->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return caller;
  }

  std::unique_ptr<Tcp> Accept() const {
    const int fd = accept(target_.fd(), nullptr, nullptr);
    EXPECT_GE(fd, 0);
    return std::make_unique<Tcp>(fd);
  }

  Tcp target_{socket(AF_INET, SOCK_STREAM, 0)};
  std::unique_ptr<FaultProxy> proxy_;
  std::string link_;
};

TEST_F(FaultProxyTest, CarriesBytesBothWaysAndTheEnd) {
  const auto caller = Call();
  const auto called = Accept();
  caller->Send("question");
  caller->End();
  EXPECT_EQ(called->Read(100), "question");
  called->Send("answer");
  EXPECT_EQ(caller->Read(6), "answer");
  called->End();
  EXPECT_TRUE(caller->HasEnded());
}

TEST_F(FaultProxyTest, CarriesMoreThanItKeepsInOrder) {
  const auto caller = Call();
  const auto called = Accept();
  std::string text;
  for (int i = 0; text.size() < (4 << 20); ++i) absl::StrAppend(&text, i, " ");
  std::thread sender([&] { caller->Send(text); });
  EXPECT_TRUE(called->Read(text.size()) == text);
  sender.join();
}

TEST_F(FaultProxyTest, DelaysEveryByte) {
  const auto caller = Call();
  const auto called = Accept();
  proxy_->Delay(link_, kAWhile);
  const absl::Time sent = absl::Now();
  caller->Send("late");
  EXPECT_EQ(called->Read(4), "late");
  EXPECT_GE(absl::Now() - sent, kAWhile);
}

TEST_F(FaultProxyTest, AStalledLinkKeepsBackAndThenGoesOn) {
  proxy_->Stall(link_, true);
  const auto caller = Call(kAWhile);
  caller->Send("kept");
  const auto called = Accept();
  EXPECT_EQ(caller->Read(1), "");
  proxy_->Stall(link_, false);
  EXPECT_EQ(called->Read(4), "kept");
}

TEST_F(FaultProxyTest, ACutLinkEndsWhatIsOpenAndWhatComesUntilItIsHealed) {
  const auto caller = Call();
  const auto called = Accept();
  proxy_->Cut(link_, true);
  EXPECT_TRUE(caller->HasEnded());
  EXPECT_TRUE(called->HasEnded());
  EXPECT_TRUE(Call()->HasEnded());
  proxy_->Heal();
  const auto again = Call();
  again->Send("again");
  EXPECT_EQ(Accept()->Read(5), "again");
}

TEST_F(FaultProxyTest, ACallOfATargetThatIsDownEnds) {
  const auto down = proxy_->AddLink("127.0.0.1:1");
  ASSERT_TRUE(down.ok());
  link_ = *down;
  EXPECT_TRUE(Call()->HasEnded());
}

TEST_F(FaultProxyTest, TellsOfATargetThatIsNone) {
  EXPECT_EQ(proxy_->AddLink("localhost:1").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(proxy_->AddLink("127.0.0.1:0").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(proxy_->AddLink("127.0.0.1").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace unwind
