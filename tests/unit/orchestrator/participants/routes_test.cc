#include "orchestrator/participants/routes.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

TEST(RoutesTest, ReadsEveryEntry) {
  const auto routes = ParseRoutes("shop.order.v1.OrderService=127.0.0.1:7, a.B = dns:///b:1,");
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_EQ(*routes, (Routes{{"a.B", "dns:///b:1"}, {"shop.order.v1.OrderService", "127.0.0.1:7"}}));
}

TEST(RoutesTest, ListsEveryBadEntry) {
  const auto routes = ParseRoutes("OrderService=h:1,a.B=,a.C=h:1,a.C=h:2,x/y.z=h:1");
  ASSERT_EQ(routes.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string advice = "; write package.Service=HOST:PORT,...";
  EXPECT_EQ(routes.status().message(), "--participants: \"OrderService=h:1\": no full service name before '='" +
                                           advice + "\n--participants: \"a.B=\": no target after '='" + advice +
                                           "\n--participants: \"a.C=h:2\": a.C has a target already" + advice +
                                           "\n--participants: \"x/y.z=h:1\": no full service name before '='" + advice);
}

TEST(RoutesTest, TakesEveryAddressThatGrpcConnectsTo) {
  for (const char* target : {"localhost:7001", "127.0.0.1:1", "order-svc.shop_1.svc:65535", "[::1]:7001",
                             "dns:///order:7001", "dns://10.0.0.1:53/order:7001", "dns:order:7001", "ipv4:10.0.0.1:80",
                             "ipv6:[2001:db8::1]:80", "unix:/run/order.sock", "unix-abstract:order"}) {
    EXPECT_TRUE(ParseRoutes(absl::StrCat("a.B=", target)).ok()) << target;
  }
}

TEST(RoutesTest, NamesThePartOfATargetThatIsWrong) {
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
      {"unix:", "no path after 'unix:'"},
      {"", "no target after '='"},
  };
  for (const auto& [target, wrong] : bad) {
    const auto routes = ParseRoutes(absl::StrCat("a.B=", target));
    EXPECT_EQ(routes.status().code(), absl::StatusCode::kInvalidArgument) << target;
    EXPECT_THAT(std::string(routes.status().message()), testing::HasSubstr(absl::StrCat("\": ", wrong, ";")));
  }
}

TEST(RoutesTest, FindsTheServiceOfAPath) {
  EXPECT_EQ(ServiceOf("/a.B/C"), "a.B");
  EXPECT_EQ(ServiceOf("a.B/C"), "");
  EXPECT_EQ(ServiceOf("/a.B"), "");
  EXPECT_EQ(ServiceOf(""), "");
}

TEST(RoutesTest, NamesTheStepAndTheServiceWithoutARoute) {
  EXPECT_TRUE(CheckRoutes(FakeDefinition(), {{"shop.order.v1.OrderService", "h:1"}}).ok());
  const absl::Status status = CheckRoutes(FakeDefinition(), {});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "saga place-order version 3, step create_order: --participants does not say where "
            "shop.order.v1.OrderService is; add "
            "shop.order.v1.OrderService=HOST:PORT to --participants");
}

}  // namespace
}  // namespace unwind
