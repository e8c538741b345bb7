#include "common/base/target.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(Target, IsEveryAddressThatGrpcConnectsTo) {
  for (const char* target :
       {"localhost:7001", "127.0.0.1:1", "order-svc.shop_1.svc:65535", "[::1]:7001", "dns:///order:7001",
        "dns://10.0.0.1:53/order:7001", "dns:order:7001", "ipv4:10.0.0.1:80", "ipv6:[2001:db8::1]:80",
        "ipv4:10.0.0.1:80,10.0.0.2:81", "unix:/run/order.sock", "unix-abstract:order"}) {
    EXPECT_EQ(CheckTarget(target), absl::OkStatus()) << target;
  }
}

TEST(Target, IsToldWhichPartOfItIsWrong) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"localhost", "\"localhost\" has no port"},
      {"localhost:", "\"\" is not a port of 1 to 65535"},
      {"localhost:0", "\"0\" is not a port of 1 to 65535"},
      {"localhost:99999", "\"99999\" is not a port of 1 to 65535"},
      {"localhost:70a", "\"70a\" is not a port of 1 to 65535"},
      {"localhost:+7", "\"+7\" is not a port of 1 to 65535"},
      {":7001", "\"\" is not a host; an IPv6 address stands in brackets"},
      {"::1:7001", "\"::1\" is not a host; an IPv6 address stands in brackets"},
      {"a/b:7001", "\"a/b\" is not a host; an IPv6 address stands in brackets"},
      {"http://localhost:7001", "the scheme \"http\" is not one of gRPC's; leave it away"},
      {"dns://order:7001", "no '/' before the host: dns:///HOST:PORT"},
      {"dns:///order", "\"order\" has no port"},
      {"foo bar:1", "a space or a character that is not printable in the target"},
      {"foo\nbar:1", "a space or a character that is not printable in the target"},
      {"ipv4:10.0.0.1:80,10.0.0.2", "\"10.0.0.2\" has no port"},
      {"unix:", "no path after 'unix:'"},
      {"", "\"\" has no port"},
  };
  for (const auto& [target, wrong] : bad) {
    EXPECT_EQ(CheckTarget(target), absl::InvalidArgumentError(wrong)) << target;
  }
}

TEST(Target, IsOfThisMachineAloneOrNot) {
  for (const char* target :
       {"localhost:1", "127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1",
        "dns:///localhost:1", "dns:localhost:1", "unix:/run/a", "unix-abstract:a"}) {
    EXPECT_TRUE(IsLoopbackTarget(target)) << target;
  }
  for (const char* target : {"order:1", "10.0.0.1:1", "[::2]:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns:///order:1",
                             "dns://127.0.0.1/order:1", "localhost.example:1"}) {
    EXPECT_FALSE(IsLoopbackTarget(target)) << target;
  }
}

TEST(Target, StandsForOneAddressOrForSeveral) {
  for (const char* target :
       {"127.0.0.1:1", "10.0.0.1:1", "[::2]:1", "ipv4:10.0.0.1:1", "ipv6:[::2]:1", "unix:/run/a"}) {
    EXPECT_TRUE(IsOneAddress(target)) << target;
  }
  for (const char* target : {"localhost:1", "order:1", "dns:///order:1", "ipv4:10.0.0.1:1,10.0.0.2:1"}) {
    EXPECT_FALSE(IsOneAddress(target)) << target;
  }
}

TEST(Target, MayBeLeftOutWhereThatIsSaid) {
  EXPECT_TRUE(CheckTargetOrNone("").ok());
  EXPECT_FALSE(CheckTargetOrNone("localhost").ok());
}

}  // namespace
}  // namespace unwind
