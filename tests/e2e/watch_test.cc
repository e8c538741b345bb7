// WatchSaga and WatchSagas of the real programs: across a takeover, a drain, and readers that do not read.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "grpcpp/create_channel.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr Node kFirst = Node::kOrchestrator, kSecond = Node::kSecondOrchestrator;

// A stream of one saga's changes, as an operator reads them.
class Watching {
 public:
  Watching(Node node, Cluster& cluster, const std::string& saga_id, std::int64_t after_version = 0)
      : stub_(saga::v1::SagaService::NewStub(cluster.AdminChannel(node))) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    saga::v1::WatchSagaRequest request;
    request.set_saga_id(saga_id);
    request.set_after_version(after_version);
    reader_ = stub_->WatchSaga(&context_, request);
  }

  // The next change; none: the stream has ended.
  std::optional<saga::v1::Saga> Next() {
    saga::v1::WatchSagaResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    EXPECT_GT(response.saga().version(), last_version_) << "a version came twice, or an older one";
    last_version_ = response.saga().version();
    last_state_ = response.saga().state();
    return response.saga();
  }
  absl::Status Finish() { return FromGrpc(reader_->Finish()); }
  std::int64_t last_version() const { return last_version_; }
  saga::v1::Saga::State last_state() const { return last_state_; }

 private:
  std::unique_ptr<saga::v1::SagaService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<saga::v1::WatchSagaResponse>> reader_;
  std::int64_t last_version_ = 0;
  saga::v1::Saga::State last_state_ = {};
};

class Watch : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    const std::vector<std::string> flags = {"--lease=2s", "--drain=5s"};
    ClusterOptions options;
    options.extra_flags = {{kFirst, flags}, {kSecond, flags}};
    StartCluster(std::move(options));
    ASSERT_NE(cluster_, nullptr);
    ASSERT_TRUE(IsOk(cluster_->Launch(kSecond)));
  }

  void Slow() {
    pg::v1::Scenario slow;
    slow.set_delay_ms(800);
    ASSERT_TRUE(IsOk(shop_.SetScenario(slow)));
  }

  // An order whose saga waits for the gateway at the first orchestrator.
  std::string BeginAtTheFirst() {
    call_ = shop_.Begin(Shop::Order("mina", NewProduct(1)), kPatience);
    const std::string id = call_->SagaId(kPatience);
    EXPECT_NE(id, "");
    EXPECT_TRUE(shop_.AwaitStepSent(id, "charge", kPatience));
    return id;
  }

  std::unique_ptr<Placing> call_;
};

TEST_F(Watch, AtEitherInstanceASagaIsToldUntilItHasEnded) {
  Slow();
  const std::string id = BeginAtTheFirst();
  Watching first(kFirst, *cluster_, id), second(kSecond, *cluster_, id);
  for (Watching* const watching : {&first, &second}) {
    while (watching->Next().has_value()) continue;
    EXPECT_EQ(watching->last_state(), saga::v1::Saga::STATE_COMPLETED);
    EXPECT_TRUE(IsOk(watching->Finish()));
  }
  EXPECT_EQ(first.last_version(), second.last_version());
  EXPECT_TRUE(call_->Wait().ok());
}

TEST_F(Watch, GoesOnWhenTheOwnerIsKilledAndAnotherTakesOver) {
  Slow();
  const std::string id = BeginAtTheFirst();
  Watching cut(kFirst, *cluster_, id), kept(kSecond, *cluster_, id);
  ASSERT_TRUE(cut.Next().has_value());
  ASSERT_TRUE(kept.Next().has_value());
  cluster_->Kill(kFirst);
  while (cut.Next().has_value()) continue;
  EXPECT_EQ(cut.Finish().code(), absl::StatusCode::kUnavailable);
  Watching resumed(kSecond, *cluster_, id, cut.last_version());
  for (Watching* const watching : {&kept, &resumed}) {
    while (watching->Next().has_value()) continue;
    EXPECT_EQ(watching->last_state(), saga::v1::Saga::STATE_COMPLETED);
    EXPECT_TRUE(IsOk(watching->Finish()));
  }
  EXPECT_GT(resumed.last_version(), cut.last_version());
  ASSERT_TRUE(IsOk(cluster_->Restart(kFirst)));
}

TEST_F(Watch, EndsWithAReasonWhenItsInstanceStopsAndDoesNotHoldItUp) {
  Slow();
  const std::string id = BeginAtTheFirst();
  Watching watching(kFirst, *cluster_, id);
  ASSERT_TRUE(watching.Next().has_value());
  saga::v1::WatchSagasRequest all;
  grpc::ClientContext context;
  const auto stub = saga::v1::SagaService::NewStub(cluster_->AdminChannel(kFirst));
  const auto unread = stub->WatchSagas(&context, all);
  unread->WaitForInitialMetadata();
  const absl::Time began = SteadyNow();
  ASSERT_EQ(cluster_->Terminate(kFirst).value_or(-1), 0);
  EXPECT_LT(SteadyNow() - began, absl::Seconds(5)) << "as long as the drain may last";
  while (watching.Next().has_value()) continue;
  if (watching.last_state() != saga::v1::Saga::STATE_COMPLETED) {
    const absl::Status ended = watching.Finish();
    EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(GetErrorInfo(ended).reason, "WATCH_ENDED") << ended;
  }
  ASSERT_TRUE(IsOk(cluster_->Restart(kFirst)));
}

TEST_F(Watch, AFilterTellsWhatComesAndGoes) {
  saga::v1::WatchSagasRequest request;
  request.set_definition("place-order");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stub = saga::v1::SagaService::NewStub(cluster_->AdminChannel(kSecond));
  const auto reader = stub->WatchSagas(&context, request);
  reader->WaitForInitialMetadata();
  shop::checkout::v1::PlaceOrderResponse order;
  ASSERT_TRUE(shop_.Place(Shop::Order("mina", NewProduct(1)), &order).ok());
  saga::v1::WatchSagasResponse response;
  bool has_ended = false;
  while (!has_ended && reader->Read(&response)) {
    for (const saga::v1::Saga& saga : response.sagas()) {
      EXPECT_EQ(saga.definition(), "place-order");
      has_ended = has_ended || (saga.saga_id() == order.order_id() && saga.state() == saga::v1::Saga::STATE_COMPLETED);
    }
  }
  EXPECT_TRUE(has_ended);
  context.TryCancel();
}

// A queue behind each would be some hundred MiB.
TEST_F(Watch, ReadersThatDoNotReadTakeNoMemory) {
  constexpr int kReaders = 100, kOrders = 300, kGrowthMaxKib = 64 << 10;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 16 << 10);
  const auto stub = saga::v1::SagaService::NewStub(
      grpc::CreateCustomChannel(cluster_->AdminAddress(kFirst), grpc::InsecureChannelCredentials(), arguments));
  const std::string product = NewProduct(2 * kOrders);
  const auto place = [&] {
    std::vector<std::unique_ptr<Placing>> calls;
    for (int i = 0; i < kOrders; ++i) calls.push_back(shop_.Begin(Shop::Order("mina", product), kPatience));
    for (const auto& call : calls) EXPECT_TRUE(call->Wait().ok()) << call->Wait().error_message();
  };
  place();  // so that the process has grown as the orders alone make it
  const std::int64_t before = cluster_->PeakKib(kFirst);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<saga::v1::WatchSagasResponse>>> readers;
  for (int i = 0; i < kReaders; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub->WatchSagas(contexts.back().get(), saga::v1::WatchSagasRequest()));
    readers.back()->WaitForInitialMetadata();
  }
  place();
  const std::int64_t grown = cluster_->PeakKib(kFirst) - before;
  std::printf("%d readers that do not read %d orders: %lld KiB more\n", kReaders, kOrders,
              static_cast<long long>(grown));
  EXPECT_LT(grown, kGrowthMaxKib);
  for (const auto& context : contexts) context->TryCancel();
}

}  // namespace
}  // namespace unwind
