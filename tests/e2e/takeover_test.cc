// Two orchestrators on one database: what one of them began is finished, answered and cancelled by the other.
#include <signal.h>

#include "common/db/connection.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderResponse;

constexpr int kOrders = 24;
constexpr Node kFirst = Node::kOrchestrator, kSecond = Node::kSecondOrchestrator;

class Takeover : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    const std::vector<std::string> flags = {"--lease=2s", "--drain=500ms"};
    ClusterOptions options;
    options.extra_flags = {{kFirst, flags}, {kSecond, flags}};
    StartCluster(std::move(options));
    ASSERT_NE(cluster_, nullptr);
    ASSERT_TRUE(IsOk(cluster_->Launch(kSecond)));
  }

  void SetUp() override {
    ShopTest::SetUp();
    pg::v1::Scenario slow;
    slow.set_delay_ms(800);  // longer than an orchestrator drains
    ASSERT_TRUE(IsOk(shop_.SetScenario(slow)));
  }

  void BeginOrders() {
    const std::string product = NewProduct(kOrders);
    for (int i = 0; i < kOrders; ++i) {
      requests_.push_back(Shop::Order("member-" + std::to_string(i), product));
      calls_.push_back(shop_.Begin(requests_.back(), kPatience));
    }
    for (const auto& call : calls_) {
      saga_ids_.push_back(call->SagaId(kPatience));
      ASSERT_NE(saga_ids_.back(), "");
    }
  }

  void ExpectAllPaidAtTheSecond() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      PlaceOrderResponse response;
      const grpc::Status status = second_.Place(requests_[i], &response, kPatience);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(response.order_id(), saga_ids_[i]);
    }
  }

  // Stops `node` where it is not writing: a writer of SQLite that stands still holds up the others until it goes on.
  static void StopBetweenWrites(Node node) {
    const auto database = Connection::Open(cluster_->Database(node));
    ASSERT_TRUE(IsOk(database.status()));
    const bool stopped = Eventually(kPatience, [&] {
      cluster_->Signal(node, SIGSTOP);
      if ((*database)->Write([](soci::session&) { return absl::OkStatus(); }).ok()) return true;
      cluster_->Signal(node, SIGCONT);
      return false;
    });
    ASSERT_TRUE(stopped) << NodeName(node) << " never stands still between two writes";
  }

  Shop second_{*cluster_, kSecond};
  std::vector<shop::checkout::v1::PlaceOrderRequest> requests_;
  std::vector<std::unique_ptr<Placing>> calls_;
  std::vector<std::string> saga_ids_;
};

TEST_F(Takeover, ACallIsAnsweredByEitherAsTheOwnerWouldAnswerIt) {
  ASSERT_NO_FATAL_FAILURE(BeginOrders());
  ExpectAllPaidAtTheSecond();
  for (const auto& call : calls_) EXPECT_TRUE(call->Wait().ok());
  auto other = requests_[0];
  other.set_member_id("somebody-else");
  EXPECT_EQ(Reason(second_.Place(other, nullptr)), "KEY_REUSED");
}

TEST_F(Takeover, TheSagasOfAKilledOrchestratorAreFinishedByTheOther) {
  ASSERT_NO_FATAL_FAILURE(BeginOrders());
  cluster_->Kill(kFirst);
  ExpectAllPaidAtTheSecond();
  for (const std::string& id : saga_ids_) EXPECT_EQ(second_.Saga(id).value().state(), saga::v1::Saga::STATE_COMPLETED);
  ASSERT_TRUE(IsOk(cluster_->Restart(kFirst)));
}

TEST_F(Takeover, ADrainedOrchestratorHandsItsSagasOverAtOnce) {
  ASSERT_NO_FATAL_FAILURE(BeginOrders());
  ASSERT_EQ(cluster_->Terminate(kFirst).value_or(-1), 0);
  for (const auto& call : calls_) {
    const grpc::Status status = call->Wait();
    EXPECT_TRUE(status.ok() || Reason(status) == "SAGA_RUNNING") << "nobody is cut off: " << status.error_message();
  }
  ExpectAllPaidAtTheSecond();
  ASSERT_TRUE(IsOk(cluster_->Restart(kFirst)));
}

// It wakes up to find its sagas gone, and must neither write nor call for them.
TEST_F(Takeover, AnOrchestratorThatStoodStillForLongerThanItsLeaseDoesNoHarm) {
  ASSERT_NO_FATAL_FAILURE(BeginOrders());
  ASSERT_NO_FATAL_FAILURE(StopBetweenWrites(kFirst));
  ExpectAllPaidAtTheSecond();
  cluster_->Signal(kFirst, SIGCONT);
  for (const auto& call : calls_) {
    const grpc::Status status = call->Wait();
    EXPECT_TRUE(status.ok() || AskAgain(status)) << status.error_message();
  }
  PlaceOrderResponse response;
  EXPECT_TRUE(shop_.Place(Shop::Order("mina", NewProduct(1)), &response).ok());
}

TEST_F(Takeover, ACancelAtEitherStopsTheSagaOfTheOther) {
  cluster_->Kill(Node::kStock);
  const auto call = shop_.Begin(Shop::Order("mina", "lamp"));
  const std::string id = call->SagaId(kPatience);
  const auto cancelled = second_.CancelSaga(id);
  ASSERT_TRUE(IsOk(cancelled.status()));
  EXPECT_TRUE(cancelled->cancel_requested());
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kStock)));
  EXPECT_EQ(second_.AwaitEnd(id, kPatience)->failure().reason(), "SAGA_CANCELLED");
  const grpc::Status told = call->Wait();
  EXPECT_TRUE(told.error_code() == grpc::StatusCode::CANCELLED || Reason(told) == "SAGA_RUNNING")
      << told.error_message();
}

}  // namespace
}  // namespace unwind
