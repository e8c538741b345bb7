// Processes that die or end at a bad moment, and what the books say afterwards.
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderResponse;
using OrderProto = shop::order::v1::Order;

constexpr int kOrders = 24;

class Recovery : public ShopTest {
 protected:
  void SetDelay(int millis) {
    pg::v1::Scenario scenario;
    scenario.set_delay_ms(millis);
    ASSERT_TRUE(IsOk(shop_.SetScenario(scenario)));
  }

  // Begins orders by as many members, and returns when each has been accepted as a saga.
  void BeginOrders(const std::string& product) {
    for (int i = 0; i < kOrders; ++i) {
      requests_.push_back(Shop::Order("member-" + std::to_string(i), product));
      calls_.push_back(shop_.Begin(requests_.back(), kPatience));
    }
    for (const auto& call : calls_) {
      saga_ids_.push_back(call->SagaId(kPatience));
      ASSERT_NE(saga_ids_.back(), "");
    }
  }

  // Every buyer insists with the same request_id until there is an answer, which must be PAID, by the first saga.
  void ExpectAllPaid() {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      calls_[i]->Wait();
      PlaceOrderResponse response;
      const grpc::Status status = shop_.Place(requests_[i], &response, kPatience);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(response.order_id(), saga_ids_[i]);
    }
  }

  std::vector<shop::checkout::v1::PlaceOrderRequest> requests_;
  std::vector<std::unique_ptr<Placing>> calls_;
  std::vector<std::string> saga_ids_;
};

// The one that is killed.
class KilledInMidSaga : public Recovery, public testing::WithParamInterface<Node> {};

// Whichever dies, no buyer is left without a final answer, and the audit finds paid orders and undone ones and nothing
// else. Only the orchestrator's own death may not cost a single order: a participant's may use up the attempts of a
// step, or make a charge that nobody saw impossible for ever.
TEST_P(KilledInMidSaga, EveryOrderIsPaidOrUndone) {
  const std::string product = NewProduct(kOrders);
  ASSERT_NO_FATAL_FAILURE(SetDelay(100));
  ASSERT_NO_FATAL_FAILURE(BeginOrders(product));
  cluster_->Kill(GetParam());
  ASSERT_TRUE(IsOk(cluster_->Restart(GetParam())));
  ASSERT_TRUE(IsOk(shop_.SetScenario({})));
  if (GetParam() == Node::kOrchestrator) {
    ExpectAllPaid();
    return;
  }
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    calls_[i]->Wait();
    PlaceOrderResponse response;
    const grpc::Status status = shop_.Place(requests_[i], &response, kPatience);
    EXPECT_FALSE(AskAgain(status)) << status.error_message();
    const auto saga = shop_.Saga(saga_ids_[i]);
    ASSERT_TRUE(saga.ok()) << saga.status();
    EXPECT_EQ(saga->state(), status.ok() ? saga::v1::Saga::STATE_COMPLETED : saga::v1::Saga::STATE_ABORTED);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, KilledInMidSaga, testing::ValuesIn(kNodes),
                         [](const testing::TestParamInfo<Node>& param) { return NodeName(param.param); });

TEST_F(Recovery, ADrainedOrchestratorEndsWithZeroAndItsSagasGoOn) {
  const std::string product = NewProduct(kOrders);
  ASSERT_NO_FATAL_FAILURE(SetDelay(200));
  ASSERT_NO_FATAL_FAILURE(BeginOrders(product));
  const auto status = cluster_->Terminate(Node::kOrchestrator);
  ASSERT_TRUE(IsOk(status.status()));
  EXPECT_EQ(*status, 0);
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kOrchestrator)));
  ExpectAllPaid();
}

TEST_F(Recovery, EveryServiceEndsWithZeroOnSigterm) {
  for (Node node : {Node::kPayment, Node::kStock, Node::kOrder, Node::kGateway}) {
    const auto status = cluster_->Terminate(node);
    ASSERT_TRUE(IsOk(status.status())) << NodeName(node);
    EXPECT_EQ(*status, 0) << NodeName(node);
    ASSERT_TRUE(IsOk(cluster_->Restart(node)));
  }
  PlaceOrderResponse response;
  EXPECT_TRUE(shop_.Place(Shop::Order("mina", NewProduct(1)), &response).ok());
}

TEST_F(Recovery, AGatewayThatNeverAnswersAnyoneChargesEveryoneOnce) {
  const std::string product = NewProduct(kOrders);
  pg::v1::Scenario scenario;
  scenario.set_hang_percent(100);
  ASSERT_TRUE(IsOk(shop_.SetScenario(scenario)));
  ASSERT_NO_FATAL_FAILURE(BeginOrders(product));
  ExpectAllPaid();
}

TEST_F(Recovery, ACallerWhoIsGoneDoesNotStopTheSaga) {
  const std::string product = NewProduct(1);
  ASSERT_NO_FATAL_FAILURE(SetDelay(200));
  const auto request = Shop::Order("mina", product);
  std::string saga_id;
  {
    const auto call = shop_.Begin(request);
    saga_id = call->SagaId(kPatience);
  }  // cancelled here
  const auto saga = shop_.AwaitEnd(saga_id, kPatience);
  ASSERT_TRUE(saga.ok()) << saga.status();
  EXPECT_EQ(saga->state(), saga::v1::Saga::STATE_COMPLETED);
}

TEST_F(Recovery, AShortDeadlineIsToldToCallAgainAndThenGetsTheAnswer) {
  const std::string product = NewProduct(1);
  ASSERT_NO_FATAL_FAILURE(SetDelay(900));
  const auto request = Shop::Order("mina", product);
  const auto call = shop_.Begin(request, absl::Milliseconds(600));
  const grpc::Status status = call->Wait();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(Reason(status), "SAGA_RUNNING");
  PlaceOrderResponse response;
  EXPECT_TRUE(shop_.Place(request, &response, kPatience).ok());
  EXPECT_EQ(response.order_id(), call->SagaId(kPatience));
}

TEST_F(Recovery, ASagaThatIsCancelledBeforeItsPivotIsUndone) {
  cluster_->Kill(Node::kStock);
  const auto call = shop_.Begin(Shop::Order("mina", "lamp"));
  const std::string saga_id = call->SagaId(kPatience);
  EXPECT_TRUE(IsOk(shop_.CancelSaga(saga_id).status()));
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kStock)));
  const auto saga = shop_.AwaitEnd(saga_id, kPatience);
  ASSERT_TRUE(saga.ok()) << saga.status();
  EXPECT_EQ(saga->state(), saga::v1::Saga::STATE_ABORTED);
  EXPECT_EQ(saga->failure().reason(), "SAGA_CANCELLED");
  EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::CANCELLED);
  const auto order = shop_.GetOrder(saga_id);
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->state(), OrderProto::STATE_FAILED);
}

}  // namespace
}  // namespace unwind
