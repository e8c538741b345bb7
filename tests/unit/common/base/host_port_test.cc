#include "common/base/host_port.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(HostPort, IsReadFromNamesAndAddresses) {
  struct Example {
    const char* text;
    const char* host;
    int port;
  };
  for (const Example& example :
       {Example{"127.0.0.1:7000", "127.0.0.1", 7000}, Example{"orders.internal:0", "orders.internal", 0},
        Example{"my_svc-1:65535", "my_svc-1", 65535}, Example{"[::1]:7", "::1", 7},
        Example{"[fe80::1%eth0]:7", "fe80::1%eth0", 7}}) {
    const absl::StatusOr<HostPort> address = ParseHostPort(example.text);
    ASSERT_TRUE(address.ok()) << example.text << ": " << address.status();
    EXPECT_EQ(address->host, example.host);
    EXPECT_EQ(address->port, example.port);
  }
}

TEST(HostPort, SaysWhatIsWrong) {
  struct Example {
    const char* text;
    const char* finding;
  };
  for (const Example& example :
       {Example{"", "has no port"}, Example{"localhost", "has no port"},
        Example{"localhost:", "has no port from 0 to 65535"}, Example{"a:99999", "has no port from 0 to 65535"},
        Example{"a:-1", "has no port from 0 to 65535"}, Example{"a:+1", "has no port from 0 to 65535"},
        Example{"a: 1", "has no port from 0 to 65535"}, Example{"a:1 ", "has no port from 0 to 65535"},
        Example{":7000", "has no host"}, Example{"a b:1", "characters other than"},
        Example{"http://a:1", "characters other than"}, Example{"::1:7000", "characters other than"},
        Example{"a\n:1", "characters other than"}, Example{"[]:1", "no IPv6 address"},
        Example{"[::1:1", "no IPv6 address"}, Example{"[a b]:1", "no IPv6 address"}}) {
    const absl::StatusOr<HostPort> address = ParseHostPort(example.text);
    ASSERT_FALSE(address.ok()) << example.text;
    EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr(example.finding)) << example.text;
    EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr("write HOST:PORT, as in 127.0.0.1:7000"));
  }
}

}  // namespace
}  // namespace unwind
