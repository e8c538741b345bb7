// Two orchestrators, payment_svc, and orders whose charge the gateway finishes later: they are asked about every ten
// minutes, or once somebody says that they are finished (S14).
#include <string>
#include <vector>

#include "grpcpp/client_context.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"
#include "tests/e2e/changed_definitions.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"
#include "tests/support/prometheus.h"

namespace unwind {
namespace {

namespace participant = ::saga::participant::v1;

constexpr Node kFirst = Node::kOrchestrator, kSecond = Node::kSecondOrchestrator;
constexpr char kResolve[] = "    resolve: shop.payment.v1.PaymentService/ResolveCharge\n";
constexpr char kPending[] = "    pending: { poll: 10m, cap: 10m, for: 15m }\n";

class NudgeTest : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    ClusterOptions options;
    options.definitions = definitions_ = ChangedDefinitions({{kResolve, absl::StrCat(kResolve, kPending)}});
    options.webhooks = true;
    options.metrics = true;
    StartCluster(std::move(options));
    ASSERT_NE(cluster_, nullptr);
    ASSERT_TRUE(IsOk(cluster_->Launch(kSecond)));
    // Told where both are.
    ASSERT_TRUE(IsOk(cluster_->Terminate(Node::kPayment).status()));
    ASSERT_TRUE(IsOk(cluster_->Restart(Node::kPayment)));
  }
  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    std::filesystem::remove_all(definitions_);
  }

  // The gateway finishes every charge after `delay`.
  void FinishAfter(absl::Duration delay) {
    pg::v1::Scenario scenario;
    scenario.set_async_percent(100);
    scenario.set_async_delay_ms(static_cast<int>(absl::ToInt64Milliseconds(delay)));
    ASSERT_TRUE(IsOk(shop_.SetScenario(scenario)));
  }

  // The saga of an order at `node`, whose charge waits for an hour.
  std::string BeginOrder(Node node) {
    FinishAfter(absl::Hours(1));
    Shop shop(*cluster_, node);
    calls_.push_back(shop.Begin(Shop::Order("mina", NewProduct(1))));
    const std::string id = calls_.back()->SagaId(kPatience);
    EXPECT_TRUE(Eventually(kPatience, [&] { return StepOf(id).state() == saga::v1::Step::STATE_WAITING; }));
    return id;
  }

  saga::v1::Step StepOf(const std::string& id) {
    const auto saga = shop_.Saga(id);
    if (!saga.ok()) return {};
    for (const saga::v1::Step& step : saga->steps()) {
      if (step.name() == "charge") return step;
    }
    return {};
  }

  absl::Status Nudge(Node node, const std::string& saga_id, const std::string& step = "charge") {
    participant::NudgeRequest request;
    request.set_saga_id(saga_id);
    request.set_step(step);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    participant::NudgeResponse response;
    return FromGrpc(participant::NudgeService::NewStub(cluster_->Channel(node))->Nudge(&context, request, &response));
  }

  void Abandon(const std::string& id) {
    ASSERT_TRUE(IsOk(shop_.CancelSaga(id).status()));
    EXPECT_TRUE(IsOk(shop_.AwaitEnd(id, kPatience).status()));
    calls_.clear();
  }

  inline static std::string definitions_;
  std::vector<std::unique_ptr<Placing>> calls_;
};

// payment_svc nudges either of the two by turns, and one of them drives all of it.
TEST_F(NudgeTest, AfterTheWebhookAnOrderGoesOnAtOnceWhicheverInstanceIsTold) {
  FinishAfter(absl::Milliseconds(200));
  constexpr int kOrders = 8;
  for (int i = 0; i < kOrders; ++i) {
    shop::checkout::v1::PlaceOrderResponse placed;
    const grpc::Status status = shop_.Place(Shop::Order("mina", NewProduct(1)), &placed, kPatience);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_GE(StepOf(placed.order_id()).attempt(), 2) << "it has waited";
  }
  const auto page = HttpGet(cluster_->MetricsAddress(Node::kPayment), "/metrics");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, testing::HasSubstr("payment_nudges_total{result=\"heeded\"} 8"));
  const auto second = HttpGet(cluster_->MetricsAddress(kSecond), "/metrics");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(*second, testing::ContainsRegex("grpc_client_handled_total\\{[^}]*Nudge[^}]*\\} [1-9]")) << "passed on";
}

TEST_F(NudgeTest, AForeignSagaIsNudgedAtItsOwnerAndStaysThere) {
  const std::string id = BeginOrder(kFirst);
  const std::string owner = shop_.Saga(id)->owner();
  ASSERT_EQ(StepOf(id).attempt(), 1);
  EXPECT_TRUE(IsOk(Nudge(kSecond, id)));
  EXPECT_TRUE(Eventually(kPatience, [&] { return StepOf(id).attempt() == 2; }));
  EXPECT_EQ(shop_.Saga(id)->owner(), owner);
  Abandon(id);
}

TEST_F(NudgeTest, WhatItIsNotForIsRefusedAndMovesNothing) {
  const auto expect_refused = [this](const std::string& saga_id, const std::string& step, absl::StatusCode code,
                                     const std::string& reason) {
    SCOPED_TRACE(absl::StrCat(saga_id, "/", step));
    const NothingMoves while_it_is_refused(*cluster_);
    for (const Node node : {kFirst, kSecond}) {
      const absl::Status refused = Nudge(node, saga_id, step);
      EXPECT_EQ(refused.code(), code) << refused;
      EXPECT_EQ(GetErrorInfo(refused).reason, reason) << refused;
      EXPECT_NE(refused.message(), "");
    }
  };
  const std::string id = BeginOrder(kFirst);
  const auto waiting = shop_.Saga(id);
  ASSERT_TRUE(IsOk(waiting.status()));
  expect_refused(NewKey(), "charge", absl::StatusCode::kNotFound, "SAGA_NOT_FOUND");
  expect_refused(id, "fly", absl::StatusCode::kNotFound, "STEP_NOT_FOUND");
  expect_refused(id, "reserve_stock", absl::StatusCode::kFailedPrecondition, "STEP_NOT_WAITING");
  expect_refused(id, "confirm_order", absl::StatusCode::kFailedPrecondition, "STEP_NOT_WAITING");
  EXPECT_EQ(shop_.Saga(id)->version(), waiting->version());
  Abandon(id);
  expect_refused(id, "charge", absl::StatusCode::kFailedPrecondition, "SAGA_FINISHED");
}

TEST_F(NudgeTest, AnOwnerThatIsGoneIsNamed) {
  const std::string id = BeginOrder(kFirst);
  cluster_->Kill(kFirst);
  const absl::Status told = Nudge(kSecond, id);
  EXPECT_EQ(told.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(told).reason, "OWNER_UNREACHABLE");
  EXPECT_THAT(std::string(told.message()), testing::HasSubstr(cluster_->Address(kFirst)));
  ASSERT_TRUE(IsOk(cluster_->Restart(kFirst)));
  Abandon(id);
}

}  // namespace
}  // namespace unwind
