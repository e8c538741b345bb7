// Collect, Pay and ResolveCollect, and the gateway that finishes payments later and tells it well or badly.
#include <cstdio>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/reconcile_store.h"
#include "payment_svc/reconcile_task.h"
#include "tests/contract/collect_shop.h"

namespace unwind {
namespace {

namespace v1 = ::shop::payment::v1;
using testing::AnyOf;

class PaymentCollectTest : public CollectShop {
 protected:
  std::size_t Differences() {
    const std::unique_ptr<Connection> connection = payment_.Open();
    std::FILE* const out = std::tmpfile();
    const absl::StatusOr<int> differences = payment::Reconcile(
        *connection, {.gateway = pg_.stub(), .timeout = absl::Seconds(5)}, SystemClock(), absl::ZeroDuration(), out);
    std::fclose(out);
    EXPECT_TRUE(differences.ok()) << differences.status();
    return static_cast<std::size_t>(differences.value_or(-1));
  }
};

TEST_F(PaymentCollectTest, IsPendingUntilItIsPaid) {
  const CallResult pending = Collect("p1");
  ASSERT_TRUE(pending.status.ok()) << pending.status;
  EXPECT_TRUE(pending.pending);
  v1::CollectResponse told;
  ASSERT_TRUE(told.ParseFromString(pending.response));
  EXPECT_EQ(told.payment_id(), "p1");
  EXPECT_EQ(told.pay_path(), "/api/v1/payments/p1:pay");
  EXPECT_EQ(told.wait_until().seconds(), until_s_);
  EXPECT_EQ(Get("p1").state(), Payment::STATE_PENDING);
  EXPECT_EQ(Get("p1").wait_until().seconds(), until_s_);

  const CallResult paid = Pay("p1", "try-1");
  ASSERT_TRUE(paid.status.ok()) << paid.status;
  EXPECT_EQ(StateOf(paid), Attempt::STATE_SUCCESS);
  EXPECT_EQ(Pay("p1", "try-1").response, paid.response) << "a repeat";
  const CallResult done = Collect("p1");
  ASSERT_TRUE(done.status.ok()) << done.status;
  EXPECT_FALSE(done.pending);
  ASSERT_TRUE(told.ParseFromString(done.response));
  EXPECT_EQ(told.pg_transaction_id(), pg_.Get("pay-1-p1")->transaction_id());
  EXPECT_EQ(Resolve("p1", true).response, done.response);
  const Payment payment = Get("p1");
  EXPECT_EQ(payment.state(), Payment::STATE_SUCCESS);
  EXPECT_EQ(payment.method(), ::shop::type::v1::PAYMENT_METHOD_CARD);
  ASSERT_EQ(payment.attempts_size(), 1);
  EXPECT_EQ(payment.attempts(0).state(), Attempt::STATE_SUCCESS);
  EXPECT_EQ(pg_.Balance(), 1000);
  EXPECT_EQ(Differences(), 0u);
}

// Who is told of what ends, and whether it was committed by then.
class PaymentSettledTest : public PaymentCollectTest {
 protected:
  PaymentSettledTest() {
    payment_.Stop();
    payment_.OnSettled([this](const std::string& owner) {
      const Payment::State state = Get(owner == OwnerOf(StepOf("c1")) ? "c1" : "p1").state();
      std::lock_guard lock(mutex_);
      told_.push_back(absl::StrCat(owner, " ", Payment::State_Name(state)));
    });
    payment_.Start();
  }
  ~PaymentSettledTest() override { payment_.Stop(); }

  static CallKey StepOf(const std::string& id) { return {.key_scope = "", .saga_id = id, .step = "collect"}; }
  std::vector<std::string> told() {
    std::lock_guard lock(mutex_);
    return told_;
  }
  CallResult Charge() {
    v1::ChargeRequest request;
    request.set_payment_id("c1");
    request.set_member_id("m1");
    *request.mutable_amount() = CollectOf("c1").amount();
    request.set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
    v1::ChargeResponse response;
    return Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action"));
  }

  std::mutex mutex_;
  std::vector<std::string> told_;
};

TEST_F(PaymentSettledTest, APayThatTakesTheMoneyIsToldOnceItIsCommitted) {
  Collect("p1");
  pg::Scenario scenario;
  scenario.fail_first = 1;
  Play(scenario);
  Pay("p1", "try-1");
  EXPECT_THAT(told(), testing::IsEmpty()) << "it waits for another card";
  Pay("p1", "try-2");
  EXPECT_THAT(told(), testing::ElementsAre("2:p1/collect STATE_SUCCESS"));
  Pay("p1", "try-2");
  Collect("p1");
  EXPECT_EQ(told().size(), 1u) << "a repeat settles nothing";
}

TEST_F(PaymentSettledTest, ACancelIsToldOnceItIsCommitted) {
  Collect("p1");
  Cancel("p1", "no-1");
  EXPECT_THAT(told(), testing::ElementsAre("2:p1/collect STATE_FAILED"));
  Cancel("p1", "no-1");
  EXPECT_EQ(told().size(), 1u) << "a repeat";
  Cancel("p1", "no-2");
  EXPECT_EQ(told().size(), 2u) << "the first may have been lost";
  Cancel("p1", "no-3", "m2");
  EXPECT_EQ(told().size(), 2u) << "another member's";
}

TEST_F(PaymentSettledTest, AWebhookIsToldOnceItIsCommitted) {
  pg::Scenario scenario = Async();
  scenario.webhook_twice_percent = 100;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ASSERT_TRUE(Eventually([&] { return !told().empty(); }));
  EXPECT_TRUE(Charge().pending);
  ASSERT_TRUE(Eventually([&] { return told().size() > 1; }));
  EXPECT_THAT(told(), testing::ElementsAre("2:p1/collect STATE_SUCCESS", "2:c1/collect STATE_SUCCESS"));
}

TEST_F(PaymentSettledTest, ADeclinedChargeIsToldToo) {
  pg::Scenario scenario = Async();
  scenario.fail_first = 1;
  Play(scenario);
  EXPECT_TRUE(Charge().pending);
  ASSERT_TRUE(Eventually([&] { return !told().empty(); }));
  EXPECT_THAT(told(), testing::ElementsAre("2:c1/collect STATE_FAILED"));
}

TEST_F(PaymentSettledTest, WhatComesLateIsToldToNobody) {
  Play(Late());
  Collect("p1");
  Pay("p1", "try-1");
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  Finish();
  ASSERT_TRUE(MoneyIsBack());
  EXPECT_THAT(told(), testing::IsEmpty());
}

// Of a caller that would read OK as paid.
TEST_F(PaymentCollectTest, WhoDoesNotAcceptAPendingAnswerGetsNone) {
  const CallResult result = Collect("p1", /*accepts=*/false);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(result.reason(), "PENDING");
  EXPECT_FALSE(result.pending);
  EXPECT_FALSE(result.effect_free);
  v1::CollectResponse response;
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Collect, CollectOf("p2"), &response, {{"idempotency-key", "bare"}}).reason(),
            "PENDING");
  Pay("p1", "try-1");
  EXPECT_TRUE(Collect("p1", false).status.ok());
}

TEST_F(PaymentCollectTest, ARestartEndsNoWait) {
  const CallResult before = Collect("p1");
  payment_.Stop();
  payment_.Start();
  const CallResult after = Collect("p1");
  EXPECT_TRUE(after.pending) << after.status;
  EXPECT_EQ(after.response, before.response);
  EXPECT_TRUE(Pay("p1", "try-1").status.ok());
}

TEST_F(PaymentCollectTest, AWaitLongerThanTheAgeOfACallIsNotFenced) {
  Collect("p1");
  Metadata late = Step("p1", "action");
  late["saga-issued-at"] = absl::StrCat(absl::ToUnixMillis(absl::Now() - absl::Hours(2)));
  v1::CollectResponse response;
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Collect, CollectOf("p1"), &response, late).pending);
}

TEST_F(PaymentCollectTest, ADeclinedCardLeavesItPendingAndAnotherPays) {
  Collect("p1");
  pg::Scenario scenario;
  scenario.fail_first = 1;
  Play(scenario);
  const CallResult declined = Pay("p1", "try-1");
  EXPECT_EQ(declined.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(declined.reason(), "PAYMENT_DECLINED");
  EXPECT_EQ(declined.metadata("pg_reason"), "CARD_DECLINED");
  EXPECT_TRUE(Collect("p1").pending);
  EXPECT_EQ(Pay("p1", "try-1").status, declined.status) << "a repeat";
  EXPECT_EQ(StateOf(Pay("p1", "try-2", "m1", 2)), Attempt::STATE_SUCCESS);
  const Payment payment = Get("p1");
  EXPECT_EQ(payment.method(), ::shop::type::v1::PAYMENT_METHOD_TRANSFER);
  ASSERT_EQ(payment.attempts_size(), 2);
  EXPECT_EQ(payment.attempts(0).state(), Attempt::STATE_DECLINED);
  EXPECT_EQ(payment.attempts(0).failed_reason(), "CARD_DECLINED");
  EXPECT_EQ(pg_.Balance(), 1000);
}

// The customer reads one time, and it is the saga's: only its decision ends the wait.
TEST_F(PaymentCollectTest, AfterItsTimeOnlyTheDecisionEndsIt) {
  Collect("p1");
  payment_.clock().Advance(901);
  const CallResult late = Pay("p1", "try-1");
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(late.reason(), "PAYMENT_EXPIRED");
  EXPECT_TRUE(Collect("p1").pending);
  EXPECT_TRUE(Resolve("p1", false).pending);
  EXPECT_EQ(Get("p1").state(), Payment::STATE_PENDING);
  ExpectNever(Resolve("p1", true), "PAYMENT_EXPIRED");
  ExpectNever(Resolve("p1", true), "PAYMENT_EXPIRED");
  EXPECT_EQ(Collect("p1").reason(), "FENCED");
  EXPECT_EQ(Get("p1").state(), Payment::STATE_FAILED);
  EXPECT_EQ(Get("p1").failed_reason(), "PAYMENT_EXPIRED");
  EXPECT_EQ(Pay("p1", "try-2").reason(), "PAYMENT_EXPIRED");
  EXPECT_EQ(pg_.List().size(), 0u);
}

TEST_F(PaymentCollectTest, ItsCustomerMayCancelIt) {
  Collect("p1");
  EXPECT_EQ(Cancel("p1", "no-1", "m2").reason(), "PAYMENT_NOT_FOUND");
  const CallResult cancelled = Cancel("p1", "no-2");
  ASSERT_TRUE(cancelled.status.ok()) << cancelled.status;
  EXPECT_TRUE(Cancel("p1", "no-3").status.ok());
  EXPECT_EQ(Get("p1").state(), Payment::STATE_FAILED);
  EXPECT_EQ(Get("p1").failed_reason(), "PAYMENT_CANCELLED");
  EXPECT_EQ(Pay("p1", "try-1").reason(), "PAYMENT_CANCELLED");
  const CallResult told = Collect("p1");
  EXPECT_EQ(told.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(told.reason(), "PAYMENT_CANCELLED");
  EXPECT_TRUE(told.effect_free);
  ExpectNever(Resolve("p1", true), "PAYMENT_CANCELLED");
  EXPECT_EQ(pg_.List().size(), 0u);
}

TEST_F(PaymentCollectTest, ACancelFencesTheOpenAttempt) {
  Play(Async(absl::Hours(1)));
  Collect("p1");
  Pay("p1", "try-1");
  ASSERT_TRUE(Cancel("p1", "no-1").status.ok());
  EXPECT_EQ(pg_.Count(Transaction::KIND_FENCE), 1);
  EXPECT_EQ(Get("p1").attempts(0).state(), Attempt::STATE_ABANDONED);
  EXPECT_EQ(Collect("p1").reason(), "PAYMENT_CANCELLED");
}

TEST_F(PaymentCollectTest, WhatIsPaidIsNotCancelled) {
  Collect("p1");
  Pay("p1", "try-1");
  const CallResult refused = Cancel("p1", "no-1");
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(refused.reason(), "PAYMENT_ALREADY_PAID");
  EXPECT_TRUE(Collect("p1").status.ok());
}

// The gateway is away when the customer cancels, and he does not come back.
TEST_F(PaymentCollectTest, ACancelThatHearsNothingEndsByTheSagasOwn) {
  Play(Async(absl::Hours(1)));
  Collect("p1");
  Pay("p1", "try-1");
  pg_.Stop();
  EXPECT_EQ(Cancel("p1", "no-1").reason(), "GATEWAY_UNKNOWN");
  EXPECT_EQ(Pay("p1", "try-2").reason(), "GATEWAY_UNKNOWN") << "the first try may have taken the money";
  EXPECT_TRUE(Collect("p1").pending);
  pg_.Start();
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  EXPECT_EQ(Pay("p1", "try-2").reason(), "PAYMENT_CANCELLED");
  EXPECT_TRUE(Cancel("p1", "no-1").status.ok());
}

TEST_F(PaymentCollectTest, NothingDueIsPaidAtOnceAndRefundedSo) {
  v1::CollectResponse response;
  const CallResult done = Invoke(payment_.stub(), &Stub::Collect, CollectOf("p1", 0), &response, Step("p1", "action"));
  EXPECT_TRUE(done.status.ok()) << done.status;
  EXPECT_FALSE(done.pending);
  EXPECT_EQ(response.pay_path(), "/api/v1/payments/p1:pay") << "what is told is set";
  EXPECT_EQ(Get("p1").state(), Payment::STATE_SUCCESS);
  EXPECT_EQ(Pay("p1", "try-1").reason(), "PAYMENT_ALREADY_PAID");
  v1::RefundRequest refund;
  refund.set_refund_id("r1");
  refund.set_payment_id("p1");
  v1::RefundResponse refunded;
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Refund, refund, &refunded, {{"idempotency-key", "r1"}}).status.ok());
  EXPECT_EQ(Get("p1").state(), Payment::STATE_REFUNDED);
  EXPECT_EQ(pg_.List().size(), 0u);
  EXPECT_EQ(Differences(), 0u);
}

TEST_F(PaymentCollectTest, APaidOneIsRefundedWhole) {
  Collect("p1");
  Pay("p1", "try-1");
  v1::RefundRequest refund;
  refund.set_refund_id("r1");
  refund.set_payment_id("p1");
  v1::RefundResponse refunded;
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Refund, refund, &refunded, {{"idempotency-key", "r1"}}).status.ok());
  EXPECT_EQ(pg_.Balance(), 0);
  EXPECT_EQ(Differences(), 0u);
}

TEST_F(PaymentCollectTest, WhatCannotBePaidHasACodeAReasonAndASentence) {
  const CallResult unknown = Pay("p1", "try-0");
  EXPECT_EQ(unknown.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(unknown.reason(), "PAYMENT_NOT_FOUND");
  Collect("p1");
  EXPECT_EQ(SerializeStatus(Pay("p1", "try-1", "m2").status), SerializeStatus(unknown.status)) << "another member's";
  EXPECT_EQ(Pay("p1", "try-2", "m1", 0).reason(), "INVALID_REQUEST");
  EXPECT_EQ(Pay("p1", "try-3", "m1", 3).reason(), "INVALID_REQUEST");
  EXPECT_EQ(Pay("no good id", "try-4").reason(), "INVALID_REQUEST");
  EXPECT_EQ(Get("p1").attempts_size(), 0);
  Pay("p1", "try-5");
  const CallResult twice = Pay("p1", "try-6");
  EXPECT_EQ(twice.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(twice.reason(), "PAYMENT_ALREADY_PAID");
  EXPECT_EQ(Pay("p1", "try-5", "m1", 2).reason(), "KEY_REUSED");
  EXPECT_EQ(pg_.Count(Transaction::KIND_CAPTURE), 1);
}

TEST_F(PaymentCollectTest, ARequestThatBreaksTheRulesStoresNothing) {
  std::vector<v1::CollectRequest> requests(5, CollectOf("p1"));
  requests[0].clear_member_id();
  requests[1].mutable_amount()->set_minor_units(-1);
  requests[2].clear_wait_until();
  requests[3].mutable_wait_until()->set_seconds(-5);
  requests[4].mutable_amount()->set_currency_code("krw");
  for (std::size_t i = 0; i < requests.size(); ++i) {
    v1::CollectResponse response;
    const CallResult result =
        Invoke(payment_.stub(), &Stub::Collect, requests[i], &response, Step(absl::StrCat("bad", i), "action"));
    EXPECT_EQ(result.reason(), "INVALID_REQUEST") << i << result.status;
  }
  EXPECT_EQ(Get("p1").payment_id(), "");
}

TEST_F(PaymentCollectTest, AWebhookFinishesAnAttempt) {
  Play(Async());
  Collect("p1");
  EXPECT_EQ(StateOf(Pay("p1", "try-1")), Attempt::STATE_PENDING);
  ASSERT_TRUE(Becomes("p1", Payment::STATE_SUCCESS));
  EXPECT_FALSE(Collect("p1").pending);
  EXPECT_EQ(pg_.Balance(), 1000);
}

TEST_F(PaymentCollectTest, ADeclineByWebhookLeavesItPending) {
  pg::Scenario scenario = Async();
  scenario.fail_first = 1;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ASSERT_TRUE(Eventually([&] { return Get("p1").attempts(0).state() == Attempt::STATE_DECLINED; }));
  EXPECT_TRUE(Collect("p1").pending);
  EXPECT_EQ(Pay("p1", "try-1").reason(), "") << "what it was answered stays";
  Play({});
  EXPECT_EQ(StateOf(Pay("p1", "try-2")), Attempt::STATE_SUCCESS);
}

TEST_F(PaymentCollectTest, ALostWebhookIsHarmless) {
  pg::Scenario scenario = Async();
  scenario.webhook_lost_percent = 100;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ASSERT_TRUE(Eventually([&] { return pg_.Get("pay-1-p1")->kind() == Transaction::KIND_CAPTURE; }));
  EXPECT_TRUE(Collect("p1").pending);
  payment_.clock().Advance(60);
  EXPECT_TRUE(Becomes("p1", Payment::STATE_SUCCESS));
}

TEST_F(PaymentCollectTest, AForgedWebhookMovesNothingAndTheInquiryDoes) {
  pg::Scenario scenario = Async();
  scenario.webhook_forged_percent = 100;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ASSERT_TRUE(Eventually([&] { return pg_.Get("pay-1-p1")->kind() == Transaction::KIND_CAPTURE; }));
  EXPECT_TRUE(Collect("p1").pending);
  payment_.clock().Advance(60);
  EXPECT_TRUE(Becomes("p1", Payment::STATE_SUCCESS));
}

TEST_F(PaymentCollectTest, AWebhookMayComeBeforeTheAnswerAndTwice) {
  pg::Scenario scenario = Async();
  scenario.webhook_early_percent = 100;
  scenario.webhook_twice_percent = 100;
  Play(scenario);
  Collect("p1");
  EXPECT_EQ(StateOf(Pay("p1", "try-1")), Attempt::STATE_SUCCESS) << "it was known when the answer came";
  EXPECT_EQ(Get("p1").state(), Payment::STATE_SUCCESS);
  EXPECT_EQ(pg_.Balance(), 1000);
}

// The gateway lies: it takes the money of a key that it had fenced.
TEST_F(PaymentCollectTest, TheLateCaptureIsPaidBackOnce) {
  pg::Scenario scenario = Late();
  scenario.webhook_twice_percent = 100;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  Finish();
  ASSERT_TRUE(MoneyIsBack());
  payment_.clock().Advance(600);  // it is asked no more
  ASSERT_TRUE(pg_.Confirm("other").status.ok());
  Finish();
  ASSERT_TRUE(Eventually([&] { return pg_.Count(Transaction::KIND_CAPTURE) == 2; }));
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
  EXPECT_EQ(Get("p1").state(), Payment::STATE_FAILED);
}

TEST_F(PaymentCollectTest, TheLateCaptureIsPaidBackAlsoIfItsWebhookIsLost) {
  pg::Scenario scenario = Late();
  scenario.webhook_lost_percent = 100;
  Play(scenario);
  Collect("p1");
  Pay("p1", "try-1");
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  Finish();
  ASSERT_TRUE(Eventually([&] { return pg_.Get("pay-1-p1")->kind() == Transaction::KIND_CAPTURE; }));
  EXPECT_EQ(Differences(), 0u) << "it is asked about still";
  payment_.clock().Advance(60);
  EXPECT_TRUE(MoneyIsBack());
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
  EXPECT_TRUE(Eventually([&] { return Differences() == 0; }));
}

// Committed before the 2xx, so the process that starts next pays it back.
TEST_F(PaymentCollectTest, TheLateCaptureIsPaidBackAlsoIfTheProcessDiesAfterItTookTheWebhook) {
  payment_.Stop();
  payment_.SweepEvery(absl::Hours(1));
  payment_.Start();
  Play(Late());
  Collect("p1");
  Pay("p1", "try-1");
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  Finish();
  const auto due = [this] {
    long long count = 0;
    EXPECT_TRUE(payment_.Open()
                    ->Read([&](soci::session& session) {
                      count = payment::CountReturnsDue(session);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  };
  ASSERT_TRUE(Eventually([&] { return due() == 1; }));
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 0);
  payment_.Stop();
  payment_.SweepEvery(absl::Milliseconds(20));
  payment_.Start();
  EXPECT_TRUE(MoneyIsBack());
  EXPECT_TRUE(Eventually([&] { return due() == 0; }));
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
}

TEST_F(PaymentCollectTest, ALateCaptureOfAChargeIsPaidBackToo) {
  Play(Late());
  v1::ChargeRequest request;
  request.set_payment_id("c1");
  request.set_member_id("m1");
  *request.mutable_amount() = CollectOf("c1").amount();
  request.set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
  v1::ChargeResponse response;
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action")).pending);
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action", false)).reason(),
            "PENDING");
  Metadata decide = Step("c1", "resolve");
  decide["saga-decide"] = "now";
  ExpectNever(Invoke(payment_.stub(), &Stub::ResolveCharge, request, &response, decide), "PAYMENT_TIMEOUT");
  Finish();
  EXPECT_TRUE(MoneyIsBack());
  EXPECT_EQ(Get("c1").state(), Payment::STATE_FAILED);
}

// A step that declares no `pending` has no time of its own: its resolve ends it, as it always did.
TEST_F(PaymentCollectTest, OnlyAResolveWhoseCallerDoesNotWaitEndsACharge) {
  Play(Async(absl::Hours(1)));
  v1::ChargeRequest request;
  request.set_payment_id("c1");
  request.set_member_id("m1");
  *request.mutable_amount() = CollectOf("c1").amount();
  request.set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
  v1::ChargeResponse response;
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action", false)).reason(),
            "PENDING");
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::ResolveCharge, request, &response, Step("c1", "resolve")).pending);
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action")).pending);
  ExpectNever(Invoke(payment_.stub(), &Stub::ResolveCharge, request, &response, Step("c1", "resolve", false)),
              "PAYMENT_TIMEOUT");
}

TEST_F(PaymentCollectTest, AChargeMayBeFinishedLater) {
  Play(Async());
  v1::ChargeRequest request;
  request.set_payment_id("c1");
  request.set_member_id("m1");
  *request.mutable_amount() = CollectOf("c1").amount();
  request.set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
  v1::ChargeResponse response;
  EXPECT_TRUE(Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action")).pending);
  ASSERT_TRUE(Becomes("c1", Payment::STATE_SUCCESS));
  const CallResult done = Invoke(payment_.stub(), &Stub::Charge, request, &response, Step("c1", "action"));
  EXPECT_TRUE(done.status.ok() && !done.pending) << done.status;
  EXPECT_NE(response.pg_transaction_id(), "");
}

TEST_F(PaymentCollectTest, AReturnThatTheGatewayDeclinesIsAskedForAgain) {
  Play(Late());
  Collect("p1");
  Pay("p1", "try-1");
  ExpectNever(Decide("p1"), "PAYMENT_CANCELLED");
  pg::Scenario declining;
  declining.fail_first = 1;
  Play(declining);
  Finish();
  ASSERT_TRUE(Eventually([&] { return pg_.Get("return-1-pay-1-p1").ok(); }));
  EXPECT_EQ(pg_.Get("return-1-pay-1-p1")->kind(), Transaction::KIND_DECLINE);
  payment_.clock().Advance(10);
  EXPECT_TRUE(MoneyIsBack());
  EXPECT_EQ(pg_.Get("return-2-pay-1-p1")->kind(), Transaction::KIND_REFUND);
}

TEST_F(PaymentCollectTest, AResetForgetsAttemptsToo) {
  Collect("p1");
  v1::ResetPaymentsResponse response;
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::ResetPayments, {}, &response, {{"idempotency-key", "reset-1"}}).reason(),
            "RESET_REFUSED");
  Pay("p1", "try-1");
  ASSERT_TRUE(
      Invoke(payment_.stub(), &Stub::ResetPayments, {}, &response, {{"idempotency-key", "reset-2"}}).status.ok());
  EXPECT_EQ(response.payments_removed(), 1);
  EXPECT_EQ(Get("p1").payment_id(), "");
}

TEST_F(PaymentCollectTest, ReconcileSaysWhatDiffersAndKeepsIt) {
  Collect("p1");
  Pay("p1", "try-1");
  EXPECT_EQ(Differences(), 0u);
  ASSERT_TRUE(pg_.Cancel("by-hand", pg_.Get("pay-1-p1")->transaction_id()).status.ok());
  ASSERT_TRUE(pg_.Confirm("pay-1-p2").status.ok());
  EXPECT_EQ(Differences(), 2u);
  payment::Reconciliation kept;
  EXPECT_TRUE(payment_.Open()
                  ->Read([&](soci::session& session) {
                    kept = payment::LastReconciliation(session);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(kept.differences, 2);
  EXPECT_LT(absl::Now() - kept.end, absl::Minutes(1));
}

// Cards that decline, hang and finish later, webhooks of every kind, new attempts, restarts and the decision, at once.
TEST_F(PaymentCollectTest, TwoCapturesOfOnePaymentNeverStand) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  pg::Scenario scenario = Async(absl::Milliseconds(60));
  scenario.seed = seed;
  scenario.fail_percent = 25;
  scenario.hang_percent = 15;
  scenario.async_percent = 60;
  scenario.webhook_delay = absl::Milliseconds(20);
  scenario.webhook_lost_percent = 20;
  scenario.webhook_twice_percent = 30;
  scenario.webhook_early_percent = 20;
  scenario.webhook_forged_percent = 10;
  scenario.after_fence_percent = 50;
  Play(scenario);
  constexpr int kPayments = 24;
  std::vector<std::string> ids;
  for (int i = 0; i < kPayments; ++i) ids.push_back(absl::StrCat("p", i));
  std::vector<std::thread> threads;
  for (int customer = 0; customer < 4; ++customer) {
    threads.emplace_back([&, customer] {
      std::mt19937 random(seed + static_cast<unsigned>(customer));
      for (std::size_t i = static_cast<std::size_t>(customer); i < ids.size(); i += 4) {
        Collect(ids[i]);
        std::thread second([&, key = absl::StrCat(ids[i], "-second")] { Pay(ids[i], key); });
        for (int attempt = 0; attempt < 3; ++attempt) {
          const std::string key = absl::StrCat(ids[i], "-", attempt);
          if (Pay(ids[i], key).status.code() == absl::StatusCode::kUnavailable && random() % 2 == 0) Pay(ids[i], key);
        }
        second.join();
        if (random() % 2 == 0) Resolve(ids[i], true);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  payment_.Stop();
  payment_.Start();
  for (const std::string& id : ids) EXPECT_THAT(Decide(id).reason(), AnyOf("", "NEVER_HAPPENED"));
  const auto expected = [&] {
    std::int64_t paid = 0;
    for (const std::string& id : ids) {
      if (Get(id).state() == Payment::STATE_SUCCESS) paid += 1000;
    }
    return paid;
  };
  EXPECT_TRUE(Eventually(absl::Seconds(60),
                         [&] {
                           payment_.clock().Advance(30);
                           return pg_.Balance() == expected() && Differences() == 0;
                         }))
      << pg_.Balance() << " at the gateway, " << expected() << " paid";
  std::set<std::string> kept;  // payments of captures that were not paid back
  std::set<std::string> back;
  for (const Transaction& transaction : pg_.List()) back.insert(transaction.captured_transaction_id());
  for (const Transaction& transaction : pg_.List()) {
    if (transaction.kind() != Transaction::KIND_CAPTURE || back.count(transaction.transaction_id()) > 0) continue;
    EXPECT_TRUE(kept.insert(payment::PaymentIdOf(transaction.idempotency_key())).second)
        << transaction.idempotency_key();
  }
}

}  // namespace
}  // namespace unwind
