// Version 2 of the shop's definitions comes while orders and a cancel run on version 1, which knew no coupons, wallets
// and followers.
#include <filesystem>
#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr std::int64_t kPrice = 20'000, kEarned = 200;

class DefinitionUpgrade : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDir();
    Serve("tests/e2e/upgrade/before");
    ClusterOptions options;
    options.definitions = Sagas();
    StartCluster(std::move(options));
  }
  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    delete folder_;
  }

  static std::string Sagas() { return folder_->File("sagas"); }
  // From the next start on.
  static void Serve(const std::string& sagas) {
    std::filesystem::remove_all(Sagas());
    std::filesystem::copy(sagas, Sagas());
  }

  int VersionOf(const std::string& order_id) {
    const auto saga = shop_.Saga(order_id);
    EXPECT_TRUE(saga.ok()) << saga.status();
    return saga.ok() ? saga->definition_version() : 0;
  }
  static CancelOrderRequest CancelOf(const std::string& order_id, const std::string& member) {
    CancelOrderRequest request;
    request.set_request_id(NewKey());
    request.set_order_id(order_id);
    request.set_member_id(member);
    return request;
  }
  std::int64_t PointsOf(const std::string& member) {
    const auto purse = Wares(*cluster_).Purse(member);
    EXPECT_TRUE(purse.ok()) << purse.status();
    return purse.ok() ? purse->points().minor_units() : -1;
  }

  inline static TempDir* folder_ = nullptr;
};

TEST_F(DefinitionUpgrade, WhatRunsEndsOnTheVersionThatItBeganOnAndOrdersAreFollowed) {
  const std::string product = NewProduct(10, kPrice);
  const PlaceOrderRequest before = Shop::Order("mina", product);
  PlaceOrderResponse placed, unwanted;
  ASSERT_TRUE(shop_.Place(before, &placed).ok());
  ASSERT_TRUE(shop_.Place(Shop::Order("yuna", product), &unwanted).ok());
  pg::v1::Scenario slow;
  slow.set_delay_ms(500);
  ASSERT_TRUE(IsOk(shop_.SetScenario(slow)));
  const PlaceOrderRequest during = Shop::Order("juno", product);
  const auto placing = shop_.Begin(during);
  const std::string running = placing->SagaId(kPatience);
  ASSERT_TRUE(shop_.AwaitStepSent(running, "charge", kPatience));
  // Neither the order nor the cancel ends without it.
  cluster_->Kill(Node::kStock);
  const CancelOrderRequest cancel = CancelOf(unwanted.order_id(), "yuna");
  auto cancelling = std::async(std::launch::async, [&] {
    CancelOrderResponse ignored;
    return shop_.Cancel(cancel, &ignored);
  });
  absl::StatusOr<saga::v1::Saga> undoing = absl::NotFoundError("not asked yet");
  ASSERT_TRUE(Eventually(kPatience, [&] {
    undoing = shop_.SagaOfKey("cancel-order", cancel.request_id());
    return undoing.ok();
  }));
  ASSERT_TRUE(shop_.AwaitStepSent(undoing->saga_id(), "return_sold", kPatience));
  cluster_->Kill(Node::kOrchestrator);
  placing->Wait();
  EXPECT_FALSE(cancelling.get().ok());
  Serve("orchestrator/sagas");
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kOrchestrator)));
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kStock)));
  ASSERT_TRUE(IsOk(shop_.SetScenario({})));

  PlaceOrderResponse ended;
  ASSERT_TRUE(shop_.Place(during, &ended).ok());
  EXPECT_EQ(ended.order_id(), running);
  EXPECT_EQ(VersionOf(running), 1);
  CancelOrderResponse undone;
  grpc::Status status;
  ASSERT_TRUE(Eventually(kPatience, [&] { return !AskAgain(status = shop_.Cancel(cancel, &undone)); }));
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(undone.refunded().minor_units(), kPrice);
  EXPECT_EQ(VersionOf(undoing->saga_id()), 1);
  EXPECT_EQ(shop_.GetOrder(unwanted.order_id())->state(), shop::order::v1::Order::STATE_CANCELLED);
  PlaceOrderResponse again;
  ASSERT_TRUE(shop_.Place(before, &again).ok());
  EXPECT_EQ(again.SerializeAsString(), placed.SerializeAsString());
  PlaceOrderResponse newer;
  ASSERT_TRUE(shop_.Place(Shop::Order("hana", product), &newer).ok());
  EXPECT_EQ(VersionOf(newer.order_id()), 2);
  ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  EXPECT_EQ(PointsOf("mina"), 0) << "it had ended";
  EXPECT_EQ(PointsOf("juno"), kEarned);
  EXPECT_EQ(PointsOf("hana"), kEarned);

  // Each is cancelled by version 2.
  for (const auto& [order_id, member] : {std::pair(placed.order_id(), "mina"), std::pair(running, "juno")}) {
    CancelOrderResponse cancelled;
    status = shop_.Cancel(CancelOf(order_id, member), &cancelled);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(cancelled.refunded().minor_units(), kPrice);
    EXPECT_EQ(PointsOf(member), 0);
  }
}

}  // namespace
}  // namespace unwind
