// A definition's method over a real gRPC server in this process; the driver is played by the test.
#include "orchestrator/api/served_methods.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/sha256.h"
#include "common/rpc/bytes.h"
#include "common/rpc/deterministic.h"
#include "common/rpc/error.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "orchestrator/api/served_call.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "tests/support/test_gate.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

PlaceOrderRequest GoodRequest() {
  PlaceOrderRequest request;
  request.set_request_id("k-1");
  request.set_member_id("m-1");
  auto* item = request.add_items();
  item->set_product_id("p-1");
  item->set_quantity(1);
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
  return request;
}

class ServedMethodsTest : public testing::Test {
 protected:
  struct Accepted {
    NewSaga saga;
    absl::Time answer_by;
    std::function<void(const std::string&)> accepted;
    std::function<void(Progress)> answered;
  };

  void SetUp() override {
    auto definition = std::make_shared<FakeDefinition>();
    ASSERT_TRUE(catalog_.Add(definition).ok());
    ASSERT_TRUE(catalog_.Serve(definition).ok());
    Listen();
  }

  void Listen() {
    methods_ = std::make_unique<ServedMethods>(
        [this](NewSaga saga, absl::Time by, std::function<void(const std::string&)> accepted,
               std::function<void(Progress)> answered) -> std::function<void()> {
          std::lock_guard lock(mutex_);
          const auto leave = [this] { ++left_; };
          if (keep_all_) {
            all_.push_back({std::move(saga), by, std::move(accepted), std::move(answered)});
            changed_.notify_all();
            return leave;
          }
          last_ = Accepted{std::move(saga), by, std::move(accepted), std::move(answered)};
          changed_.notify_all();
          if (answer_at_once_) Answer(SagaState::kCompleted);
          return leave;
        },
        catalog_, clock_, ServedMethodsOptions());
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(methods_.get());
    if (gate_ != nullptr) GuardBy(*gate_, builder);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  }

  // From now on callers are told apart, by the policy in `yaml`.
  void Guard(const std::string& yaml) {
    server_->Shutdown();
    gate_ = NewTestGate(yaml);
    Listen();
  }

  void TearDown() override { server_->Shutdown(); }

  Accepted& WaitForAccept() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return last_.has_value(); }));
    return *last_;
  }

  static void AnswerTo(const Accepted& call, SagaState state) {
    Progress progress;
    progress.saga.id = "s-1";
    progress.saga.definition = "place-order";
    progress.saga.definition_version = 3;
    progress.saga.steps.resize(1);
    progress.saga.steps[0].awaiting = true;
    progress.saga.state = state;
    call.accepted("s-1");
    call.answered(progress);
  }
  void Answer(SagaState state) { AnswerTo(*last_, state); }

  // Sends `request` and returns the error's status; OK if the driver's answer came back.
  absl::Status Place(const PlaceOrderRequest& request, const std::map<std::string, std::string>& metadata = {}) {
    grpc::ClientContext context;
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    PlaceOrderResponse response;
    return FromGrpc(CheckoutService::NewStub(channel_)->PlaceOrder(&context, request, &response));
  }

  SystemClock clock_;
  DefinitionCatalog catalog_;
  std::unique_ptr<ServedMethods> methods_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Accepted> last_;
  std::vector<Accepted> all_;
  bool answer_at_once_ = true;
  bool keep_all_ = false;
  std::atomic<int> left_ = 0;
};

TEST_F(ServedMethodsTest, ACallIsASagaAndItsAnswer) {
  grpc::ClientContext context;
  context.AddMetadata("idempotency-key", "\"k-1\"");
  context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  context.AddMetadata("tracestate", "vendor=1");
  context.AddMetadata("baggage", "tenant=a");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  PlaceOrderResponse response;
  const grpc::Status status = CheckoutService::NewStub(channel_)->PlaceOrder(&context, GoodRequest(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.order_id(), "s-1");
  EXPECT_EQ(context.GetServerInitialMetadata().find("saga-id")->second, "s-1");
  EXPECT_EQ(last_->saga.key, "k-1");
  EXPECT_EQ(last_->saga.input, DeterministicBytes(GoodRequest()));
  EXPECT_EQ(last_->saga.input_hash, HexSha256(last_->saga.input));
  EXPECT_EQ(last_->saga.trace,
            (TraceContext{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1", "tenant=a"}));
  EXPECT_LT(last_->answer_by, absl::Now() + absl::Milliseconds(19700));  // gRPC rounds timeouts up
  EXPECT_GT(last_->answer_by, absl::Now() + absl::Seconds(10));
}

constexpr char kShopRules[] = R"(rules:
  - {callers: [gateway], methods: [shop.checkout.v1.CheckoutService/*], member: allowed}
  - {callers: [batch], methods: [shop.checkout.v1.CheckoutService/PlaceOrder]}
)";

// Whose key it is, as the driver is told.
TEST_F(ServedMethodsTest, AKeyIsTheMembersElseTheServices) {
  ASSERT_TRUE(Place(GoodRequest()).ok());
  EXPECT_EQ(last_->saga.key_scope, "");
  ASSERT_TRUE(Place(GoodRequest(), {{"x-member-id", "m-2"}}).ok());  // nobody is believed
  EXPECT_EQ(last_->saga.key_scope, "");
  Guard(kShopRules);
  ASSERT_TRUE(Place(GoodRequest(), {{kTestIdentity, "gateway"}, {"x-member-id", "m-1"}}).ok());
  EXPECT_EQ(last_->saga.key_scope, "member/m-1");
  ASSERT_TRUE(Place(GoodRequest(), {{kTestIdentity, "batch"}}).ok());
  EXPECT_EQ(last_->saga.key_scope, "service/batch");
}

TEST_F(ServedMethodsTest, WhoMayNotCallStartsNothing) {
  Guard(kShopRules);
  last_.reset();
  EXPECT_EQ(GetErrorInfo(Place(GoodRequest())).reason, "CALLER_UNKNOWN");
  for (const char* const caller : {"stranger", "batch"}) {
    const absl::Status status = Place(GoodRequest(), {{kTestIdentity, caller}, {"x-member-id", "m-1"}});
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << caller;
    EXPECT_EQ(GetErrorInfo(status).reason, "CALLER_NOT_ALLOWED") << caller;
  }
  const absl::Status sent = Place(GoodRequest(), {{kTestIdentity, "gateway"}, {"saga-id", "s-1"}});
  EXPECT_EQ(GetErrorInfo(sent).reason, "CALLER_NOT_ALLOWED");
  EXPECT_FALSE(last_.has_value());
}

TEST_F(ServedMethodsTest, AMemberOrdersForItselfAlone) {
  Guard(kShopRules);
  last_.reset();
  const absl::Status status = Place(GoodRequest(), {{kTestIdentity, "gateway"}, {"x-member-id", "m-2"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(GetErrorInfo(status).reason, "CALLER_NOT_ALLOWED");
  EXPECT_EQ(GetErrorInfo(status).metadata.at("denied"), "member_id");
  EXPECT_FALSE(last_.has_value());
  PlaceOrderRequest nameless = GoodRequest();
  nameless.clear_member_id();  // what is missing is told as ever, with all else that is
  EXPECT_EQ(GetErrorInfo(Place(nameless, {{kTestIdentity, "gateway"}, {"x-member-id", "m-2"}})).reason,
            "INVALID_REQUEST");
}

TEST_F(ServedMethodsTest, ASagaThatRunsOnIsAnsweredSo) {
  answer_at_once_ = false;
  std::thread driver([this] {
    WaitForAccept();
    Answer(SagaState::kRunning);
  });
  const absl::Status status = Place(GoodRequest());
  driver.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(status).reason, "SAGA_RUNNING");
}

TEST_F(ServedMethodsTest, SaysInATrailerTooWhenToComeAgain) {
  answer_at_once_ = false;
  std::thread driver([this] {
    WaitForAccept();
    Answer(SagaState::kRunning);
  });
  grpc::ClientContext context;
  PlaceOrderResponse response;
  CheckoutService::NewStub(channel_)->PlaceOrder(&context, GoodRequest(), &response);
  driver.join();
  const auto& trailers = context.GetServerTrailingMetadata();
  ASSERT_EQ(trailers.count("grpc-retry-pushback-ms"), 1U);
  EXPECT_EQ(trailers.find("grpc-retry-pushback-ms")->second, "200");
}

TEST_F(ServedMethodsTest, TwoKeysAreRefusedUnlessTheyAreEqual) {
  for (const char* const second : {"k-2", "k-1"}) {
    grpc::ClientContext context;
    context.AddMetadata("idempotency-key", "k-1");
    context.AddMetadata("idempotency-key", second);
    PlaceOrderRequest request = GoodRequest();
    request.clear_request_id();
    PlaceOrderResponse response;
    const absl::Status status = FromGrpc(CheckoutService::NewStub(channel_)->PlaceOrder(&context, request, &response));
    if (std::string(second) == "k-1") {
      EXPECT_TRUE(status.ok()) << status;
      continue;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "idempotency-key: is given twice, with different values; send it once");
    EXPECT_FALSE(last_.has_value());
  }
}

TEST_F(ServedMethodsTest, BadFieldsAreNamedAndNothingIsAccepted) {
  PlaceOrderRequest request = GoodRequest();
  request.mutable_items(0)->set_quantity(0);
  request.clear_member_id();
  const absl::Status status = Place(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
  EXPECT_EQ(GetErrorInfo(status).domain, "saga.unwind");
  EXPECT_FALSE(last_.has_value());
}

TEST_F(ServedMethodsTest, AMissingKeyIsNamedBesideTheBadFields) {
  PlaceOrderRequest request = GoodRequest();
  request.mutable_items(0)->set_quantity(0);
  request.clear_request_id();
  const absl::Status status = Place(request);
  EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
  EXPECT_EQ(GetErrorInfo(status).metadata.at("violations"), "2");
}

TEST_F(ServedMethodsTest, AMissingKeyIsRefused) {
  PlaceOrderRequest request = GoodRequest();
  request.clear_request_id();
  const absl::Status status = Place(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(status).reason, "KEY_MISSING");
  EXPECT_FALSE(last_.has_value());
}

class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const std::string& bytes)
      : stub_(channel), request_(ToBuffer(bytes)) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stub_.UnaryCall(&context, method, {}, &request_, &response_, [this](const grpc::Status& status) {
      std::lock_guard lock(mutex_);
      status_ = status;
      done_.notify_all();
    });
  }
  grpc::Status Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

  grpc::ClientContext context;

 private:
  grpc::GenericStub stub_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<grpc::Status> status_;
};

TEST_F(ServedMethodsTest, BytesThatAreNoRequestAreRefused) {
  const grpc::Status status = RawCall(channel_, "/shop.checkout.v1.CheckoutService/PlaceOrder", "\xFF\xFF").Wait();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "the request is not a shop.checkout.v1.PlaceOrderRequest");
}

TEST_F(ServedMethodsTest, AnUnknownPathIsUnimplemented) {
  const grpc::Status status = RawCall(channel_, "/shop.checkout.v1.CheckoutService/CancelOrder", "").Wait();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(GetErrorInfo(FromGrpc(status)).reason, "METHOD_UNKNOWN");
}

TEST_F(ServedMethodsTest, TheSagaOutlivesACallerWhoLeft) {
  answer_at_once_ = false;
  RawCall call(channel_, "/shop.checkout.v1.CheckoutService/PlaceOrder", GoodRequest().SerializeAsString());
  WaitForAccept();
  call.context.TryCancel();
  EXPECT_EQ(call.Wait().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown();  // returns although the driver has not answered: the call is gone
  EXPECT_EQ(left_, 1) << "the driver is told";
  Answer(SagaState::kCompleted);
}

TEST_F(ServedMethodsTest, CallersMayLeaveAtAnyMoment) {
  constexpr int kCalls = 400;
  keep_all_ = true;
  std::atomic<bool> over = false;
  std::thread driver([&] {  // answers each saga as soon as it comes, while its caller may be leaving
    while (!over) {
      std::vector<Accepted> calls;
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(10), [&] { return !all_.empty(); });
        calls.swap(all_);
      }
      for (const Accepted& call : calls) AnswerTo(call, SagaState::kCompleted);
    }
  });
  std::vector<std::unique_ptr<RawCall>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<RawCall>(channel_, "/shop.checkout.v1.CheckoutService/PlaceOrder",
                                              GoodRequest().SerializeAsString()));
    if (i >= 8) calls[static_cast<std::size_t>(i) - 8]->context.TryCancel();
  }
  for (const auto& call : calls) {
    const grpc::StatusCode code = call->Wait().error_code();
    EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::CANCELLED) << code;
  }
  server_->Shutdown();
  over = true;
  driver.join();
}

}  // namespace
}  // namespace unwind
