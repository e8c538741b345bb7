#include "payment_svc/payment.h"

#include <string>
#include <vector>

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::payment {
namespace {

using AnswerKind = GatewayAnswer::Kind;
using Kind = Decision::Kind;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(1);

ChargeCall Call() {
  return {.payment_id = "p1", .owner = "saga/charge", .member_id = "m1", .amount = {1000, "KRW"}, .method = 1};
}

GatewayAnswer Captured() { return {AnswerKind::kMoved, "tx-1", {1000, "KRW"}, "", ""}; }
GatewayAnswer Declined() { return {AnswerKind::kDeclined, "", {}, "", "CARD_DECLINED"}; }
GatewayAnswer Fenced() { return {AnswerKind::kFenced, "", {}, "", "KEY_FENCED"}; }
GatewayAnswer Nothing() { return {AnswerKind::kUnknown, "", {}, "", "DEADLINE_EXCEEDED"}; }

void ExpectError(const Decision& decision, Kind kind, absl::StatusCode code, absl::string_view reason) {
  EXPECT_EQ(decision.kind, kind);
  EXPECT_EQ(decision.status.code(), code) << decision.status;
  EXPECT_EQ(GetErrorInfo(decision.status).reason, std::string(reason));
  EXPECT_EQ(GetErrorInfo(decision.status).domain, std::string(kErrorDomain));
}

void ExpectSameError(const Decision& decision, const Decision& other) {
  EXPECT_EQ(decision.kind, other.kind);
  EXPECT_EQ(decision.status.code(), other.status.code());
  EXPECT_EQ(GetErrorInfo(decision.status), GetErrorInfo(other.status));
}

void ExpectUnknown(const Decision& decision, absl::string_view pg_reason) {
  ExpectError(decision, Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  EXPECT_THAT(GetErrorInfo(decision.status).metadata, Contains(Pair("pg_reason", std::string(pg_reason))));
}

void ExpectNever(const Decision& decision, absl::string_view cause) {
  ExpectError(decision, Kind::kRefused, absl::StatusCode::kFailedPrecondition, "NEVER_HAPPENED");
  EXPECT_THAT(GetErrorInfo(decision.status).metadata, Contains(Pair("cause", std::string(cause))));
}

class ChargeTest : public testing::Test {
 protected:
  Decision Charge(std::optional<GatewayAnswer> answer = std::nullopt) {
    return DecideCharge(payment_, Call(), answer, kNow);
  }
  Decision Resolve(std::optional<GatewayAnswer> answer = std::nullopt) {
    return DecideResolveCharge(payment_, answer, kLater);
  }
  void Start(State state) {
    Charge();
    payment_->state = state;
    if (state == State::kSuccess || state == State::kRefunded) payment_->pg_transaction_id = "tx-1";
    if (state == State::kFailed) payment_->failed_reason = std::string(kPaymentTimeout);
  }

  std::optional<Payment> payment_;
};

TEST_F(ChargeTest, CommitsTheIntentBeforeItAsks) {
  const Decision decision = Charge();
  EXPECT_EQ(decision.kind, Kind::kAskGateway);
  ASSERT_TRUE(payment_);
  EXPECT_EQ(payment_->payment_id, "p1");
  EXPECT_EQ(payment_->owner, "saga/charge");
  EXPECT_EQ(payment_->member_id, "m1");
  EXPECT_EQ(payment_->amount, (Money{1000, "KRW"}));
  EXPECT_EQ(payment_->method, 1);
  EXPECT_EQ(payment_->state, State::kPending);
  EXPECT_EQ(payment_->create_time, kNow);
  EXPECT_EQ(payment_->paid_at, std::nullopt);
}

TEST_F(ChargeTest, SucceedsWhenTheGatewayCaptured) {
  Charge();
  EXPECT_EQ(Charge(Captured()).kind, Kind::kDone);
  EXPECT_EQ(payment_->state, State::kSuccess);
  EXPECT_EQ(payment_->pg_transaction_id, "tx-1");
  EXPECT_EQ(payment_->paid_at, kNow);
  EXPECT_EQ(Charge().kind, Kind::kDone) << "a repeat asks nobody";
}

TEST_F(ChargeTest, FailsWhenTheGatewayDeclined) {
  Charge();
  const Decision decision = Charge(Declined());
  ExpectError(decision, Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_FAILED");
  EXPECT_THAT(GetErrorInfo(decision.status).metadata, Contains(Pair("pg_reason", "CARD_DECLINED")));
  EXPECT_EQ(payment_->state, State::kFailed);
  EXPECT_EQ(payment_->failed_reason, "CARD_DECLINED");
  ExpectSameError(Charge(), decision);
}

TEST_F(ChargeTest, StaysPendingWhenTheGatewaySaysNothing) {
  Charge();
  ExpectUnknown(Charge(Nothing()), "DEADLINE_EXCEEDED");
  EXPECT_EQ(payment_->state, State::kPending);
  EXPECT_EQ(Charge().kind, Kind::kAskGateway) << "a repeat asks again";
}

TEST_F(ChargeTest, FailsAsATimeoutWhenItsKeyWasFenced) {
  Charge();
  ExpectError(Charge(Fenced()), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_TIMEOUT");
  EXPECT_EQ(payment_->state, State::kFailed);
  EXPECT_EQ(payment_->failed_reason, kPaymentTimeout);
}

TEST_F(ChargeTest, TheBuyerReadsWhyAndThatNothingWasTaken) {
  const char late[] = "the payment was not completed in time; you have not been charged";
  EXPECT_EQ(Resolve().status.message(), late);
  Charge();
  EXPECT_EQ(Resolve(Fenced()).status.message(), late);
  payment_.reset();
  Charge();
  EXPECT_EQ(Resolve(Declined()).status.message(),
            "the payment was declined (CARD_DECLINED); you have not been charged");
}

TEST_F(ChargeTest, AnotherAmountOrCurrencyIsAnAlarmAndNotASuccess) {
  for (const Money& amount : {Money{999, "KRW"}, Money{1000, "USD"}, Money{}}) {
    payment_.reset();
    Charge();
    GatewayAnswer answer = Captured();
    answer.amount = amount;
    for (const Decision& decision : {Charge(answer), Resolve(answer)}) {
      ExpectUnknown(decision, "AMOUNT_MISMATCH");
      EXPECT_THAT(decision.alarm, HasSubstr("payment p1"));
    }
    EXPECT_EQ(payment_->state, State::kPending);
  }
}

TEST_F(ChargeTest, ARefundUnderTheChargesKeyIsNoCapture) {
  Charge();
  GatewayAnswer answer = Captured();
  answer.captured = "tx-0";
  EXPECT_THAT(Charge(answer).alarm, Not(IsEmpty()));
  EXPECT_EQ(payment_->state, State::kPending);
}

TEST_F(ChargeTest, ASecondCallerOfTheSameIdIsRefused) {
  ChargeCall other = Call();
  other.owner = "other/charge";
  for (const State state : {State::kPending, State::kResolving, State::kSuccess, State::kFailed, State::kRefunded}) {
    payment_.reset();
    Start(state);
    const std::optional<Payment> before = payment_;
    ExpectError(DecideCharge(payment_, other, std::nullopt, kNow), Kind::kRefused, absl::StatusCode::kAlreadyExists,
                "PAYMENT_ALREADY_EXISTS");
    EXPECT_EQ(payment_, before);
  }
}

TEST_F(ChargeTest, RefusesAmountsThatAreNone) {
  for (const std::int64_t minor : {std::int64_t{-1}, kAmountMinorMax + 1, INT64_MAX, INT64_MIN}) {
    ChargeCall call = Call();
    call.amount.minor_units = minor;
    ExpectError(DecideCharge(payment_, call, std::nullopt, kNow), Kind::kRefused, absl::StatusCode::kInvalidArgument,
                "INVALID_REQUEST");
    EXPECT_FALSE(payment_);
  }
  ChargeCall call = Call();
  call.amount.minor_units = kAmountMinorMax;
  EXPECT_EQ(DecideCharge(payment_, call, std::nullopt, kNow).kind, Kind::kAskGateway);
}

TEST_F(ChargeTest, NothingDueIsPaidWithoutTheGateway) {
  ChargeCall call = Call();
  call.amount.minor_units = 0;
  EXPECT_EQ(DecideCharge(payment_, call, std::nullopt, kNow).kind, Kind::kDone);
  EXPECT_EQ(payment_->state, State::kSuccess);
  EXPECT_EQ(payment_->pg_transaction_id, "");
  EXPECT_EQ(payment_->paid_at, kNow);
  EXPECT_EQ(Resolve().kind, Kind::kDone);
  std::optional<payment::Refund> refund;
  EXPECT_EQ(DecideRefund(payment_, refund, {"r1", "saga/refund", "p1"}, std::nullopt, kNow).kind, Kind::kDone);
  EXPECT_EQ(refund->state, State::kSuccess);
  EXPECT_EQ(payment_->state, State::kRefunded);
}

TEST_F(ChargeTest, MayBeFinishedLater) {
  const GatewayAnswer later = {AnswerKind::kPending, "", {}, "", "PENDING"};
  Charge();
  EXPECT_EQ(Charge(later).kind, Kind::kWaits);
  EXPECT_EQ(payment_->state, State::kPending);
  EXPECT_EQ(Charge().kind, Kind::kAskGateway) << "polling is the truth";
  Resolve();
  ExpectUnknown(Resolve(later), "PENDING");
  EXPECT_EQ(Charge(Captured()).kind, Kind::kDone);
}

TEST_F(ChargeTest, AFailedOneIsAskedAboutUntilTheGatewaySaysThatItIsFinal) {
  for (const bool is_final : {false, true}) {
    payment_.reset();
    Charge();
    GatewayAnswer fenced = Fenced();
    fenced.is_final = is_final;
    Charge(fenced);
    EXPECT_EQ(payment_->inquire_at.has_value(), !is_final);
  }
}

TEST_F(ChargeTest, AsksUnderItsOwnKey) {
  EXPECT_EQ(*Charge().question, (Question{Question::Verb::kConfirm, "charge-p1", {1000, "KRW"}, ""}));
  EXPECT_EQ(*Resolve().question, (Question{Question::Verb::kFence, "charge-p1", {}, ""}));
}

TEST_F(ChargeTest, RefusesCurrenciesAndMethodsThatAreNone) {
  for (const char* currency : {"", "KR", "krw", "KRWX", "K_W"}) {
    ChargeCall call = Call();
    call.amount.currency_code = currency;
    EXPECT_EQ(DecideCharge(payment_, call, std::nullopt, kNow).status.code(), absl::StatusCode::kInvalidArgument);
  }
  for (const int method : {0, 3, -1}) {
    ChargeCall call = Call();
    call.method = method;
    EXPECT_EQ(DecideCharge(payment_, call, std::nullopt, kNow).status.code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(payment_);
}

TEST_F(ChargeTest, AnAnswerWithoutAPaymentMakesNone) {
  ExpectUnknown(Charge(Captured()), "PAYMENT_GONE");
  EXPECT_FALSE(payment_);
}

TEST_F(ChargeTest, ResolveCommitsThatItAsksNoMore) {
  Charge();
  EXPECT_EQ(Resolve().kind, Kind::kAskGateway);
  EXPECT_EQ(payment_->state, State::kResolving);
  EXPECT_EQ(Resolve().kind, Kind::kAskGateway) << "a repeat fences again";
  ExpectUnknown(Charge(), "RESOLVING");
  EXPECT_EQ(payment_->state, State::kResolving);
}

TEST_F(ChargeTest, ResolveFindsTheCapture) {
  Charge();
  Resolve();
  EXPECT_EQ(Resolve(Captured()).kind, Kind::kDone);
  EXPECT_EQ(payment_->state, State::kSuccess);
  EXPECT_EQ(payment_->paid_at, kLater);
}

TEST_F(ChargeTest, ResolveFindsTheDecline) {
  Charge();
  Resolve();
  const Decision decision = Resolve(Declined());
  ExpectNever(decision, "PAYMENT_FAILED");
  EXPECT_THAT(GetErrorInfo(decision.status).metadata, Contains(Pair("pg_reason", "CARD_DECLINED")));
  EXPECT_EQ(payment_->state, State::kFailed);
  ExpectSameError(Resolve(), decision);
}

TEST_F(ChargeTest, ResolveFences) {
  Charge();
  Resolve();
  const Decision decision = Resolve(Fenced());
  ExpectNever(decision, "PAYMENT_TIMEOUT");
  EXPECT_EQ(payment_->state, State::kFailed);
  ExpectSameError(Resolve(), decision);
}

TEST_F(ChargeTest, ResolveStaysUnknownWhileTheGatewayIsDown) {
  Charge();
  Resolve();
  ExpectUnknown(Resolve(Nothing()), "DEADLINE_EXCEEDED");
  EXPECT_EQ(payment_->state, State::kResolving);
}

TEST_F(ChargeTest, ACaptureThatOvertakesTheFenceIsASuccessToBoth) {
  Charge();
  Resolve();
  EXPECT_EQ(Charge(Captured()).kind, Kind::kDone);
  EXPECT_EQ(Resolve(Captured()).kind, Kind::kDone);
  EXPECT_EQ(payment_->paid_at, kNow);
}

TEST_F(ChargeTest, ADeclineThatOvertakesTheFenceIsANeverToIt) {
  Charge();
  Resolve();
  Charge(Declined());
  ExpectNever(Resolve(Declined()), "PAYMENT_FAILED");
}

TEST_F(ChargeTest, ACaptureAfterNeverIsAnAlarmAndNotASuccess) {
  Charge();
  Resolve();
  Resolve(Fenced());
  for (const Decision& decision : {Charge(Captured()), Resolve(Captured())}) {
    ExpectUnknown(decision, "MOVED_AFTER_NEVER");
    EXPECT_THAT(decision.alarm, HasSubstr("tx-1"));
  }
  EXPECT_EQ(payment_->state, State::kFailed);
  EXPECT_EQ(payment_->pg_transaction_id, "");
  EXPECT_TRUE(payment_->inquire_at) << "what it took is found and paid back";
}

TEST_F(ChargeTest, ResolveOfAPaymentThatIsSettled) {
  Start(State::kRefunded);
  EXPECT_EQ(Resolve().kind, Kind::kDone);
  EXPECT_EQ(Charge().kind, Kind::kDone);
  payment_.reset();
  ExpectNever(Resolve(), "PAYMENT_TIMEOUT");
  EXPECT_FALSE(payment_);
}

class RefundTest : public testing::Test {
 protected:
  RefundTest() {
    payment_ = Payment{.payment_id = "p1",
                       .owner = "saga/charge",
                       .member_id = "m1",
                       .amount = {1000, "KRW"},
                       .method = 1,
                       .state = State::kSuccess,
                       .pg_transaction_id = "tx-1",
                       .failed_reason = "",
                       .refund_id = "",
                       .create_time = kNow,
                       .paid_at = kNow};
  }
  static RefundCall Call() { return {.refund_id = "r1", .owner = "saga/refund", .payment_id = "p1"}; }
  Decision Refund(std::optional<GatewayAnswer> answer = std::nullopt) {
    return DecideRefund(payment_, refund_, Call(), answer, kNow);
  }
  Decision Resolve(std::optional<GatewayAnswer> answer = std::nullopt) {
    return DecideResolveRefund(payment_, refund_, answer);
  }
  static GatewayAnswer PaidBack() { return {AnswerKind::kMoved, "tx-2", {1000, "KRW"}, "tx-1", ""}; }

  std::optional<Payment> payment_;
  std::optional<payment::Refund> refund_;
};

TEST_F(RefundTest, PaysBack) {
  EXPECT_EQ(Refund().kind, Kind::kAskGateway);
  ASSERT_TRUE(refund_);
  EXPECT_EQ(refund_->state, State::kPending);
  EXPECT_EQ(refund_->payment_id, "p1");
  EXPECT_EQ(payment_->refund_id, "r1");
  EXPECT_EQ(payment_->state, State::kSuccess);
  EXPECT_EQ(Refund(PaidBack()).kind, Kind::kDone);
  EXPECT_EQ(refund_->state, State::kSuccess);
  EXPECT_EQ(refund_->pg_transaction_id, "tx-2");
  EXPECT_EQ(payment_->state, State::kRefunded);
  EXPECT_EQ(Refund().kind, Kind::kDone);
}

TEST_F(RefundTest, AsksUnderItsOwnKeyForTheCapture) {
  EXPECT_EQ(*Refund().question, (Question{Question::Verb::kCancel, "refund-r1", {}, "tx-1"}));
  EXPECT_EQ(*Resolve().question, (Question{Question::Verb::kFence, "refund-r1", {}, "tx-1"}));
}

TEST_F(RefundTest, AsksForLessThanWasTakenWhereSomethingIsKept) {
  RefundCall call = Call();
  call.keep = {300, "KRW"};
  const Decision decision = DecideRefund(payment_, refund_, call, std::nullopt, kNow);
  EXPECT_EQ(*decision.question, (Question{Question::Verb::kCancel, "refund-r1", {700, "KRW"}, "tx-1"}));
  GatewayAnswer whole = PaidBack();
  EXPECT_THAT(DecideRefund(payment_, refund_, call, whole, kNow).alarm, HasSubstr("asks for 700 KRW"));
  whole.amount.minor_units = 700;
  EXPECT_EQ(DecideRefund(payment_, refund_, call, whole, kNow).kind, Kind::kDone);
  EXPECT_EQ(refund_->kept, 300);
}

TEST_F(RefundTest, KeepsNoMoreThanWasPaid) {
  RefundCall call = Call();
  for (const Money& keep : {Money{1001, "KRW"}, Money{1, "USD"}}) {
    call.keep = keep;
    ExpectError(DecideRefund(payment_, refund_, call, std::nullopt, kNow), Kind::kRefused,
                absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
    EXPECT_FALSE(refund_);
    EXPECT_EQ(payment_->refund_id, "");
  }
  call.keep = {1000, "KRW"};
  EXPECT_EQ(DecideRefund(payment_, refund_, call, std::nullopt, kNow).kind, Kind::kDone);
  EXPECT_EQ(payment_->state, State::kRefunded);
}

TEST_F(RefundTest, WhatSomeoneElsePaidBackIsDoneWithAnAlarm) {
  Refund();
  refund_->kept = 300;
  const Decision decision = Refund(GatewayAnswer{AnswerKind::kBackAlready, "", {}, "", "ALREADY_REFUNDED"});
  EXPECT_EQ(decision.kind, Kind::kDone);
  EXPECT_NE(decision.alarm, "");
  EXPECT_EQ(refund_->state, State::kSuccess);
  EXPECT_EQ(refund_->pg_transaction_id, "tx-1");
  EXPECT_EQ(refund_->kept, 0) << "all of it, as far as is known";
  EXPECT_EQ(payment_->state, State::kRefunded);
}

TEST_F(RefundTest, NeedsAPayment) {
  payment_.reset();
  ExpectError(Refund(), Kind::kRefused, absl::StatusCode::kNotFound, "PAYMENT_NOT_FOUND");
  EXPECT_FALSE(refund_);
}

TEST_F(RefundTest, NeedsAPaymentThatSucceeded) {
  for (const State state : {State::kPending, State::kResolving, State::kFailed, State::kRefunded}) {
    payment_->state = state;
    ExpectError(Refund(), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_NOT_REFUNDABLE");
    EXPECT_FALSE(refund_);
  }
}

TEST_F(RefundTest, IsDoneOnceOnly) {
  Refund();
  std::optional<payment::Refund> second;
  RefundCall call = Call();
  call.refund_id = "r2";
  ExpectError(DecideRefund(payment_, second, call, std::nullopt, kNow), Kind::kRefused,
              absl::StatusCode::kFailedPrecondition, "PAYMENT_NOT_REFUNDABLE");
  Refund(PaidBack());
  ExpectError(DecideRefund(payment_, second, call, std::nullopt, kNow), Kind::kRefused,
              absl::StatusCode::kFailedPrecondition, "PAYMENT_NOT_REFUNDABLE");
  EXPECT_FALSE(second);
}

TEST_F(RefundTest, AfterADeclineAnotherMayTry) {
  Refund();
  const Decision decision = Refund(Declined());
  ExpectError(decision, Kind::kRefused, absl::StatusCode::kFailedPrecondition, "REFUND_FAILED");
  EXPECT_EQ(refund_->state, State::kFailed);
  EXPECT_EQ(payment_->state, State::kSuccess);
  ExpectSameError(Refund(), decision);
  std::optional<payment::Refund> second;
  RefundCall call = Call();
  call.refund_id = "r2";
  EXPECT_EQ(DecideRefund(payment_, second, call, std::nullopt, kNow).kind, Kind::kAskGateway);
}

TEST_F(RefundTest, ASecondCallerOfTheSameIdIsRefused) {
  Refund();
  RefundCall other = Call();
  other.owner = "other/refund";
  ExpectError(DecideRefund(payment_, refund_, other, std::nullopt, kNow), Kind::kRefused,
              absl::StatusCode::kAlreadyExists, "REFUND_ALREADY_EXISTS");
  other = Call();
  other.payment_id = "p2";
  ExpectError(DecideRefund(payment_, refund_, other, std::nullopt, kNow), Kind::kRefused,
              absl::StatusCode::kAlreadyExists, "REFUND_ALREADY_EXISTS");
}

TEST_F(RefundTest, StaysPendingWhenTheGatewaySaysNothing) {
  Refund();
  ExpectUnknown(Refund(Nothing()), "DEADLINE_EXCEEDED");
  EXPECT_EQ(refund_->state, State::kPending);
  EXPECT_EQ(payment_->refund_id, "r1");
  EXPECT_EQ(Refund().kind, Kind::kAskGateway);
}

TEST_F(RefundTest, AnotherAmountOrCaptureIsAnAlarm) {
  Refund();
  GatewayAnswer answer = PaidBack();
  answer.amount.minor_units = 1;
  EXPECT_THAT(Refund(answer).alarm, HasSubstr("refund r1"));
  answer = PaidBack();
  answer.captured = "tx-9";
  EXPECT_THAT(Refund(answer).alarm, HasSubstr("refund r1"));
  EXPECT_EQ(refund_->state, State::kPending);
  EXPECT_EQ(payment_->state, State::kSuccess);
}

TEST_F(RefundTest, ResolveFindsTheRefund) {
  Refund();
  EXPECT_EQ(Resolve().kind, Kind::kAskGateway);
  EXPECT_EQ(refund_->state, State::kResolving);
  ExpectUnknown(Refund(), "RESOLVING");
  EXPECT_EQ(Resolve(PaidBack()).kind, Kind::kDone);
  EXPECT_EQ(refund_->state, State::kSuccess);
  EXPECT_EQ(payment_->state, State::kRefunded);
  EXPECT_EQ(Resolve().kind, Kind::kDone);
}

TEST_F(RefundTest, ResolveSaysNever) {
  Refund();
  Resolve();
  ExpectUnknown(Resolve(Nothing()), "DEADLINE_EXCEEDED");
  const Decision fenced = Resolve(Fenced());
  ExpectNever(fenced, "PAYMENT_TIMEOUT");
  EXPECT_EQ(refund_->state, State::kFailed);
  EXPECT_EQ(payment_->refund_id, "");
  ExpectSameError(Resolve(), fenced);
  EXPECT_THAT(Refund(PaidBack()).alarm, HasSubstr("r1"));
  EXPECT_THAT(Resolve(PaidBack()).alarm, HasSubstr("r1"));
  EXPECT_EQ(payment_->state, State::kSuccess);
}

TEST_F(RefundTest, ResolveFindsTheDecline) {
  Refund();
  Resolve();
  ExpectNever(Resolve(Declined()), "REFUND_FAILED");
}

TEST_F(RefundTest, ResolveOfNothingIsNever) {
  const Decision decision = Resolve();
  ExpectNever(decision, "PAYMENT_TIMEOUT");
  EXPECT_EQ(decision.status.message(), "the refund was not completed in time; no money was paid back");
}

TEST_F(RefundTest, NothingIsDecidedWithoutThePayment) {
  Refund();
  payment_.reset();
  ExpectUnknown(Refund(), "PAYMENT_GONE");
  ExpectUnknown(Resolve(), "PAYMENT_GONE");
  refund_.reset();
  ExpectUnknown(Refund(PaidBack()), "REFUND_GONE");
}

TEST(Keys, AreAFunctionOfTheId) {
  EXPECT_EQ(ChargeKey("p1"), "charge-p1");
  EXPECT_EQ(RefundKey("p1"), "refund-p1");
}

}  // namespace
}  // namespace unwind::payment
