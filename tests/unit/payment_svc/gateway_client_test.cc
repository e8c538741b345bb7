#include "payment_svc/gateway_client.h"

#include <algorithm>
#include <future>
#include <memory>
#include <set>
#include <string>

#include "common/rpc/error.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/support/bad_answers.h"

namespace unwind::payment {
namespace {

using Kind = GatewayAnswer::Kind;
using ::pg::v1::Transaction;

const AskedOf kCharge = {"key", Transaction::KIND_CAPTURE};
const AskedOf kRefund = {"key", Transaction::KIND_REFUND};

Transaction Make(Transaction::Kind kind) {
  Transaction transaction;
  transaction.set_transaction_id("tx");
  transaction.set_idempotency_key("key");
  transaction.set_kind(kind);
  transaction.set_amount_minor(5);
  transaction.set_currency_code("KRW");
  return transaction;
}

GatewayAnswer Read(absl::StatusCode code, absl::string_view reason, absl::string_view domain = "pg.unwind") {
  return ReadAnswer(kCharge, MakeError(code, "no", {std::string(reason), std::string(domain), {}}), {});
}

TEST(ReadAnswer, ReadsTheEntry) {
  const GatewayAnswer captured = ReadAnswer(kCharge, absl::OkStatus(), Make(Transaction::KIND_CAPTURE));
  EXPECT_EQ(captured.kind, Kind::kMoved);
  EXPECT_EQ(captured.transaction_id, "tx");
  EXPECT_EQ(captured.amount, (Money{5, "KRW"}));
  EXPECT_EQ(captured.captured, "");

  Transaction refund = Make(Transaction::KIND_REFUND);
  refund.set_captured_transaction_id("tx-0");
  EXPECT_EQ(ReadAnswer(kRefund, absl::OkStatus(), refund).kind, Kind::kMoved);
  EXPECT_EQ(ReadAnswer(kRefund, absl::OkStatus(), refund).captured, "tx-0");

  Transaction decline = Make(Transaction::KIND_DECLINE);
  decline.set_decline_reason("CARD_DECLINED");
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), decline).kind, Kind::kDeclined);
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), decline).reason, "CARD_DECLINED");

  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), Make(Transaction::KIND_FENCE)).kind, Kind::kFenced);
}

TEST(ReadAnswer, ACaptureMayBePendingAndARefundMayNot) {
  Transaction pending = Make(Transaction::KIND_PENDING);
  pending.set_may_change(true);
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), pending).kind, Kind::kPending);
  EXPECT_EQ(ReadAnswer(kRefund, absl::OkStatus(), pending).reason, "KIND_MISMATCH");
}

TEST(ReadAnswer, OnlyAnEntryThatMayNotChangeIsFinal) {
  Transaction fence = Make(Transaction::KIND_FENCE);
  EXPECT_TRUE(ReadAnswer(kCharge, absl::OkStatus(), fence).is_final);
  fence.set_may_change(true);
  EXPECT_FALSE(ReadAnswer(kCharge, absl::OkStatus(), fence).is_final);
  EXPECT_FALSE(Read(absl::StatusCode::kFailedPrecondition, "KEY_FENCED").is_final);
  EXPECT_TRUE(Read(absl::StatusCode::kFailedPrecondition, "CARD_DECLINED").is_final) << "a decline is stored";
  EXPECT_FALSE(Read(absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND").is_final);
  EXPECT_FALSE(ReadAnswer(kCharge, absl::OkStatus(), Transaction()).is_final);
}

TEST(ReadAnswer, AnEntryThatSaysNothingIsUnknown) {
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), Transaction()).kind, Kind::kUnknown);
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), Make(static_cast<Transaction::Kind>(9))).kind, Kind::kUnknown);
  Transaction nameless = Make(Transaction::KIND_CAPTURE);
  nameless.clear_transaction_id();
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), nameless).kind, Kind::kUnknown);
}

// A charge that the gateway calls a refund was not paid, nor was a refund paid back that it calls a capture.
TEST(ReadAnswer, AnEntryOfAnotherKindThanCanBeIsAContradiction) {
  for (const auto& [asked, said] :
       {std::pair(kCharge, Transaction::KIND_REFUND), std::pair(kRefund, Transaction::KIND_CAPTURE)}) {
    const GatewayAnswer answer = ReadAnswer(asked, absl::OkStatus(), Make(said));
    EXPECT_EQ(answer.kind, Kind::kUnknown);
    EXPECT_EQ(answer.reason, "KIND_MISMATCH");
    EXPECT_NE(answer.contradiction.find(Transaction::Kind_Name(said)), std::string::npos) << answer.contradiction;
  }
}

TEST(ReadAnswer, ATransactionIdThatCannotBeOneIsAContradiction) {
  Transaction capture = Make(Transaction::KIND_CAPTURE);
  capture.set_transaction_id(std::string(255, 'x'));
  EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), capture).kind, Kind::kMoved);
  for (const std::string& id :
       {std::string(), std::string(256, 'x'), std::string("a\nb"), std::string("a\0b", 3), std::string("a\x7f")}) {
    capture.set_transaction_id(id);
    const GatewayAnswer answer = ReadAnswer(kCharge, absl::OkStatus(), capture);
    EXPECT_EQ(answer.kind, Kind::kUnknown);
    EXPECT_EQ(answer.reason, "BAD_TRANSACTION_ID");
    EXPECT_NE(answer.contradiction, "");
  }
}

TEST(ReadAnswer, AnErrorContradictsNothing) {
  EXPECT_EQ(Read(absl::StatusCode::kUnavailable, "").contradiction, "");
  EXPECT_EQ(Read(absl::StatusCode::kFailedPrecondition, "KEY_FENCED").contradiction, "");
}

TEST(ReadAnswer, AnotherKeysEntryIsUnknown) {
  EXPECT_EQ(ReadAnswer({"other", Transaction::KIND_CAPTURE}, absl::OkStatus(), Make(Transaction::KIND_CAPTURE)).kind,
            Kind::kUnknown);
  EXPECT_EQ(ReadAnswer({"other", Transaction::KIND_CAPTURE}, absl::OkStatus(), Make(Transaction::KIND_FENCE)).kind,
            Kind::kUnknown);
}

TEST(ReadAnswer, AReasonThatIsNotOneIsNotPassedOn) {
  Transaction decline = Make(Transaction::KIND_DECLINE);
  for (const std::string& reason :
       {std::string(), std::string(65, 'A'), std::string("no, sorry"), std::string("PAYMENT_TIMEOUT")}) {
    decline.set_decline_reason(reason);
    EXPECT_EQ(ReadAnswer(kCharge, absl::OkStatus(), decline).reason, "DECLINED") << reason;
  }
}

TEST(ReadAnswer, KnowsTheRefusalsThatAreStored) {
  for (const char* reason : {"CARD_DECLINED", "AMOUNT_REFUSED"}) {
    const GatewayAnswer answer = Read(absl::StatusCode::kFailedPrecondition, reason);
    EXPECT_EQ(answer.kind, Kind::kDeclined) << reason;
    EXPECT_EQ(answer.reason, reason);
  }
  EXPECT_EQ(Read(absl::StatusCode::kFailedPrecondition, "KEY_FENCED").kind, Kind::kFenced);
  EXPECT_EQ(Read(absl::StatusCode::kFailedPrecondition, "ALREADY_REFUNDED").kind, Kind::kBackAlready);
}

TEST(ReadAnswer, EverythingElseIsUnknown) {
  EXPECT_EQ(Read(absl::StatusCode::kFailedPrecondition, "SOMETHING_NEW").kind, Kind::kUnknown);
  EXPECT_EQ(Read(absl::StatusCode::kFailedPrecondition, "CARD_DECLINED", "proxy.example").kind, Kind::kUnknown);
  EXPECT_EQ(Read(absl::StatusCode::kUnavailable, "CARD_DECLINED").kind, Kind::kUnknown);
  EXPECT_EQ(Read(absl::StatusCode::kInvalidArgument, "KEY_REUSED").kind, Kind::kUnknown);
  EXPECT_EQ(Read(absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND").kind, Kind::kUnknown);
  for (int code = 1; code <= 16; ++code) {
    const GatewayAnswer answer =
        ReadAnswer(kCharge, absl::Status(static_cast<absl::StatusCode>(code), "no details"), {});
    EXPECT_EQ(answer.kind, Kind::kUnknown) << code;
    EXPECT_EQ(answer.reason, absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
  }
}

// Fences, and notes the trace that the call came with.
class NotingGateway final : public ::pg::v1::PaymentGateway::Service {
 public:
  grpc::Status Fence(grpc::ServerContext* context, const ::pg::v1::FenceRequest*, ::pg::v1::FenceResponse*) override {
    trace = ReadTraceContext(context->client_metadata());
    return grpc::Status::OK;
  }

  TraceContext trace;
};

TEST(GrpcGatewayTest, PassesTheTraceOn) {
  NotingGateway noting;
  prometheus::Registry registry;
  ClientMetrics metrics(registry);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&noting);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  GrpcGateway gateway("127.0.0.1:" + std::to_string(port), absl::Seconds(20), metrics);
  const TraceContext trace = {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1", "tenant=a"};
  std::promise<GatewayAnswer> fenced;
  gateway.Fence({.key = "key", .trace = trace}, "", [&](GatewayAnswer answer) { fenced.set_value(std::move(answer)); });
  fenced.get_future().wait();
  EXPECT_EQ(noting.trace, trace);
}

// Refuses everybody.
class ClosedGateway final : public ::pg::v1::PaymentGateway::Service {
 public:
  grpc::Status Confirm(grpc::ServerContext*, const ::pg::v1::ConfirmRequest*, ::pg::v1::ConfirmResponse*) override {
    return ToGrpc(answer);
  }

  absl::Status answer = absl::UnauthenticatedError("the secret is wrong");
};

double CallsThatEndedWith(prometheus::Registry& registry, const std::string& code) {
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name != "grpc_client_handled_total") continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      std::set<std::string> values;
      for (const auto& label : metric.label) values.insert(label.value);
      if (values == std::set<std::string>{"unary", "pg.v1.PaymentGateway", "Confirm", code})
        return metric.counter.value;
    }
  }
  return -1;
}

TEST(GrpcGatewayTest, AGatewayThatGivesNoAnswerIsCountedAndLoggedOnceForManyCalls) {
  ClosedGateway closed;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&closed);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  prometheus::Registry registry;
  ClientMetrics metrics(registry);
  GrpcGateway gateway("127.0.0.1:" + std::to_string(port), absl::Seconds(20), metrics);
  const auto confirm = [&gateway] {
    std::promise<void> told;
    testing::internal::CaptureStderr();
    gateway.Confirm({.key = "key", .trace = {}}, {1, "KRW"}, [&told](const GatewayAnswer&) { told.set_value(); });
    told.get_future().wait();
    return testing::internal::GetCapturedStderr();
  };
  closed.answer = MakeError(absl::StatusCode::kFailedPrecondition, "no", {"CARD_DECLINED", "pg.unwind", {}});
  EXPECT_EQ(confirm(), "") << "a declined card is an answer";
  closed.answer = absl::UnauthenticatedError("the secret is wrong");
  const std::string log = confirm();
  EXPECT_NE(log.find("UNAUTHENTICATED"), std::string::npos) << log;
  EXPECT_NE(log.find("the secret is wrong"), std::string::npos) << log;
  EXPECT_EQ(confirm(), "");
  EXPECT_EQ(CallsThatEndedWith(registry, "Unauthenticated"), 2);
  EXPECT_EQ(CallsThatEndedWith(registry, "FailedPrecondition"), 1);
}

class BadGateway : public testing::TestWithParam<BadAnswer> {};

// No answer of these says that money moved, or that none did.
TEST_P(BadGateway, IsUnknown) {
  RawPeer peer([](std::uint32_t stream, const std::string&) { return GetParam().acts(stream); });
  prometheus::Registry registry;
  ClientMetrics metrics(registry);
  GrpcGateway gateway(peer.address(), std::min(GetParam().timeout, absl::Seconds(5)), metrics);
  std::promise<GatewayAnswer> fenced;
  gateway.Fence({.key = "key", .trace = {}}, "tx-1",
                [&](GatewayAnswer answer) { fenced.set_value(std::move(answer)); });
  EXPECT_EQ(fenced.get_future().get().kind, Kind::kUnknown);
}

INSTANTIATE_TEST_SUITE_P(Each, BadGateway, testing::ValuesIn(BadAnswers()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace unwind::payment
