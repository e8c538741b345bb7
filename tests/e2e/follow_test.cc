// Two orchestrators share one database, and only the second was started with a definition that follows orders.
// Whichever of them ends an order, the order is followed.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/changed_definitions.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr Node kUnaware = Node::kOrchestrator, kAware = Node::kSecondOrchestrator;

// Reads a product's stock once more: what it does is undone at once, so that the books stay as they are.
constexpr char kFollower[] = R"(saga: look-again
version: 1
follows: [place-order]
on: completed
steps:
  - name: release
    kind: retriable
    action: shop.stock.v1.StockService/Release
    request: { reservation_id: saga.id }
)";

class FollowTest : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    definitions_ = ChangedDefinitions({});
    std::ofstream(definitions_ + "/look_again.yaml") << kFollower;
    ClusterOptions options;
    options.extra_flags = {{kAware, {absl::StrCat("--definitions=", definitions_)}}};
    StartCluster(std::move(options));
    ASSERT_NE(cluster_, nullptr);
    ASSERT_TRUE(IsOk(cluster_->Launch(kAware)));
  }
  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    std::filesystem::remove_all(definitions_);
  }

  // An order at `node`, which then shows the saga that follows it, once that has ended.
  static saga::v1::Saga FollowerOfAnOrderAt(Node node, const std::string& product) {
    Shop shop(*cluster_, node);
    shop::checkout::v1::PlaceOrderResponse placed;
    const grpc::Status status = shop.Place(Shop::Order("mina", product), &placed);
    EXPECT_TRUE(status.ok()) << status.error_message();
    const auto parent = shop.Saga(placed.order_id());
    EXPECT_TRUE(parent.ok()) << parent.status();
    if (!parent.ok()) return {};
    std::vector<std::string> children;
    for (const saga::v1::ChildSaga& child : parent->children()) {
      if (child.definition() == "look-again") children.push_back(child.saga_id());
    }
    if (children.size() != 1) {
      ADD_FAILURE() << "the order has not one such child: " << parent->ShortDebugString();
      return {};
    }
    const auto child = shop.AwaitEnd(children[0], kPatience);
    EXPECT_TRUE(child.ok()) << child.status();
    return child.value_or(saga::v1::Saga());
  }

  inline static std::string definitions_;
};

TEST_F(FollowTest, AnOrderIsFollowedWhicheverInstanceEndsIt) {
  const std::string product = NewProduct(10);
  for (const Node node : {kUnaware, kAware}) {
    SCOPED_TRACE(NodeName(node));
    const saga::v1::Saga child = FollowerOfAnOrderAt(node, product);
    EXPECT_EQ(child.state(), saga::v1::Saga::STATE_COMPLETED);
    EXPECT_EQ(child.key(), child.parent_id());
  }
}

}  // namespace
}  // namespace unwind
