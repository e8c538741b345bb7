// Payments between the barrier and a gateway that the test plays: what is committed when the gateway is asked, and what
// becomes of answers that come in the worst order.
#include <functional>
#include <future>
#include <map>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/payment_store.h"
#include "payment_svc/settler.h"
#include "tests/contract/payment_harness.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;
using testing::HasSubstr;
using testing::IsEmpty;

// Answers when the test says so.
class PlayedGateway final : public Gateway, public GatewayBooks {
 public:
  void Confirm(const GatewayCall& call, const Money&, Done done) override {
    Add("confirm " + call.key, std::move(done));
  }
  void Cancel(const GatewayCall& call, const std::string& transaction_id, std::int64_t, Done done) override {
    Add("cancel " + call.key + " " + transaction_id, std::move(done));
  }
  void Fence(const GatewayCall& call, const std::string& captured, Done done) override {
    Add("fence " + call.key + (captured.empty() ? "" : " " + captured), std::move(done));
  }

  void Inquire(const GatewayCall& call, Done done) override { Add("get " + call.key, std::move(done)); }

  // Waits until it is asked `question`, then answers it.
  void Answer(const std::string& question, GatewayAnswer answer) {
    ASSERT_TRUE(IsAsked(question)) << question;
    Done done;
    {
      std::lock_guard lock(mutex_);
      done = std::move(asked_.extract(asked_.find(question)).mapped());
    }
    done(std::move(answer));
  }
  bool IsAsked(const std::string& question) {
    return Eventually([&] { return Count(question) > 0; });
  }
  std::size_t Count(const std::string& question) {
    std::lock_guard lock(mutex_);
    return asked_.count(question);
  }

 private:
  void Add(const std::string& question, Done done) {
    std::lock_guard lock(mutex_);
    asked_.emplace(question, std::move(done));
  }

  std::mutex mutex_;
  std::multimap<std::string, Done> asked_;
};

GatewayAnswer Captured() { return {GatewayAnswer::Kind::kMoved, "tx-1", {1000, "KRW"}, "", ""}; }
GatewayAnswer Fenced() { return {GatewayAnswer::Kind::kFenced, "", {}, "", "KEY_FENCED"}; }
GatewayAnswer PaidBack() { return {GatewayAnswer::Kind::kMoved, "tx-2", {1000, "KRW"}, "tx-1", ""}; }
GatewayAnswer Nothing() { return {GatewayAnswer::Kind::kUnknown, "", {}, "", "DEADLINE_EXCEEDED"}; }

class PaymentDomainTest : public testing::Test {
 protected:
  PaymentDomainTest() {
    std::unique_ptr<Connection> connection = OpenTestDatabase(folder_.File("payment.db"));
    EXPECT_TRUE(Participant::Migrate(*connection).ok());
    EXPECT_TRUE(Migrate(*connection, "payment", kPaymentMigrations).ok());
    ParticipantOptions options;
    options.domain = std::string(kErrorDomain);
    participant_ = std::make_unique<Participant>(std::move(connection), *domain_, clock_, options);
    read_connection_ = OpenTestDatabase(folder_.File("payment.db"));
    settler_ = std::make_unique<Settler>(
        OpenTestDatabase(folder_.File("payment.db")), gateway_, gateway_, clock_, [](const std::string&) {},
        absl::Milliseconds(20));
  }
  ~PaymentDomainTest() override { settler_->Stop(); }

  std::future<Participant::Reply> Submit(const char* method, const char* step, barrier::Phase phase,
                                         std::shared_ptr<const google::protobuf::Message> request) {
    CallKey key;
    key.accepts_pending = std::string(method) != "ResolveCharge";
    key.decides = std::string(method) == "ResolveCollect";
    key.saga_id = "saga";
    key.step = step;
    key.phase = phase;
    std::promise<Participant::Reply> reply;
    std::future<Participant::Reply> future = reply.get_future();
    participant_->Submit(
        domain_->NumberOf(method), key, std::move(request),
        [reply = std::move(reply)](Participant::Reply answer) mutable { reply.set_value(std::move(answer)); });
    return future;
  }
  static std::shared_ptr<v1::ChargeRequest> ChargeOf(const std::string& id) {
    auto request = std::make_shared<v1::ChargeRequest>();
    request->set_payment_id(id);
    request->set_member_id("m1");
    request->mutable_amount()->set_minor_units(1000);
    request->mutable_amount()->set_currency_code("KRW");
    request->set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
    return request;
  }
  static std::shared_ptr<v1::RefundRequest> RefundOf(const std::string& id) {
    auto request = std::make_shared<v1::RefundRequest>();
    request->set_refund_id("r-" + id);
    request->set_payment_id(id);
    return request;
  }
  std::future<Participant::Reply> Charge(const std::string& id = "p1") {
    return Submit("Charge", ("charge-" + id).c_str(), barrier::Phase::kAction, ChargeOf(id));
  }
  std::future<Participant::Reply> Resolve(const std::string& id = "p1") {
    return Submit("ResolveCharge", ("charge-" + id).c_str(), barrier::Phase::kResolve, ChargeOf(id));
  }
  std::future<Participant::Reply> Refund(const std::string& id) {
    return Submit("Refund", ("refund-" + id).c_str(), barrier::Phase::kAction, RefundOf(id));
  }
  std::future<Participant::Reply> ResolveRefund(const std::string& id) {
    return Submit("ResolveRefund", ("refund-" + id).c_str(), barrier::Phase::kResolve, RefundOf(id));
  }

  static std::shared_ptr<v1::CollectRequest> CollectOf(const std::string& id) {
    auto request = std::make_shared<v1::CollectRequest>();
    request->set_payment_id(id);
    request->set_member_id("m1");
    request->mutable_amount()->set_minor_units(1000);
    request->mutable_amount()->set_currency_code("KRW");
    request->mutable_wait_until()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 900);
    return request;
  }
  // Waits for the customer.
  void Collect() {
    collect_ = CollectOf("p1");
    EXPECT_TRUE(Submit("Collect", "collect", barrier::Phase::kAction, collect_).get().pending);
  }
  std::future<Participant::Reply> Decide() {
    return Submit("ResolveCollect", "collect", barrier::Phase::kResolve, collect_);
  }
  std::future<Participant::Reply> Pay(const char* call) {
    auto request = std::make_shared<v1::PayRequest>();
    request->set_payment_id("p1");
    request->set_member_id("m1");
    request->set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
    return Submit("Pay", call, barrier::Phase::kAction, std::move(request));
  }
  // A webhook that tells of a capture.
  absl::Status Tell(const std::string& key) {
    std::promise<absl::Status> told;
    settler_->Receive({.event_id = "evt-" + key, .key = key, .word = Captured(), .body = "{}"},
                      [&told](absl::Status status) { told.set_value(std::move(status)); });
    return told.get_future().get();
  }
  std::vector<Return> Returns() {
    std::vector<Return> returns;
    EXPECT_TRUE(read_connection_
                    ->Write([&](soci::session& session) {
                      returns = LoadReturns(session, {"p1"});
                      return absl::OkStatus();
                    })
                    .ok());
    return returns;
  }

  // The committed row.
  std::optional<Payment> Row() {
    std::optional<Payment> row;
    EXPECT_TRUE(read_connection_
                    ->Read([&](soci::session& session) {
                      row = LoadPayments(session, {"p1"}, Purpose::kRead)["p1"];
                      return absl::OkStatus();
                    })
                    .ok());
    return row;
  }

  ScratchFolder folder_;
  SystemClock clock_;
  PlayedGateway gateway_;
  const std::unique_ptr<StepDomain> domain_ = NewPaymentDomain(gateway_, clock_);
  std::unique_ptr<Connection> read_connection_;
  std::unique_ptr<Participant> participant_;
  std::unique_ptr<Settler> settler_;
  std::shared_ptr<v1::CollectRequest> collect_;
};

TEST_F(PaymentDomainTest, TheIntentIsCommittedWhenTheGatewayIsAsked) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  ASSERT_TRUE(Row());
  EXPECT_EQ(Row()->state, State::kPending);
  gateway_.Answer("confirm charge-p1", Nothing());
  EXPECT_EQ(GetErrorInfo(charge.get().status).reason, "GATEWAY_UNKNOWN");

  auto resolve = Resolve();
  ASSERT_TRUE(gateway_.IsAsked("fence charge-p1"));
  EXPECT_EQ(Row()->state, State::kResolving);
  gateway_.Answer("fence charge-p1", Captured());
  EXPECT_TRUE(resolve.get().status.ok());
  EXPECT_EQ(Row()->state, State::kSuccess);
}

TEST_F(PaymentDomainTest, WhileItIsResolvedNoCopyAsksForMoney) {
  auto charge = Charge();
  gateway_.Answer("confirm charge-p1", Nothing());
  charge.get();
  auto resolve = Resolve();
  ASSERT_TRUE(gateway_.IsAsked("fence charge-p1"));
  EXPECT_EQ(GetErrorInfo(Charge().get().status).metadata["pg_reason"], "RESOLVING");
  gateway_.Answer("fence charge-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(resolve.get().status).metadata["cause"], "PAYMENT_TIMEOUT");
}

TEST_F(PaymentDomainTest, TheAnswerOfAChargeThatWasResolvedMeanwhileIsTheResolvesOwn) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  auto resolve = Resolve();
  gateway_.Answer("fence charge-p1", Captured());
  const std::string response = resolve.get().response;
  gateway_.Answer("confirm charge-p1", Nothing());
  EXPECT_EQ(charge.get().response, response);
}

// What is decided of an answer and cannot be stored would be asked about again, and another answer believed.
TEST_F(PaymentDomainTest, WhateverTheGatewayAnswersIsStored) {
  using AnswerKind = GatewayAnswer::Kind;
  int n = 0;
  for (const AnswerKind kind : {AnswerKind::kMoved, AnswerKind::kDeclined, AnswerKind::kFenced,
                                AnswerKind::kBackAlready, AnswerKind::kUnknown}) {
    for (const bool by_resolve : {false, true}) {
      const std::string id = "p" + std::to_string(++n);
      const std::string capture = "tx-" + id;
      SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) + (by_resolve ? " to a resolve" : ""));
      const bool moved = kind == AnswerKind::kMoved;
      const auto expect_stored = [](std::future<Participant::Reply> reply) {
        const std::string reason = GetErrorInfo(reply.get().status).reason;
        EXPECT_THAT(reason, testing::AnyOf("", "GATEWAY_UNKNOWN", "PAYMENT_FAILED", "PAYMENT_TIMEOUT", "REFUND_FAILED",
                                           "NEVER_HAPPENED"));
      };

      auto charge = Charge(id);
      gateway_.Answer("confirm charge-" + id,
                      by_resolve ? Nothing() : GatewayAnswer{kind, moved ? capture : "", {1000, "KRW"}, "", "WHY"});
      expect_stored(std::move(charge));
      if (by_resolve) {
        auto resolve = Resolve(id);
        gateway_.Answer("fence charge-" + id, {kind, moved ? capture : "", {1000, "KRW"}, "", "WHY"});
        expect_stored(std::move(resolve));
      }

      const std::string paid = "paid-" + std::to_string(n);
      auto paying = Charge(paid);
      gateway_.Answer("confirm charge-" + paid, {AnswerKind::kMoved, capture, {1000, "KRW"}, "", ""});
      paying.get();
      const GatewayAnswer back = {kind, moved ? "back-" + id : "", {1000, "KRW"}, moved ? capture : "", "WHY"};
      auto refund = Refund(paid);
      gateway_.Answer("cancel refund-r-" + paid + " " + capture, by_resolve ? Nothing() : back);
      expect_stored(std::move(refund));
      if (!by_resolve) continue;
      auto resolve = ResolveRefund(paid);
      gateway_.Answer("fence refund-r-" + paid + " " + capture, back);
      expect_stored(std::move(resolve));
    }
  }
}

TEST_F(PaymentDomainTest, AGatewayThatBreaksItsWordIsLoggedAndNotBelieved) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  auto resolve = Resolve();
  gateway_.Answer("fence charge-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(resolve.get().status).reason, "NEVER_HAPPENED");
  testing::internal::CaptureStderr();
  gateway_.Answer("confirm charge-p1", Captured());
  const Participant::Reply late = charge.get();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(GetErrorInfo(late.status).reason, "FENCED");
  EXPECT_EQ(Row()->state, State::kFailed);
  EXPECT_THAT(log, HasSubstr("\"severity\":\"error\""));
  EXPECT_THAT(log, HasSubstr("charge-p1"));
  EXPECT_THAT(log, HasSubstr("tx-1"));
}

TEST_F(PaymentDomainTest, AContradictionIsOneMessageAndItsFindingAField) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  GatewayAnswer answer = Captured();
  answer.amount.minor_units = 999;
  testing::internal::CaptureStderr();
  gateway_.Answer("confirm charge-p1", answer);
  EXPECT_EQ(charge.get().status.code(), absl::StatusCode::kUnavailable);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("\"severity\":\"error\""));
  EXPECT_THAT(log, HasSubstr("\"msg\":\"the payment gateway contradicts what was asked"));
  EXPECT_THAT(log, HasSubstr("\"finding\":\"the gateway took 999"));
  EXPECT_THAT(log, HasSubstr("\"saga_id\":\"saga\",\"step\":\"charge-p1\""));
}

TEST_F(PaymentDomainTest, AnAnswerThatCannotBeTrueIsUnknownAndLogged) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  GatewayAnswer answer = {GatewayAnswer::Kind::kUnknown, "", {}, "", "KIND_MISMATCH"};
  answer.contradiction = "KIND_MISMATCH: the gateway says a refund";
  testing::internal::CaptureStderr();
  gateway_.Answer("confirm charge-p1", answer);
  EXPECT_EQ(charge.get().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Row()->state, State::kPending);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("\"finding\":\"KIND_MISMATCH: the gateway says"));
}

// The capture's webhook comes between the commit that decides and the fence's answer.
TEST_F(PaymentDomainTest, AWebhookWhileItIsDecidedMakesItPaidAndPaysNothingBack) {
  Collect();
  auto paying = Pay("a");
  ASSERT_TRUE(gateway_.IsAsked("confirm pay-1-p1"));
  auto deciding = Decide();
  ASSERT_TRUE(gateway_.IsAsked("fence pay-1-p1"));
  EXPECT_EQ(Row()->state, State::kResolving);
  EXPECT_EQ(Tell("pay-1-p1"), absl::OkStatus());
  EXPECT_EQ(Row()->state, State::kSuccess);
  gateway_.Answer("fence pay-1-p1", Captured());
  EXPECT_EQ(deciding.get().status, absl::OkStatus());
  gateway_.Answer("confirm pay-1-p1", Captured());
  EXPECT_EQ(paying.get().status, absl::OkStatus());
  EXPECT_THAT(Returns(), IsEmpty());
  EXPECT_EQ(gateway_.Count("cancel return-1-pay-1-p1 tx-1"), 0u);
}

// Card A is silent, the member pays by card B, and both capture.
TEST_F(PaymentDomainTest, ASecondCardIsAskedOnlyOnceTheFirstIsFencedAndWhatThatTakesGoesBack) {
  Collect();
  auto first = Pay("a");
  ASSERT_TRUE(gateway_.IsAsked("confirm pay-1-p1"));
  auto second = Pay("b");
  ASSERT_TRUE(gateway_.IsAsked("fence pay-1-p1"));
  EXPECT_EQ(gateway_.Count("confirm pay-2-p1"), 0u);
  gateway_.Answer("fence pay-1-p1", Fenced());
  ASSERT_TRUE(gateway_.IsAsked("confirm pay-2-p1"));
  EXPECT_EQ(Tell("pay-1-p1"), absl::OkStatus());
  GatewayAnswer other = Captured();
  other.transaction_id = "tx-b";
  gateway_.Answer("confirm pay-2-p1", other);
  EXPECT_EQ(second.get().status, absl::OkStatus());
  gateway_.Answer("confirm pay-1-p1", Captured());
  EXPECT_EQ(GetErrorInfo(first.get().status).reason, "PAYMENT_DECLINED");
  EXPECT_EQ(Row()->pg_transaction_id, "tx-b");
  gateway_.Answer("cancel return-1-pay-1-p1 tx-1", PaidBack());
  EXPECT_TRUE(Eventually([&] { return Returns().size() == 1 && Returns()[0].done; }));
}

TEST_F(PaymentDomainTest, WhileTheFirstCardIsFencedByTheDecisionNoSecondIsAsked) {
  Collect();
  auto first = Pay("a");
  ASSERT_TRUE(gateway_.IsAsked("confirm pay-1-p1"));
  auto deciding = Decide();
  ASSERT_TRUE(gateway_.IsAsked("fence pay-1-p1"));
  auto second = Pay("b");
  ASSERT_TRUE(Eventually([&] { return gateway_.Count("fence pay-1-p1") == 2; }));
  gateway_.Answer("fence pay-1-p1", Fenced());
  gateway_.Answer("fence pay-1-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(deciding.get().status).metadata["cause"], "PAYMENT_CANCELLED");
  EXPECT_EQ(GetErrorInfo(second.get().status).reason, "PAYMENT_CANCELLED");
  gateway_.Answer("confirm pay-1-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(first.get().status).reason, "PAYMENT_CANCELLED");
  EXPECT_EQ(gateway_.Count("confirm pay-2-p1"), 0u);
}

// A decision that races a Pay which has just fenced the last attempt.
TEST_F(PaymentDomainTest, AnAttemptThatBeginsWhileItIsDecidedIsFencedToo) {
  Collect();
  auto first = Pay("a");
  ASSERT_TRUE(gateway_.IsAsked("confirm pay-1-p1"));
  auto second = Pay("b");
  ASSERT_TRUE(gateway_.IsAsked("fence pay-1-p1"));
  auto deciding = Decide();
  ASSERT_TRUE(Eventually([&] { return gateway_.Count("fence pay-1-p1") == 2; }));
  gateway_.Answer("fence pay-1-p1", Fenced());
  gateway_.Answer("fence pay-1-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(deciding.get().status).reason, "NEVER_HAPPENED");
  EXPECT_EQ(GetErrorInfo(second.get().status).reason, "PAYMENT_CANCELLED");
  gateway_.Answer("confirm pay-1-p1", Fenced());
  first.get();
  EXPECT_EQ(Row()->state, State::kFailed);
}

// The barrier refuses the call, so that its answer is nobody's.
TEST_F(PaymentDomainTest, WhatALateAnswerTookGoesBack) {
  const std::unique_ptr<StepDomain> domain =
      NewPaymentDomain(gateway_, clock_, std::bind_front(&Settler::Hear, settler_.get()));
  ParticipantOptions options;
  options.domain = std::string(kErrorDomain);
  participant_ = std::make_unique<Participant>(OpenTestDatabase(folder_.File("payment.db")), *domain, clock_, options);
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  auto resolve = Resolve();
  gateway_.Answer("fence charge-p1", Fenced());
  resolve.get();
  gateway_.Answer("confirm charge-p1", Captured());
  EXPECT_EQ(GetErrorInfo(charge.get().status).reason, "FENCED");
  gateway_.Answer("cancel return-1-charge-p1 tx-1", PaidBack());
  EXPECT_TRUE(Eventually([&] { return Returns().size() == 1 && Returns()[0].done; }));
  participant_->Stop();
  participant_.reset();
}

TEST_F(PaymentDomainTest, ALateAnswerThatAgreesIsNotLogged) {
  auto charge = Charge();
  ASSERT_TRUE(gateway_.IsAsked("confirm charge-p1"));
  auto resolve = Resolve();
  gateway_.Answer("fence charge-p1", Fenced());
  resolve.get();
  testing::internal::CaptureStderr();
  gateway_.Answer("confirm charge-p1", Fenced());
  EXPECT_EQ(GetErrorInfo(charge.get().status).reason, "FENCED");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
}

}  // namespace
}  // namespace unwind::payment
