#include "orchestrator/participants/routes.h"

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

TEST(RoutesTest, ReadsTheCopiesOfAService) {
  const auto routes = ParseRoutes("a.B=ipv4:10.0.0.1:7, 10.0.0.2:7,a.C=ipv6:[::1]:7,[::2]:7,a.D=h:1");
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_EQ(*routes, (Routes{{"a.B", "ipv4:10.0.0.1:7,10.0.0.2:7"}, {"a.C", "ipv6:[::1]:7,[::2]:7"}, {"a.D", "h:1"}}));
  EXPECT_EQ(ParseRoutes("a.B=h:1,h:2").status().message(),
            "--participants: \"h:2\": no full service name before '='; write package.Service=HOST:PORT,...");
  EXPECT_EQ(ParseRoutes("a.B=ipv4:h:1,h").status().message(),
            "--participants: \"a.B=ipv4:h:1,h\": \"h\" has no port; write package.Service=HOST:PORT,...");
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

TEST(RoutesTest, SaysWhatIsWrongWithATarget) {
  EXPECT_EQ(ParseRoutes("a.B=localhost").status().message(),
            "--participants: \"a.B=localhost\": \"localhost\" has no port; write package.Service=HOST:PORT,...");
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
