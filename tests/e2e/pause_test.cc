// Two orchestrators share one database. An operator pauses a definition at one of them; both must start no saga of it.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using saga::v1::SagaService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr Node kFirst = Node::kOrchestrator, kSecond = Node::kSecondOrchestrator;
constexpr int kBuyers = 8;
constexpr char kNote[] = "sales go on at ten";

class PauseTest : public ShopTest {
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
    ASSERT_NO_FATAL_FAILURE(ShopTest::SetUp());
    product_ = NewProduct(1'000'000);
  }

  void TearDown() override {
    ASSERT_TRUE(IsOk(Resume(kFirst)));
    ASSERT_TRUE(Eventually(kPatience, [&] { return Reason(OrderAt(kSecond)) != "DEFINITION_PAUSED"; }));
    ShopTest::TearDown();
  }

  template <class Request, class Response>
  static absl::Status Ask(Node node,
                          grpc::Status (SagaService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                          const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.set_wait_for_ready(true);
    const auto stub = SagaService::NewStub(cluster_->AdminChannel(node));
    return FromGrpc((stub.get()->*method)(&context, request, response));
  }

  static absl::Status Pause(Node node) {
    saga::v1::PauseDefinitionRequest request;
    request.set_name("place-order");
    request.set_actor("kim");
    request.set_reason(kNote);
    saga::v1::PauseDefinitionResponse response;
    return Ask(node, &SagaService::Stub::PauseDefinition, request, &response);
  }
  static absl::Status Resume(Node node) {
    saga::v1::ResumeDefinitionRequest request;
    request.set_name("place-order");
    request.set_actor("kim");
    saga::v1::ResumeDefinitionResponse response;
    return Ask(node, &SagaService::Stub::ResumeDefinition, request, &response);
  }
  static std::string NewestSaga() {
    saga::v1::ListSagasRequest request;
    request.set_page_size(1);
    request.set_definition("place-order");
    saga::v1::ListSagasResponse response;
    EXPECT_TRUE(IsOk(Ask(kFirst, &SagaService::Stub::ListSagas, request, &response)));
    return response.sagas_size() == 0 ? "" : response.sagas(0).saga_id();
  }

  // The first answer of the orchestrator to a new order.
  grpc::Status OrderAt(Node node) {
    const PlaceOrderRequest request = Shop::Order("mina", product_);
    grpc::Status status;
    Eventually(kPatience, [&] {
      status = Placing(cluster_->Channel(node), request, kPatience).Wait();
      return status.error_code() != grpc::StatusCode::UNAVAILABLE || !Reason(status).empty();
    });
    return status;
  }

  Shop second_{*cluster_, kSecond};
  std::string product_;
};

TEST_F(PauseTest, NoOrderIsTakenAnywhereAndThoseThatWereAreFinishedAndAnswered) {
  pg::v1::Scenario slow;
  slow.set_delay_ms(800);
  ASSERT_TRUE(IsOk(shop_.SetScenario(slow)));
  const PlaceOrderRequest before = Shop::Order("juno", product_);
  const auto running = shop_.Begin(before, kPatience);
  ASSERT_NE(running->SagaId(kPatience), "");
  ASSERT_TRUE(IsOk(Pause(kFirst)));
  const grpc::Status refused = OrderAt(kFirst);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Reason(refused), "DEFINITION_PAUSED");
  EXPECT_THAT(refused.error_message(), testing::HasSubstr(kNote));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Reason(OrderAt(kSecond)) == "DEFINITION_PAUSED"; }));
  EXPECT_TRUE(running->Wait().ok()) << running->Wait().error_message();
  PlaceOrderResponse response;
  EXPECT_TRUE(second_.Place(before, &response).ok());
  EXPECT_EQ(response.order_id(), running->response().order_id());

  saga::v1::ListDefinitionsResponse list;
  ASSERT_TRUE(IsOk(Ask(kSecond, &SagaService::Stub::ListDefinitions, saga::v1::ListDefinitionsRequest(), &list)));
  for (const saga::v1::Definition& each : list.definitions()) {
    EXPECT_EQ(each.has_pause(), each.name() == "place-order") << each.ShortDebugString();
    EXPECT_EQ(each.pause().actor(), each.name() == "place-order" ? "kim" : "");
  }

  for (const Node node : {kFirst, kSecond}) {
    cluster_->Kill(node);
    ASSERT_TRUE(IsOk(cluster_->Restart(node)));
    EXPECT_EQ(Reason(OrderAt(node)), "DEFINITION_PAUSED") << NodeName(node);
  }
  ASSERT_TRUE(IsOk(Resume(kSecond)));
  EXPECT_NE(Reason(OrderAt(kSecond)), "DEFINITION_PAUSED");
}

// What was on its way when the pause was told is stored before, or never.
TEST_F(PauseTest, OnceThePauseIsToldNoSagaStartsAtItsInstance) {
  ASSERT_TRUE(OrderAt(kFirst).ok());  // from now on its channel is there for all threads
  std::atomic<int> answered = 0, refused = 0;
  std::atomic<bool> stopping = false;
  std::vector<std::thread> buyers;
  for (int i = 0; i < kBuyers; ++i) {
    buyers.emplace_back([&] {
      while (!stopping) ++(Reason(OrderAt(kFirst)) == "DEFINITION_PAUSED" ? refused : answered);
    });
  }
  EXPECT_TRUE(Eventually(kPatience, [&] { return answered >= 4 * kBuyers; }));
  EXPECT_TRUE(IsOk(Pause(kFirst)));
  const std::string newest = NewestSaga();
  EXPECT_TRUE(Eventually(kPatience, [&] { return refused >= 4 * kBuyers; }));
  stopping = true;
  for (std::thread& buyer : buyers) buyer.join();
  EXPECT_EQ(NewestSaga(), newest);
}

}  // namespace
}  // namespace unwind
