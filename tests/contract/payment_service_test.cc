// payment_svc over mock_pg, both real: charged at most once, resolved finally, refunded at most once, whatever the
// gateway does.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/payment_harness.h"

namespace unwind {
namespace {

namespace v1 = ::shop::payment::v1;
using ::pg::v1::Transaction;
using Stub = PaymentProcess::Stub;

class PaymentServiceTest : public testing::Test {
 protected:
  static Metadata Step(const std::string& saga, const std::string& step, const std::string& phase) {
    return {{"saga-id", saga},      {"saga-step", step},   {"saga-phase", phase},
            {"saga-kind", "pivot"}, {"saga-attempt", "1"}, {"idempotency-key", saga + "/" + step + "/" + phase}};
  }
  static v1::ChargeRequest ChargeOf(const std::string& id, std::int64_t amount = 1000,
                                    const std::string& currency = "KRW") {
    v1::ChargeRequest request;
    request.set_payment_id(id);
    request.set_member_id("m1");
    request.mutable_amount()->set_minor_units(amount);
    request.mutable_amount()->set_currency_code(currency);
    request.set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
    return request;
  }
  // The payment of saga `id` is `id`, as in place_order.
  CallResult Charge(const std::string& id, std::int64_t amount = 1000, const std::string& currency = "KRW") {
    v1::ChargeResponse response;
    return Invoke(payment_.stub(), &Stub::Charge, ChargeOf(id, amount, currency), &response,
                  Step(id, "charge", "action"));
  }
  CallResult ResolveCharge(const std::string& id, std::int64_t amount = 1000) {
    v1::ChargeResponse response;
    return Invoke(payment_.stub(), &Stub::ResolveCharge, ChargeOf(id, amount), &response,
                  Step(id, "charge", "resolve"));
  }
  static v1::RefundRequest RefundOf(const std::string& refund_id, const std::string& payment_id,
                                    std::int64_t keep = 0) {
    v1::RefundRequest request;
    if (keep > 0) {
      request.mutable_keep()->set_minor_units(keep);
      request.mutable_keep()->set_currency_code("KRW");
    }
    request.set_refund_id(refund_id);
    request.set_payment_id(payment_id);
    return request;
  }
  CallResult Refund(const std::string& id, const std::string& payment_id, std::int64_t keep = 0) {
    v1::RefundResponse response;
    return Invoke(payment_.stub(), &Stub::Refund, RefundOf(id, payment_id, keep), &response,
                  Step(id, "refund", "action"));
  }
  CallResult ResolveRefund(const std::string& id, const std::string& payment_id, std::int64_t keep = 0) {
    v1::RefundResponse response;
    return Invoke(payment_.stub(), &Stub::ResolveRefund, RefundOf(id, payment_id, keep), &response,
                  Step(id, "refund", "resolve"));
  }
  absl::StatusOr<v1::Payment> Get(const std::string& id) {
    v1::GetPaymentRequest request;
    request.set_payment_id(id);
    v1::Payment response;
    const CallResult result = Invoke(payment_.stub(), &Stub::GetPayment, request, &response);
    if (!result.status.ok()) return result.status;
    return response;
  }
  v1::Payment::State StateOf(const std::string& id) {
    const absl::StatusOr<v1::Payment> payment = Get(id);
    return payment.ok() ? payment->state() : v1::Payment::STATE_UNSPECIFIED;
  }
  CallResult Reset() {
    v1::ResetPaymentsResponse response;
    return Invoke(payment_.stub(), &Stub::ResetPayments, {}, &response, {{"idempotency-key", "reset-1"}});
  }

  void HangNext(int calls) {
    pg::Scenario scenario;
    scenario.hang_first = calls;
    pg_.gateway().SetScenario(scenario);
  }
  void DeclineNext(int calls) {
    pg::Scenario scenario;
    scenario.fail_first = calls;
    pg_.gateway().SetScenario(scenario);
  }

  // The ledger holds exactly what the payments say.
  void ExpectConserved(const std::vector<std::string>& ids) {
    std::int64_t paid = 0;
    for (const std::string& id : ids) {
      const absl::StatusOr<v1::Payment> payment = Get(id);
      if (!payment.ok()) continue;
      EXPECT_NE(payment->state(), v1::Payment::STATE_PENDING) << id;
      if (payment->state() == v1::Payment::STATE_SUCCESS) paid += payment->amount().minor_units();
    }
    EXPECT_EQ(pg_.Balance(), paid);
  }

  ScratchFolder folder_;
  PgProcess pg_{folder_};
  PaymentProcess payment_{folder_, pg_.address()};
};

void ExpectUnknown(const CallResult& result) {
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  EXPECT_EQ(result.reason(), "GATEWAY_UNKNOWN");
  EXPECT_FALSE(result.effect_free);
}

void ExpectNever(const CallResult& result, const std::string& cause) {
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition) << result.status;
  EXPECT_EQ(result.reason(), "NEVER_HAPPENED");
  EXPECT_EQ(result.metadata("cause"), cause);
}

void ExpectFenced(const CallResult& result) {
  EXPECT_EQ(result.status.code(), absl::StatusCode::kAborted) << result.status;
  EXPECT_EQ(result.reason(), "FENCED");
}

// Once callers are told apart.
TEST_F(PaymentServiceTest, AMemberCannotTellAnothersPaymentFromNone) {
  payment_.Stop();
  payment_.Guard(R"(rules:
  - {callers: [gateway], methods: [shop.payment.v1.PaymentService/GetPayment], member: allowed}
  - {callers: [orchestrator], methods: [shop.payment.v1.PaymentService/Charge], saga_metadata: allowed}
)");
  payment_.Start();
  const auto get_as = [&](const std::string& member) {
    Metadata caller = {{kTestIdentity, "gateway"}};
    if (!member.empty()) caller["x-member-id"] = member;
    v1::GetPaymentRequest request;
    request.set_payment_id("o1");
    v1::Payment response;
    return Invoke(payment_.stub(), &Stub::GetPayment, request, &response, caller);
  };
  const CallResult unknown = get_as("m2");
  EXPECT_EQ(GetErrorInfo(unknown.status).reason, "PAYMENT_NOT_FOUND");
  Metadata step = Step("o1", "charge", "action");
  step[kTestIdentity] = "orchestrator";
  v1::ChargeResponse charged;
  ASSERT_TRUE(Invoke(payment_.stub(), &Stub::Charge, ChargeOf("o1"), &charged, step).status.ok());
  EXPECT_EQ(SerializeStatus(get_as("m2").status), SerializeStatus(unknown.status));
  EXPECT_TRUE(get_as("m1").status.ok());
  EXPECT_TRUE(get_as("").status.ok());
}

TEST_F(PaymentServiceTest, Charges) {
  const CallResult result = Charge("p1", 1500);
  ASSERT_TRUE(result.status.ok()) << result.status;
  const absl::StatusOr<v1::Payment> payment = Get("p1");
  ASSERT_TRUE(payment.ok());
  EXPECT_EQ(payment->state(), v1::Payment::STATE_SUCCESS);
  EXPECT_EQ(payment->member_id(), "m1");
  EXPECT_EQ(payment->amount().minor_units(), 1500);
  EXPECT_EQ(payment->amount().currency_code(), "KRW");
  EXPECT_EQ(payment->method(), ::shop::type::v1::PAYMENT_METHOD_CARD);
  EXPECT_EQ(payment->failed_reason(), "");
  EXPECT_GE(payment->paid_at().seconds(), payment->create_time().seconds());
  const absl::StatusOr<Transaction> entry = pg_.Get("charge-p1");
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->amount_minor(), 1500);
  EXPECT_EQ(entry->transaction_id(), payment->pg_transaction_id());
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, ARepeatGetsTheSameBytesAlsoAfterARestart) {
  const CallResult first = Charge("p1");
  ASSERT_TRUE(first.status.ok());
  EXPECT_EQ(Charge("p1").response, first.response);
  EXPECT_EQ(ResolveCharge("p1").response, first.response);
  pg_.Stop();
  payment_.Stop();
  payment_.Start();
  EXPECT_EQ(Charge("p1").response, first.response) << "without the gateway";
  EXPECT_EQ(ResolveCharge("p1").response, first.response);
}

TEST_F(PaymentServiceTest, ADeclineIsARefusalWithoutEffect) {
  DeclineNext(1);
  const CallResult first = Charge("p1");
  EXPECT_EQ(first.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(first.reason(), "PAYMENT_FAILED");
  EXPECT_EQ(first.metadata("pg_reason"), "CARD_DECLINED");
  EXPECT_EQ(GetErrorInfo(first.status).domain, "payment.shop.unwind");
  EXPECT_TRUE(first.effect_free);
  const CallResult again = Charge("p1");
  EXPECT_EQ(again.status, first.status);
  EXPECT_TRUE(again.effect_free);
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_FAILED);
  EXPECT_EQ(Get("p1")->failed_reason(), "CARD_DECLINED");
  ExpectNever(ResolveCharge("p1"), "PAYMENT_FAILED");
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, AnAmountThatTheGatewayRefuses) {
  pg::Scenario scenario;
  scenario.refuse_amount_minor = 100'000;
  pg_.gateway().SetScenario(scenario);
  const CallResult result = Charge("p1", 100'000);
  EXPECT_EQ(result.reason(), "PAYMENT_FAILED");
  EXPECT_EQ(result.metadata("pg_reason"), "AMOUNT_REFUSED");
}

TEST_F(PaymentServiceTest, AGatewayThatTakesTheMoneyAndNeverAnswersIsFoundOut) {
  HangNext(1);
  ExpectUnknown(Charge("p1"));
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_PENDING);
  const CallResult resolved = ResolveCharge("p1");
  ASSERT_TRUE(resolved.status.ok()) << resolved.status;
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_SUCCESS);
  EXPECT_EQ(ResolveCharge("p1").response, resolved.response);
  EXPECT_EQ(Charge("p1").response, resolved.response) << "a late copy gets the charge's answer";
  EXPECT_EQ(pg_.Count(Transaction::KIND_CAPTURE), 1);
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, ARepeatAfterAnUnknownAsksUnderTheSameKey) {
  HangNext(1);
  ExpectUnknown(Charge("p1"));
  ASSERT_TRUE(Charge("p1").status.ok());
  EXPECT_EQ(pg_.List().size(), 1u);
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, AHungDeclineIsResolvedAsADecline) {
  pg::Scenario scenario;
  scenario.hang_first = 1;
  scenario.fail_first = 1;
  pg_.gateway().SetScenario(scenario);
  ExpectUnknown(Charge("p1"));
  const CallResult result = ResolveCharge("p1");
  ExpectNever(result, "PAYMENT_FAILED");
  EXPECT_EQ(result.metadata("pg_reason"), "CARD_DECLINED");
  ExpectFenced(Charge("p1"));
}

TEST_F(PaymentServiceTest, AGatewayThatIsDownLeavesItUnknownUntilItIsBack) {
  pg_.Stop();
  ExpectUnknown(Charge("p1"));
  ExpectUnknown(Charge("p1"));
  ExpectUnknown(ResolveCharge("p1"));
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_PENDING);
  pg_.Start();
  CallResult resolved;
  EXPECT_TRUE(Eventually([&] {  // the channel's backoff
    resolved = ResolveCharge("p1");
    return resolved.reason() != "GATEWAY_UNKNOWN";
  }));
  ExpectNever(resolved, "PAYMENT_TIMEOUT");
  EXPECT_EQ(ResolveCharge("p1").status, resolved.status);
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_FAILED);
  EXPECT_EQ(Get("p1")->failed_reason(), "PAYMENT_TIMEOUT");
  ExpectFenced(Charge("p1"));
  EXPECT_EQ(pg_.Get("charge-p1")->kind(), Transaction::KIND_FENCE);
  EXPECT_EQ(pg_.Balance(), 0);
}

TEST_F(PaymentServiceTest, AChargeThatComesAfterItsResolveIsFenced) {
  ExpectNever(ResolveCharge("p1"), "PAYMENT_TIMEOUT");
  ExpectFenced(Charge("p1"));
  EXPECT_EQ(pg_.List().size(), 0u);
  EXPECT_EQ(GetErrorInfo(Get("p1").status()).reason, "PAYMENT_NOT_FOUND");
}

// Its charge was refused as invalid, and the resolve carries the same request.
TEST_F(PaymentServiceTest, AChargeThatBreaksTheRulesIsResolvedAsNever) {
  EXPECT_EQ(Charge("no good id").status.code(), absl::StatusCode::kInvalidArgument);
  ExpectNever(ResolveCharge("no good id"), "PAYMENT_TIMEOUT");
  EXPECT_EQ(pg_.List().size(), 0u);
}

// The charge is on its slow way to the gateway when the resolve fences its key.
TEST_F(PaymentServiceTest, ACaptureThatIsTooLateTakesNoMoney) {
  pg::Scenario scenario;
  scenario.delay = absl::Milliseconds(2500);
  pg_.gateway().SetScenario(scenario);
  ExpectUnknown(Charge("p1"));
  pg_.gateway().SetScenario({});
  ExpectNever(ResolveCharge("p1"), "PAYMENT_TIMEOUT");
  pg_.gateway().SetScenario(scenario);  // so that the next fence ends behind the late charge
  EXPECT_TRUE(pg_.Fence("charge-other").status.ok());
  pg_.gateway().SetScenario({});
  EXPECT_EQ(pg_.Get("charge-p1")->kind(), Transaction::KIND_FENCE);
  EXPECT_EQ(pg_.Balance(), 0);
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_FAILED);
}

TEST_F(PaymentServiceTest, ConcurrentCopiesOfAChargeTakeTheMoneyOnce) {
  std::vector<CallResult> results(16);
  std::vector<std::thread> callers;
  for (CallResult& result : results) callers.emplace_back([this, &result] { result = Charge("p1"); });
  for (std::thread& caller : callers) caller.join();
  for (const CallResult& result : results) {
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.response, results[0].response);
  }
  EXPECT_EQ(pg_.Count(Transaction::KIND_CAPTURE), 1);
}

TEST_F(PaymentServiceTest, AChargeAndItsResolveAtOnceAgree) {
  std::vector<std::string> ids;
  for (int i = 0; i < 30; ++i) {
    const std::string id = "p" + std::to_string(i);
    ids.push_back(id);
    CallResult charge, resolve;
    std::thread charging([&] { charge = Charge(id); });
    resolve = ResolveCharge(id);
    charging.join();
    for (int tries = 0; tries < 10 && resolve.status.code() == absl::StatusCode::kUnavailable; ++tries) {
      resolve = ResolveCharge(id);
    }
    if (resolve.status.ok()) {
      EXPECT_EQ(StateOf(id), v1::Payment::STATE_SUCCESS);
      EXPECT_EQ(resolve.response, Charge(id).response);
    } else {
      ExpectNever(resolve, "PAYMENT_TIMEOUT");
      EXPECT_FALSE(charge.status.ok());
      ExpectFenced(Charge(id));
    }
  }
  ExpectConserved(ids);
}

TEST_F(PaymentServiceTest, TheSameKeyWithAnotherBodyIsReused) {
  ASSERT_TRUE(Charge("p1", 1000).status.ok());
  EXPECT_EQ(Charge("p1", 1001).reason(), "KEY_REUSED");
  EXPECT_EQ(ResolveCharge("p1", 1001).reason(), "KEY_REUSED");
  EXPECT_EQ(pg_.List().size(), 1u);
}

TEST_F(PaymentServiceTest, AnotherSagaCannotTakeOverAPayment) {
  ASSERT_TRUE(Charge("p1").status.ok());
  v1::ChargeResponse response;
  const CallResult other =
      Invoke(payment_.stub(), &Stub::Charge, ChargeOf("p1"), &response, Step("p2", "charge", "action"));
  EXPECT_EQ(other.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(other.reason(), "PAYMENT_ALREADY_EXISTS");
  EXPECT_TRUE(other.effect_free);
  EXPECT_EQ(pg_.List().size(), 1u);
}

TEST_F(PaymentServiceTest, AnIdempotencyKeyAloneIsEnoughAndNoneIsNot) {
  v1::ChargeResponse response;
  const Metadata key = {{"idempotency-key", "by-hand"}};
  const CallResult first = Invoke(payment_.stub(), &Stub::Charge, ChargeOf("p1"), &response, key);
  EXPECT_TRUE(first.status.ok());
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Charge, ChargeOf("p1"), &response, key).response, first.response);
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Charge, ChargeOf("p2"), &response, {}).reason(), "METADATA_MISSING");
}

TEST_F(PaymentServiceTest, BadRequestsAreRefusedAndStoreNothing) {
  std::vector<v1::ChargeRequest> requests(9, ChargeOf("p1"));
  requests[0].clear_payment_id();
  requests[1].set_payment_id("a b");
  requests[2].clear_member_id();
  requests[3].clear_amount();
  requests[4].mutable_amount()->set_currency_code("");
  requests[5].mutable_amount()->set_minor_units(-5);
  requests[6].mutable_amount()->set_minor_units(INT64_MAX);
  requests[7].mutable_amount()->set_currency_code("krw");
  requests[8].clear_method();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    v1::ChargeResponse response;
    const CallResult result = Invoke(payment_.stub(), &Stub::Charge, requests[i], &response,
                                     Step("bad" + std::to_string(i), "charge", "action"));
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << i << result.status;
    EXPECT_EQ(result.reason(), "INVALID_REQUEST") << i;
  }
  EXPECT_FALSE(Get("p1").ok());
  EXPECT_EQ(pg_.List().size(), 0u);
}

TEST_F(PaymentServiceTest, RefundsWholeAndOnce) {
  ASSERT_TRUE(Charge("p1", 700).status.ok());
  const CallResult refund = Refund("r1", "p1");
  ASSERT_TRUE(refund.status.ok()) << refund.status;
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(Refund("r1", "p1").response, refund.response);
  EXPECT_EQ(ResolveRefund("r1", "p1").response, refund.response);
  const CallResult second = Refund("r2", "p1");
  EXPECT_EQ(second.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.reason(), "PAYMENT_NOT_REFUNDABLE");
  EXPECT_TRUE(second.effect_free);
  EXPECT_EQ(pg_.Balance(), 0);
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
  EXPECT_EQ(pg_.Get("refund-r1")->amount_minor(), 700);
}

TEST_F(PaymentServiceTest, ARefundKeepsWhatItIsTold) {
  ASSERT_TRUE(Charge("p1", 700).status.ok());
  const CallResult refund = Refund("r1", "p1", 200);
  ASSERT_TRUE(refund.status.ok()) << refund.status;
  v1::RefundResponse response;
  ASSERT_TRUE(response.ParseFromString(refund.response));
  EXPECT_EQ(response.refunded().minor_units(), 500);
  EXPECT_EQ(response.refunded().currency_code(), "KRW");
  EXPECT_EQ(Refund("r1", "p1", 200).response, refund.response);
  EXPECT_EQ(ResolveRefund("r1", "p1", 200).response, refund.response);
  EXPECT_EQ(Refund("r1", "p1", 100).reason(), "KEY_REUSED");
  EXPECT_EQ(pg_.Balance(), 200);
  const auto payment = Get("p1");
  ASSERT_TRUE(payment.ok()) << payment.status();
  EXPECT_EQ(payment->state(), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(payment->refunded().minor_units(), 500);
}

TEST_F(PaymentServiceTest, ARefundThatKeepsEverythingAsksNobody) {
  ASSERT_TRUE(Charge("p1", 700).status.ok());
  pg_.Stop();
  const CallResult refund = Refund("r1", "p1", 700);
  pg_.Start();
  ASSERT_TRUE(refund.status.ok()) << refund.status;
  v1::RefundResponse response;
  ASSERT_TRUE(response.ParseFromString(refund.response));
  EXPECT_EQ(response.refunded().minor_units(), 0);
  EXPECT_EQ(response.pg_transaction_id(), "");
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(pg_.Balance(), 700);
}

TEST_F(PaymentServiceTest, ARefundKeepsNoMoreThanWasPaid) {
  ASSERT_TRUE(Charge("p1", 700).status.ok());
  const CallResult more = Refund("r1", "p1", 701);
  EXPECT_EQ(more.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(more.reason(), "INVALID_REQUEST");
  EXPECT_TRUE(more.effect_free);
  v1::RefundRequest dollars = RefundOf("r2", "p1", 1);
  dollars.mutable_keep()->set_currency_code("USD");
  v1::RefundResponse response;
  EXPECT_EQ(Invoke(payment_.stub(), &Stub::Refund, dollars, &response, Step("r2", "refund", "action")).reason(),
            "INVALID_REQUEST");
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_SUCCESS);
  EXPECT_EQ(pg_.Balance(), 700);
}

TEST_F(PaymentServiceTest, APartThatWasPaidBackAndNeverAnsweredIsFoundOut) {
  ASSERT_TRUE(Charge("p1", 700).status.ok());
  HangNext(1);
  ExpectUnknown(Refund("r1", "p1", 200));
  const CallResult resolved = ResolveRefund("r1", "p1", 200);
  ASSERT_TRUE(resolved.status.ok()) << resolved.status;
  EXPECT_EQ(Refund("r1", "p1", 200).response, resolved.response);
  EXPECT_EQ(pg_.Balance(), 200);
}

// As by support, at the gateway itself.
TEST_F(PaymentServiceTest, WhatWasPaidBackByHandIsRefunded) {
  ASSERT_TRUE(Charge("p1").status.ok());
  ASSERT_TRUE(pg_.Cancel("by-hand", pg_.Get("charge-p1")->transaction_id()).status.ok());
  const CallResult refund = Refund("r1", "p1");
  ASSERT_TRUE(refund.status.ok()) << refund.status;
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(Refund("r1", "p1").response, refund.response);
  EXPECT_EQ(ResolveRefund("r1", "p1").response, refund.response);
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, WhatWasPaidBackByHandIsResolvedAsRefunded) {
  ASSERT_TRUE(Charge("p1").status.ok());
  ASSERT_TRUE(pg_.Cancel("by-hand", pg_.Get("charge-p1")->transaction_id()).status.ok());
  pg_.Stop();
  ExpectUnknown(Refund("r1", "p1"));
  pg_.Start();
  CallResult resolved;
  EXPECT_TRUE(Eventually([&] {
    resolved = ResolveRefund("r1", "p1");
    return resolved.reason() != "GATEWAY_UNKNOWN";
  }));
  ASSERT_TRUE(resolved.status.ok()) << resolved.status;
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  ExpectConserved({"p1"});
}

TEST_F(PaymentServiceTest, OnlyASuccessIsRefunded) {
  EXPECT_EQ(Refund("r1", "p1").reason(), "PAYMENT_NOT_FOUND");
  DeclineNext(1);
  Charge("p2");
  EXPECT_EQ(Refund("r2", "p2").reason(), "PAYMENT_NOT_REFUNDABLE");
  HangNext(1);
  ExpectUnknown(Charge("p3"));
  EXPECT_EQ(Refund("r3", "p3").reason(), "PAYMENT_NOT_REFUNDABLE");
}

TEST_F(PaymentServiceTest, ConcurrentRefundsPayBackOnce) {
  ASSERT_TRUE(Charge("p1").status.ok());
  std::vector<std::thread> callers;
  std::atomic<int> paid = 0;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] { paid += Refund("r" + std::to_string(i), "p1").status.ok() ? 1 : 0; });
    callers.emplace_back([&, i] { Refund("r" + std::to_string(i), "p1"); });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(paid, 1);
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
  EXPECT_EQ(pg_.Balance(), 0);
}

TEST_F(PaymentServiceTest, ARefundThatWasNeverAnsweredIsFoundOut) {
  ASSERT_TRUE(Charge("p1").status.ok());
  HangNext(1);
  ExpectUnknown(Refund("r1", "p1"));
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_SUCCESS);
  const CallResult resolved = ResolveRefund("r1", "p1");
  ASSERT_TRUE(resolved.status.ok()) << resolved.status;
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(Refund("r1", "p1").response, resolved.response);
  EXPECT_EQ(pg_.Count(Transaction::KIND_REFUND), 1);
}

TEST_F(PaymentServiceTest, ARefundIsResolvedAsNeverAndAnotherMayTry) {
  ASSERT_TRUE(Charge("p1").status.ok());
  pg_.Stop();
  ExpectUnknown(Refund("r1", "p1"));
  ExpectUnknown(ResolveRefund("r1", "p1"));
  pg_.Start();
  CallResult resolved;
  EXPECT_TRUE(Eventually([&] {
    resolved = ResolveRefund("r1", "p1");
    return resolved.reason() != "GATEWAY_UNKNOWN";
  }));
  ExpectNever(resolved, "PAYMENT_TIMEOUT");
  ExpectFenced(Refund("r1", "p1"));
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_SUCCESS);
  ASSERT_TRUE(Refund("r2", "p1").status.ok());
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_REFUNDED);
  EXPECT_EQ(pg_.Balance(), 0);
}

TEST_F(PaymentServiceTest, ARefundThatTheGatewayDeclines) {
  ASSERT_TRUE(Charge("p1").status.ok());
  DeclineNext(1);
  const CallResult result = Refund("r1", "p1");
  EXPECT_EQ(result.reason(), "REFUND_FAILED");
  EXPECT_TRUE(result.effect_free);
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_SUCCESS);
  ExpectNever(ResolveRefund("r1", "p1"), "REFUND_FAILED");
  ExpectConserved({"p1"});
}

// Killed between the intent and the gateway's answer: the row says what to ask.
TEST_F(PaymentServiceTest, AnIntentSurvivesARestart) {
  HangNext(2);
  ExpectUnknown(Charge("p1"));
  ASSERT_TRUE(Charge("p2", 1000).status.code() == absl::StatusCode::kUnavailable);
  payment_.Stop();
  payment_.Start();
  EXPECT_EQ(StateOf("p1"), v1::Payment::STATE_PENDING);
  EXPECT_TRUE(Charge("p1").status.ok());
  EXPECT_TRUE(ResolveCharge("p2").status.ok());
  EXPECT_EQ(pg_.Count(Transaction::KIND_CAPTURE), 2);
  ExpectConserved({"p1", "p2"});
}

TEST_F(PaymentServiceTest, MoneyIsConservedUnderEveryFaultAtOnce) {
  pg::Scenario scenario;
  scenario.fail_percent = 20;
  scenario.hang_percent = 10;
  scenario.seed = 5;
  pg_.gateway().SetScenario(scenario);
  constexpr int kPayments = 60;
  std::vector<std::string> ids;
  for (int i = 0; i < kPayments; ++i) ids.push_back("p" + std::to_string(i));
  std::vector<std::thread> buyers;
  for (int buyer = 0; buyer < 6; ++buyer) {
    buyers.emplace_back([&, buyer] {
      for (int i = buyer; i < kPayments; i += 6) {
        const std::string& id = ids[static_cast<std::size_t>(i)];
        const bool unknown = Charge(id).status.code() == absl::StatusCode::kUnavailable;
        while (unknown && ResolveCharge(id).status.code() == absl::StatusCode::kUnavailable) {
        }
        if (i % 3 != 0) continue;
        const CallResult refund = Refund("r" + id, id);
        while (refund.status.code() == absl::StatusCode::kUnavailable &&
               ResolveRefund("r" + id, id).status.code() == absl::StatusCode::kUnavailable) {
        }
      }
    });
  }
  for (std::thread& buyer : buyers) buyer.join();
  ExpectConserved(ids);
  EXPECT_GT(pg_.Count(Transaction::KIND_CAPTURE), 20);
  EXPECT_GT(pg_.Count(Transaction::KIND_DECLINE), 2);
  EXPECT_GT(pg_.Count(Transaction::KIND_REFUND), 2);
  EXPECT_EQ(pg_.Count(Transaction::KIND_FENCE), 0) << "what hangs is recorded, so every fence finds it";
}

TEST_F(PaymentServiceTest, AResetWaitsForWhatIsPending) {
  ASSERT_TRUE(Charge("p1").status.ok());
  HangNext(1);
  ExpectUnknown(Charge("p2"));
  EXPECT_EQ(Reset().reason(), "RESET_REFUSED");
  ASSERT_TRUE(ResolveCharge("p2").status.ok());
  v1::ResetPaymentsResponse response;
  const CallResult result =
      Invoke(payment_.stub(), &Stub::ResetPayments, {}, &response, {{"idempotency-key", "reset-2"}});
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(response.payments_removed(), 2);
  EXPECT_EQ(GetErrorInfo(Get("p1").status()).reason, "PAYMENT_NOT_FOUND");
}

TEST(PaymentServiceWithoutReset, RefusesAReset) {
  ScratchFolder folder;
  PaymentProcess payment(folder, "unix:" + folder.File("nobody"), /*enable_reset=*/false);
  v1::ResetPaymentsResponse response;
  const CallResult result =
      Invoke(payment.stub(), &Stub::ResetPayments, {}, &response, {{"idempotency-key", "reset-1"}});
  EXPECT_EQ(result.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(result.reason(), "RESET_DISABLED");
}

}  // namespace
}  // namespace unwind
