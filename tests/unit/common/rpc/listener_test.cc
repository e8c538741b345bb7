#include "common/rpc/listener.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_descriptor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/free_files.h"
#include "tests/support/poll.h"
#include "tests/support/wall_clock.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

FileDescriptor NewSocket() { return FileDescriptor(socket(AF_INET, SOCK_STREAM, 0)); }

sockaddr_in AddressOf(in_addr_t host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(host);
  return address;
}

bool Connect(const FileDescriptor& socket, int port) {
  const sockaddr_in address = AddressOf(INADDR_LOOPBACK, port);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

FileDescriptor Connected(int port) {
  FileDescriptor socket = NewSocket();
  EXPECT_TRUE(Connect(socket, port));
  return socket;
}

// From another host, as the listener sees it.
FileDescriptor ConnectedFrom(in_addr_t host, int port) {
  FileDescriptor socket = NewSocket();
  const sockaddr_in address = AddressOf(host, 0);
  EXPECT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_TRUE(Connect(socket, port));
  return socket;
}

// Whether the other side closed it, within the patience.
bool IsClosed(const FileDescriptor& socket) {
  return Eventually(kPatience, [&socket] {
    char byte;
    const ssize_t got = recv(socket.get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  });
}

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() : listener_(*Listener::Bind("127.0.0.1:0")) {}
  ~ListenerTest() override { listener_->Stop(); }

  void Start(std::size_t connections_max) { Start(connections_max, connections_max); }
  void Start(std::size_t connections_max, std::size_t of_one_host_max) {
    listener_->Start(connections_max, of_one_host_max, [this](int connection) {
      std::lock_guard lock(mutex_);
      taken_.emplace_back(connection);
    });
  }

  bool TakesUpTo(std::size_t count) {
    return Eventually(kPatience, [&] {
      std::lock_guard lock(mutex_);
      return taken_.size() == count;
    });
  }

  void CloseOne() {
    std::lock_guard lock(mutex_);
    taken_.pop_back();
  }

  const std::unique_ptr<Listener> listener_;
  std::mutex mutex_;
  std::vector<FileDescriptor> taken_;
};

TEST_F(ListenerTest, HandsOverConnectionsAlsoThoseThatCameBeforeItStarted) {
  const FileDescriptor early = Connected(listener_->port());
  Start(10);
  EXPECT_TRUE(TakesUpTo(1));
  const FileDescriptor late = Connected(listener_->port());
  EXPECT_TRUE(TakesUpTo(2));
}

TEST_F(ListenerTest, ClosesWhatIsOverItsNumberUntilOneIsGone) {
  Start(2);
  const FileDescriptor first = Connected(listener_->port()), second = Connected(listener_->port());
  ASSERT_TRUE(TakesUpTo(2));
  EXPECT_TRUE(IsClosed(Connected(listener_->port())));
  CloseOne();
  ASSERT_TRUE(TakesUpTo(1));
  FileDescriptor again;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    again = Connected(listener_->port());
    std::lock_guard lock(mutex_);
    return taken_.size() == 2;
  }));
}

TEST_F(ListenerTest, OneHostLeavesTheOthersTheirPart) {
  Start(4, 2);
  constexpr in_addr_t kOther = INADDR_LOOPBACK + 1;
  const FileDescriptor first = Connected(listener_->port()), second = Connected(listener_->port());
  ASSERT_TRUE(TakesUpTo(2));
  EXPECT_TRUE(IsClosed(Connected(listener_->port())));
  const FileDescriptor third = ConnectedFrom(kOther, listener_->port());
  ASSERT_TRUE(TakesUpTo(3));
  CloseOne();  // the other's
  std::vector<FileDescriptor> again;
  EXPECT_TRUE(Eventually(kPatience, [&] {  // of those that it had only the open ones count
    again.push_back(ConnectedFrom(kOther, listener_->port()));
    std::lock_guard lock(mutex_);
    return taken_.size() == 4;
  }));
  EXPECT_TRUE(IsClosed(ConnectedFrom(kOther + 1, listener_->port()))) << "the port is full";
}

TEST_F(ListenerTest, AHostThatLetsOneGoMayHaveAnother) {
  Start(4, 2);
  const FileDescriptor first = Connected(listener_->port()), second = Connected(listener_->port());
  ASSERT_TRUE(TakesUpTo(2));
  CloseOne();
  FileDescriptor again;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    again = Connected(listener_->port());
    std::lock_guard lock(mutex_);
    return taken_.size() == 2;
  }));
}

// How many are open is counted once in a while, by a clock that must not be set back meanwhile.
TEST_F(ListenerTest, CountsWhatIsOpenThoughTheClockIsSetBack) {
  Start(1);
  const FileDescriptor first = Connected(listener_->port());
  ASSERT_TRUE(TakesUpTo(1));
  EXPECT_TRUE(IsClosed(Connected(listener_->port())));
  CloseOne();
  const WallClockSetBack back(absl::Hours(1));
  FileDescriptor again;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    again = Connected(listener_->port());
    std::lock_guard lock(mutex_);
    return taken_.size() == 1;
  }));
}

// While connections come as fast as they are accepted, here one for each that is.
TEST(Listener, AFloodDoesNotKeepItFromStopping) {
  auto bound = Listener::Bind("127.0.0.1:0");
  ASSERT_TRUE(bound.ok()) << bound.status();
  Listener& listener = **bound;
  std::atomic<int> accepted = 0;
  std::atomic<bool> floods = true;
  std::vector<FileDescriptor> flood;
  listener.Start(1'000'000, 1'000'000, [&](int connection) {
    const FileDescriptor closed(connection);
    ++accepted;
    if (!floods) return;
    flood.push_back(NewSocket());
    EXPECT_TRUE(Connect(flood.back(), listener.port()));
    if (flood.size() == 500) flood.clear();
  });
  const FileDescriptor first = Connected(listener.port());
  EXPECT_TRUE(Eventually(kPatience, [&] { return accepted > 1000; }));
  std::promise<void> stopped;
  std::thread stopping([&] {
    listener.Stop();
    stopped.set_value();
  });
  const auto status = stopped.get_future().wait_for(absl::ToChronoSeconds(kPatience));
  EXPECT_EQ(status, std::future_status::ready);
  floods = false;
  stopping.join();
}

TEST_F(ListenerTest, RefusesAtOnceWithoutAFreeFileDescriptorAndGoesOnOnceThereIsOne) {
  Start(100);
  const FileDescriptor first = NewSocket(), second = NewSocket();
  {
    const FreeFiles none(0);
    ASSERT_TRUE(Connect(first, listener_->port()));
    EXPECT_TRUE(IsClosed(first));
    ASSERT_TRUE(Connect(second, listener_->port()));
    EXPECT_TRUE(IsClosed(second));
  }
  FileDescriptor third;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    third = Connected(listener_->port());
    std::lock_guard lock(mutex_);
    return !taken_.empty();
  }));
}

TEST_F(ListenerTest, FreesItsAddressWhenItStops) {
  Start(10);
  const std::string address = absl::StrCat("127.0.0.1:", listener_->port());
  EXPECT_EQ(Listener::Bind(address).status().message(), "Address already in use");
  listener_->Stop();
  EXPECT_TRUE(Listener::Bind(address).ok());
}

TEST(Listener, TakesOnePortForAllAddressesOfAName) {
  const auto listener = Listener::Bind("localhost:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  (*listener)->Start(1, 1, [](int connection) { FileDescriptor closed(connection); });
  EXPECT_TRUE(IsClosed(Connected((*listener)->port())));
}

TEST(Listener, SaysWhyItHasNoSocketAndDoesNotListenWithoutAWayToStop) {
  {
    const FreeFiles none(0);
    EXPECT_EQ(Listener::Bind("127.0.0.1:0").status().message(), "Too many open files");
  }
  const FreeFiles one(1);
  EXPECT_EQ(Listener::Bind("127.0.0.1:0").status().message(), "Too many open files");
}

TEST(Listener, SaysWhyItCannotListen) {
  EXPECT_THAT(std::string(Listener::Bind("192.0.2.1:0").status().message()),
              testing::HasSubstr("Cannot assign requested address"));
  EXPECT_THAT(std::string(Listener::Bind("no-such-host.invalid:0").status().message()),
              testing::HasSubstr("the host no-such-host.invalid is not known"));
  EXPECT_THAT(std::string(Listener::Bind("localhost").status().message()), testing::HasSubstr("has no port"));
}

}  // namespace
}  // namespace unwind
