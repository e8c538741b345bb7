#include "payment_svc/collect.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::payment {
namespace {

using AnswerKind = GatewayAnswer::Kind;
using Kind = Decision::Kind;
using Verb = Question::Verb;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kUntil = kNow + absl::Minutes(15);
const absl::Time kAfter = kUntil + absl::Seconds(1);

GatewayAnswer Captured(const std::string& transaction = "tx-1") {
  return {.kind = AnswerKind::kMoved,
          .transaction_id = transaction,
          .amount = {1000, "KRW"},
          .captured = "",
          .reason = "",
          .is_final = true};
}
GatewayAnswer Say(AnswerKind kind, const std::string& reason, bool is_final = true) {
  return {.kind = kind, .transaction_id = "", .amount = {}, .captured = "", .reason = reason, .is_final = is_final};
}
GatewayAnswer Declined() { return Say(AnswerKind::kDeclined, "CARD_DECLINED"); }
GatewayAnswer Fenced(bool is_final = true) { return Say(AnswerKind::kFenced, "KEY_FENCED", is_final); }
GatewayAnswer Nothing() { return Say(AnswerKind::kUnknown, "DEADLINE_EXCEEDED", false); }
GatewayAnswer Later() { return Say(AnswerKind::kPending, "PENDING", false); }

void ExpectError(const Decision& decision, Kind kind, absl::StatusCode code, absl::string_view reason) {
  EXPECT_EQ(decision.kind, kind);
  EXPECT_EQ(decision.status.code(), code) << decision.status;
  EXPECT_EQ(GetErrorInfo(decision.status).reason, std::string(reason));
  EXPECT_EQ(GetErrorInfo(decision.status).domain, std::string(kErrorDomain));
}

void ExpectAsks(const Decision& decision, Verb verb, const std::string& key) {
  ASSERT_EQ(decision.kind, Kind::kAskGateway);
  ASSERT_TRUE(decision.question);
  EXPECT_EQ(decision.question->verb, verb);
  EXPECT_EQ(decision.question->key, key);
  EXPECT_EQ(decision.question->amount, verb == Verb::kConfirm ? (Money{1000, "KRW"}) : Money());
}

class CollectTest : public testing::Test {
 protected:
  Decision Collect(absl::Time now = kNow) {
    return DecideCollect(rows_, {"p1", "saga/collect", "m1", {1000, "KRW"}, kUntil}, now);
  }
  Decision Resolve(bool decides, absl::Time now = kAfter) { return DecideResolveCollect(rows_, decides, {}, now); }
  Decision ResolveWith(const std::string& key, const GatewayAnswer& answer) {
    return DecideResolveCollect(rows_, true, Heard{key, answer}, kAfter);
  }
  Decision Pay(const std::string& owner, absl::Time now = kNow, const std::string& member = "m1") {
    return DecidePay(rows_, {"p1", owner, member, 1}, {}, now);
  }
  Decision PayWith(const std::string& owner, const std::string& key, const GatewayAnswer& answer,
                   absl::Time now = kNow) {
    return DecidePay(rows_, {"p1", owner, "m1", 1}, Heard{key, answer}, now);
  }
  Decision Cancel() { return DecideCancel(rows_, "p1", "m1", {}, kNow); }
  Decision CancelWith(const std::string& key, const GatewayAnswer& answer) {
    return DecideCancel(rows_, "p1", "m1", Heard{key, answer}, kNow);
  }
  Finding HearOf(const std::string& key, const GatewayAnswer& word) { return Hear(rows_, key, word, kNow); }
  const Attempt& attempt(std::size_t number) const { return rows_.attempts.at(number - 1); }
  // Attempts that stand as captured, and captures that are not to go back.
  std::size_t Standing() const {
    return static_cast<std::size_t>(
        std::count_if(rows_.attempts.begin(), rows_.attempts.end(),
                      [](const Attempt& each) { return each.state == AttemptState::kCaptured; }));
  }

  PaymentRows rows_;
  const std::string first_ = "pay-1-p1", second_ = "pay-2-p1";
};

TEST_F(CollectTest, WaitsUntilItIsPaid) {
  EXPECT_EQ(Collect().kind, Kind::kWaits);
  ASSERT_TRUE(rows_.payment);
  EXPECT_EQ(rows_.payment->state, State::kPending);
  EXPECT_EQ(rows_.payment->wait_until, kUntil);
  EXPECT_EQ(rows_.payment->method, 0);
  EXPECT_EQ(Collect(kAfter).kind, Kind::kWaits) << "its time alone ends nothing";
  Pay("a");
  EXPECT_EQ(Collect().kind, Kind::kWaits);
  EXPECT_EQ(PayWith("a", first_, Captured()).kind, Kind::kDone);
  EXPECT_EQ(Collect().kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->pg_transaction_id, "tx-1");
  EXPECT_EQ(rows_.payment->method, 1);
  EXPECT_EQ(rows_.payment->paid_at, kNow);
}

TEST_F(CollectTest, NothingDueIsPaidAtOnce) {
  EXPECT_EQ(DecideCollect(rows_, {"p1", "saga/collect", "m1", {0, "KRW"}, kUntil}, kNow).kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(Resolve(true).kind, Kind::kDone);
  ExpectError(Pay("a"), Kind::kRefused, absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_PAID");
}

TEST_F(CollectTest, RefusesWhatIsNoAmountOrTime) {
  const auto refused = [this](const Money& amount, absl::Time until) {
    ExpectError(DecideCollect(rows_, {"p1", "saga/collect", "m1", amount, until}, kNow), Kind::kRefused,
                absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
    EXPECT_FALSE(rows_.payment);
  };
  refused({-1, "KRW"}, kUntil);
  refused({kAmountMinorMax + 1, "KRW"}, kUntil);
  refused({1, "krw"}, kUntil);
  refused({1, "KRW"}, absl::UnixEpoch());
  refused({1, "KRW"}, absl::FromUnixSeconds(253'402'300'800));
}

TEST_F(CollectTest, AnotherCallerOfTheSameIdIsRefused) {
  Collect();
  ExpectError(DecideCollect(rows_, {"p1", "other/collect", "m1", {1000, "KRW"}, kUntil}, kNow), Kind::kRefused,
              absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_EXISTS");
  std::optional<Payment>& payment = rows_.payment;
  ExpectError(DecideCharge(payment, {"p1", "saga/charge", "m1", {1000, "KRW"}, 1}, {}, kNow), Kind::kRefused,
              absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_EXISTS");
}

TEST_F(CollectTest, EachPayIsAnAttemptUnderItsOwnKey) {
  Collect();
  ExpectAsks(Pay("a"), Verb::kConfirm, first_);
  ASSERT_THAT(rows_.attempts, SizeIs(1));
  EXPECT_EQ(attempt(1).state, AttemptState::kOpen);
  EXPECT_EQ(attempt(1).owner, "a");
  EXPECT_TRUE(attempt(1).inquire_at);
  ExpectAsks(Pay("a"), Verb::kConfirm, first_);
  EXPECT_THAT(rows_.attempts, SizeIs(1)) << "a repeat";
  const Decision declined = PayWith("a", first_, Declined());
  ExpectError(declined, Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_DECLINED");
  EXPECT_THAT(GetErrorInfo(declined.status).metadata, Contains(Pair("pg_reason", "CARD_DECLINED")));
  EXPECT_EQ(attempt(1).state, AttemptState::kDeclined);
  EXPECT_EQ(rows_.payment->state, State::kPending) << "a declined card leaves the payment pending";
  ExpectAsks(Pay("b"), Verb::kConfirm, second_);
  EXPECT_EQ(PayWith("b", second_, Captured()).kind, Kind::kDone);
  EXPECT_EQ(Pay("a").kind, Kind::kRefused) << "its own repeat";
  EXPECT_EQ(Pay("b").kind, Kind::kDone) << "its own repeat";
}

TEST_F(CollectTest, WhatIsNotThereForAMemberIsNotThere) {
  const absl::Status unknown = Pay("a").status;
  EXPECT_EQ(GetErrorInfo(unknown).reason, "PAYMENT_NOT_FOUND");
  Collect();
  EXPECT_EQ(Pay("a", kNow, "m2").status, unknown);
  PaymentRows charge;
  DecideCharge(charge.payment, {"p1", "saga/charge", "m1", {1000, "KRW"}, 1}, {}, kNow);
  EXPECT_EQ(DecidePay(charge, {"p1", "a", "m1", 1}, {}, kNow).status, unknown) << "a charge is not for the customer";
  EXPECT_THAT(rows_.attempts, IsEmpty());
}

TEST_F(CollectTest, RefusesMethodsThatAreNone) {
  Collect();
  for (const int method : {0, 3, -1}) {
    ExpectError(DecidePay(rows_, {"p1", "a", "m1", method}, {}, kNow), Kind::kRefused,
                absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
  }
  EXPECT_THAT(rows_.attempts, IsEmpty());
}

TEST_F(CollectTest, ItIsNotPaidTwice) {
  Collect();
  Pay("a");
  PayWith("a", first_, Captured());
  ExpectError(Pay("b"), Kind::kRefused, absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_PAID");
  EXPECT_THAT(rows_.attempts, SizeIs(1));
}

// Card A is unknown at the gateway when the customer pays by card B.
TEST_F(CollectTest, ANewAttemptBeginsOnlyOnceTheLastIsFenced) {
  Collect();
  Pay("a");
  ExpectError(PayWith("a", first_, Nothing()), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  ExpectAsks(Pay("b"), Verb::kFence, first_);
  EXPECT_THAT(rows_.attempts, SizeIs(1));
  ExpectError(PayWith("b", first_, Nothing()), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  EXPECT_THAT(rows_.attempts, SizeIs(1)) << "nobody knows what A took";
  ExpectAsks(PayWith("b", first_, Fenced()), Verb::kConfirm, second_);
  EXPECT_EQ(attempt(1).state, AttemptState::kFenced);
  EXPECT_EQ(attempt(2).state, AttemptState::kOpen);
  const Decision given_up = Pay("a");
  ExpectError(given_up, Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_DECLINED");
  EXPECT_THAT(GetErrorInfo(given_up.status).metadata, Contains(Pair("pg_reason", "ABANDONED")));
  EXPECT_EQ(PayWith("b", second_, Captured()).kind, Kind::kDone);
  ExpectError(Pay("a"), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_DECLINED");
}

TEST_F(CollectTest, TheFenceOfTheLastAttemptMayFindThatItPaid) {
  Collect();
  Pay("a");
  Pay("b");
  ExpectError(PayWith("b", first_, Captured()), Kind::kRefused, absl::StatusCode::kAlreadyExists,
              "PAYMENT_ALREADY_PAID");
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(Pay("a").kind, Kind::kDone);
  EXPECT_EQ(Standing(), 1u);
}

TEST_F(CollectTest, TwoPaysThatFenceTheSameAttemptMakeOneOpenOne) {
  Collect();
  Pay("a");
  ExpectAsks(Pay("b"), Verb::kFence, first_);
  ExpectAsks(Pay("c"), Verb::kFence, first_);
  ExpectAsks(PayWith("b", first_, Fenced()), Verb::kConfirm, second_);
  ExpectAsks(PayWith("c", first_, Fenced()), Verb::kFence, second_);
  EXPECT_THAT(rows_.attempts, SizeIs(2));
}

TEST_F(CollectTest, AnAttemptMayFinishLater) {
  Collect();
  Pay("a");
  EXPECT_EQ(PayWith("a", first_, Later()).kind, Kind::kDone) << "accepted";
  EXPECT_EQ(attempt(1).state, AttemptState::kOpen);
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kNews);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kKnown) << "twice";
  EXPECT_THAT(rows_.returns, IsEmpty());
}

TEST_F(CollectTest, AfterItsTimeNoAttemptBeginsAndNoneAsksForMoney) {
  Collect();
  Pay("a");
  ExpectError(PayWith("a", first_, Fenced(), kUntil), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_EXPIRED");
  ExpectError(Pay("b", kUntil), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_EXPIRED");
  EXPECT_EQ(rows_.payment->state, State::kPending) << "only a resolve that decides ends it";
}

// The gateway may be finishing what was begun in time.
TEST_F(CollectTest, WhoComesTooLateFencesNothing) {
  Collect();
  Pay("a");
  const PaymentRows open = rows_;
  for (const char* const owner : {"a", "b"}) {
    ExpectError(Pay(owner, kUntil), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
    EXPECT_EQ(rows_, open) << owner;
  }
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kNews);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(Pay("a", kAfter).kind, Kind::kDone);
}

TEST_F(CollectTest, AnAnswerAfterTheTimeCountsWhileNobodyHasDecided) {
  Collect();
  Pay("a");
  EXPECT_EQ(PayWith("a", first_, Captured(), kAfter).kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
}

TEST_F(CollectTest, AttemptsAreBounded) {
  Collect();
  for (std::size_t i = 1; i <= kAttemptsMax; ++i) {
    const std::string owner = absl::StrCat("call-", i);
    ExpectAsks(Pay(owner), Verb::kConfirm, AttemptKey("p1", static_cast<int>(i)));
    PayWith(owner, AttemptKey("p1", static_cast<int>(i)), Declined());
  }
  ExpectError(Pay("one more"), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_ATTEMPTS_EXHAUSTED");
}

TEST_F(CollectTest, AResolveThatDoesNotDecideEndsNothing) {
  Collect();
  EXPECT_EQ(Resolve(false).kind, Kind::kWaits);
  EXPECT_EQ(rows_.payment->state, State::kPending);
  ExpectAsks(Pay("a"), Verb::kConfirm, first_);
}

TEST_F(CollectTest, DecidingEndsWhatWasNotPaid) {
  Collect();
  const Decision never = Resolve(true);
  ExpectError(never, Kind::kRefused, absl::StatusCode::kFailedPrecondition, "NEVER_HAPPENED");
  EXPECT_THAT(GetErrorInfo(never.status).metadata, Contains(Pair("cause", "PAYMENT_EXPIRED")));
  EXPECT_EQ(rows_.payment->state, State::kFailed);
  EXPECT_EQ(Resolve(true).status, never.status);
  ExpectError(Collect(), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_EXPIRED");
  ExpectError(Pay("a"), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_EXPIRED");
}

TEST_F(CollectTest, DecidingFencesTheOpenAttemptAndRefusesNewOnes) {
  Collect();
  Pay("a");
  ExpectAsks(Resolve(true), Verb::kFence, first_);
  EXPECT_EQ(rows_.payment->state, State::kResolving);
  ExpectAsks(Pay("b", kAfter), Verb::kFence, first_);
  ExpectAsks(Pay("a"), Verb::kFence, first_);
  ExpectError(ResolveWith(first_, Nothing()), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  EXPECT_EQ(rows_.payment->state, State::kResolving);
  ExpectAsks(Resolve(true), Verb::kFence, first_);
  ExpectError(ResolveWith(first_, Fenced()), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "NEVER_HAPPENED");
  EXPECT_EQ(rows_.payment->state, State::kFailed);
  EXPECT_EQ(attempt(1).state, AttemptState::kFenced);
  ExpectError(Pay("b", kAfter), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_EXPIRED");
}

// While an attempt may still take the money, nobody is told that he was not charged.
TEST_F(CollectTest, WhatIsOverIsCalledUnpaidOnlyOnceNoAttemptIsOpen) {
  Collect();
  Pay("a");
  PayWith("b", first_, Fenced());
  Cancel();
  ExpectError(Pay("a"), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_DECLINED");
  ExpectError(PayWith("c", second_, Nothing()), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  ExpectError(PayWith("c", second_, Captured(second_)), Kind::kRefused, absl::StatusCode::kAlreadyExists,
              "PAYMENT_ALREADY_PAID");
}

TEST_F(CollectTest, OnlyWhoMayPayAgainIsInvitedTo) {
  Collect();
  Pay("a");
  HearOf(first_, Declined());
  EXPECT_EQ(Pay("a").status.message(),
            "the payment was declined (CARD_DECLINED); you have not been charged, and may pay by another method");
  const PaymentRows declined = rows_;
  Pay("b");
  const std::string other = "the payment was declined (CARD_DECLINED); by this attempt you have not been charged";
  EXPECT_EQ(Pay("a").status.message(), other) << "the second may take the money";
  HearOf(second_, Captured());
  EXPECT_EQ(Pay("a").status.message(), other);
  const std::string over = "the payment was declined (CARD_DECLINED); you have not been charged";
  rows_ = declined;
  EXPECT_EQ(Pay("a", kUntil).status.message(), over);
  Cancel();
  EXPECT_EQ(Pay("a").status.message(), over);
}

TEST_F(CollectTest, WhatIsDecidedBeforeItsTimeWasCancelled) {
  Collect();
  const Decision never = Resolve(true, kNow);
  EXPECT_THAT(GetErrorInfo(never.status).metadata, Contains(Pair("cause", "PAYMENT_CANCELLED")));
  EXPECT_EQ(never.status.message(), "the payment was cancelled; you have not been charged");
  EXPECT_EQ(rows_.payment->failed_reason, "PAYMENT_CANCELLED");
  ExpectError(Pay("a", kAfter), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_CANCELLED");
  EXPECT_EQ(Resolve(true).status, never.status);
}

TEST_F(CollectTest, ADecisionWhoseClockIsALittleAheadIsNoCancel) {
  Collect();
  const Decision never = Resolve(true, kUntil - kClocksApart);
  EXPECT_THAT(GetErrorInfo(never.status).metadata, Contains(Pair("cause", "PAYMENT_EXPIRED")));
}

TEST_F(CollectTest, TheCustomerMayEndIt) {
  Collect();
  EXPECT_EQ(Cancel().kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->state, State::kFailed);
  EXPECT_EQ(rows_.payment->failed_reason, "PAYMENT_CANCELLED");
  EXPECT_EQ(Cancel().kind, Kind::kDone) << "by another call";
  ExpectError(Collect(), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_CANCELLED");
  ExpectError(Pay("a"), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_CANCELLED");
  EXPECT_THAT(GetErrorInfo(Resolve(true).status).metadata, Contains(Pair("cause", "PAYMENT_CANCELLED")));
}

TEST_F(CollectTest, ACancelFencesTheOpenAttemptFirst) {
  Collect();
  Pay("a");
  ExpectAsks(Cancel(), Verb::kFence, first_);
  ExpectAsks(Pay("b"), Verb::kFence, first_);
  EXPECT_EQ(Collect().kind, Kind::kWaits) << "the attempt may have taken the money";
  ExpectError(CancelWith(first_, Nothing()), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
  ExpectAsks(Cancel(), Verb::kFence, first_);
  EXPECT_EQ(CancelWith(first_, Fenced()).kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->state, State::kFailed);
}

TEST_F(CollectTest, ACancelThatHearsNothingOfItsFenceEndsOnceThatIsKnown) {
  Collect();
  Pay("a");
  Cancel();
  EXPECT_EQ(HearOf(first_, Fenced()).kind, Finding::Kind::kNews);
  EXPECT_TRUE(IsSettled(rows_));
  ExpectError(Collect(), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_CANCELLED");
  EXPECT_EQ(rows_.payment->state, State::kFailed);
}

// The fence's answer is lost, and an inquiry finds it.
TEST_F(CollectTest, WhatAPayIsToldOfTheEndStaysSo) {
  Collect();
  Pay("a");
  Cancel();
  HearOf(first_, Fenced());
  const PaymentRows fenced = rows_;
  for (const char* const owner : {"a", "b"}) {
    rows_ = fenced;
    ExpectError(Pay(owner), Kind::kRefused, absl::StatusCode::kAborted, "PAYMENT_CANCELLED");
    EXPECT_EQ(rows_.payment->state, State::kFailed) << owner;
    ExpectError(Collect(kAfter), Kind::kRefused, absl::StatusCode::kFailedPrecondition, "PAYMENT_CANCELLED");
  }
}

TEST_F(CollectTest, ACancelThatIsTooLateFindsTheCapture) {
  Collect();
  Pay("a");
  Cancel();
  ExpectError(CancelWith(first_, Captured()), Kind::kRefused, absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_PAID");
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(Collect().kind, Kind::kDone);
  const Decision paid = Cancel();
  ExpectError(paid, Kind::kRefused, absl::StatusCode::kAlreadyExists, "PAYMENT_ALREADY_PAID");
  EXPECT_EQ(paid.status.message(), "the payment is made already; cancel its order once that is PAID");
}

TEST_F(CollectTest, NobodyElseEndsIt) {
  Collect();
  const PaymentRows waiting = rows_;
  ExpectError(DecideCancel(rows_, "p1", "m2", {}, kNow), Kind::kRefused, absl::StatusCode::kNotFound,
              "PAYMENT_NOT_FOUND");
  EXPECT_EQ(rows_, waiting);
  rows_.payment->wait_until.reset();
  ExpectError(Cancel(), Kind::kRefused, absl::StatusCode::kNotFound, "PAYMENT_NOT_FOUND");
  rows_ = {};
  ExpectError(Cancel(), Kind::kRefused, absl::StatusCode::kNotFound, "PAYMENT_NOT_FOUND");
}

TEST_F(CollectTest, DecidingFindsTheCapture) {
  Collect();
  Pay("a");
  Resolve(true);
  EXPECT_EQ(ResolveWith(first_, Captured()).kind, Kind::kDone);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_EQ(Resolve(true).kind, Kind::kDone);
}

// The webhook comes between the fence's sending and its answer.
TEST_F(CollectTest, WhileItIsDecidedAWebhookNeverPaysBack) {
  Collect();
  Pay("a");
  Resolve(true);
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kNews);
  EXPECT_EQ(rows_.payment->state, State::kSuccess);
  EXPECT_THAT(rows_.returns, IsEmpty());
  EXPECT_EQ(ResolveWith(first_, Captured()).kind, Kind::kDone);
  EXPECT_THAT(rows_.returns, IsEmpty());
}

TEST_F(CollectTest, ACaptureAfterTheFenceIsPaidBackOnce) {
  Collect();
  Pay("a");
  Resolve(true);
  ResolveWith(first_, Fenced(/*is_final=*/false));
  EXPECT_TRUE(attempt(1).inquire_at);
  const Finding late = HearOf(first_, Captured());
  EXPECT_EQ(late.kind, Finding::Kind::kNews);
  EXPECT_TRUE(late.is_late);
  EXPECT_THAT(late.alarm, HasSubstr("tx-1"));
  ASSERT_THAT(rows_.returns, SizeIs(1));
  const Return& due = rows_.returns.front();
  EXPECT_EQ(due.key, first_);
  EXPECT_EQ(due.captured, "tx-1");
  EXPECT_EQ(due.amount, (Money{1000, "KRW"}));
  EXPECT_EQ(due.try_at, kNow);
  EXPECT_EQ(ReturnKey(due), "return-1-pay-1-p1");
  EXPECT_FALSE(attempt(1).inquire_at) << "it is known now";
  EXPECT_EQ(attempt(1).state, AttemptState::kFenced);
  EXPECT_EQ(rows_.payment->state, State::kFailed);
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kKnown);
  EXPECT_THAT(rows_.returns, SizeIs(1));
  EXPECT_EQ(HearOf(first_, Captured("tx-2")).kind, Finding::Kind::kMismatch) << "a second capture of one key";
}

TEST_F(CollectTest, ACaptureAfterADeclineIsPaidBackToo) {
  Collect();
  Pay("a");
  PayWith("a", first_, Declined());
  EXPECT_TRUE(HearOf(first_, Captured()).is_late);
  EXPECT_EQ(rows_.payment->state, State::kPending);
  ExpectAsks(Pay("b"), Verb::kConfirm, second_);
}

TEST_F(CollectTest, AKeyIsAskedAboutUntilTheGatewaySaysThatItIsFinal) {
  Collect();
  Pay("a");
  Pay("b");
  PayWith("b", first_, Fenced(/*is_final=*/false));
  EXPECT_TRUE(attempt(1).inquire_at);
  EXPECT_EQ(HearOf(first_, Fenced(/*is_final=*/false)).kind, Finding::Kind::kKnown);
  EXPECT_EQ(HearOf(first_, Nothing()).kind, Finding::Kind::kKnown);
  EXPECT_TRUE(attempt(1).inquire_at);
  EXPECT_EQ(HearOf(first_, Fenced()).kind, Finding::Kind::kNews);
  EXPECT_FALSE(attempt(1).inquire_at);
}

TEST_F(CollectTest, WhatDoesNotMatchMovesNothing) {
  Collect();
  Pay("a");
  std::vector<GatewayAnswer> words(3, Captured());
  words[0].amount.minor_units = 999;
  words[1].amount.currency_code = "USD";
  words[2].captured = "tx-0";
  const PaymentRows open = rows_;
  for (const GatewayAnswer& word : words) {
    const Finding finding = HearOf(first_, word);
    EXPECT_EQ(finding.kind, Finding::Kind::kMismatch);
    EXPECT_THAT(finding.alarm, Not(IsEmpty()));
    EXPECT_EQ(rows_, open);
    ExpectError(PayWith("a", first_, word), Kind::kUnknown, absl::StatusCode::kUnavailable, "GATEWAY_UNKNOWN");
    EXPECT_EQ(rows_, open);
  }
  Resolve(true);
  ResolveWith(first_, Fenced());
  const PaymentRows ended = rows_;
  for (const GatewayAnswer& word : words) {
    EXPECT_EQ(HearOf(first_, word).kind, Finding::Kind::kMismatch);
    EXPECT_EQ(rows_, ended);
  }
}

TEST_F(CollectTest, StatesGoOnlyUpward) {
  Collect();
  Pay("a");
  PayWith("a", first_, Captured());
  const PaymentRows paid = rows_;
  EXPECT_EQ(HearOf(first_, Declined()).kind, Finding::Kind::kMismatch);
  EXPECT_EQ(HearOf(first_, Fenced()).kind, Finding::Kind::kMismatch);
  EXPECT_EQ(HearOf(first_, Captured("tx-2")).kind, Finding::Kind::kMismatch);
  EXPECT_EQ(HearOf(first_, Later()).kind, Finding::Kind::kKnown);
  EXPECT_EQ(HearOf(first_, Nothing()).kind, Finding::Kind::kKnown);
  EXPECT_EQ(rows_, paid);
}

TEST_F(CollectTest, AKeyOfNobodyIsNoSuchKey) {
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kNoSuchKey);
  Collect();
  EXPECT_EQ(HearOf(first_, Captured()).kind, Finding::Kind::kNoSuchKey);
  EXPECT_EQ(HearOf("charge-p1", Captured()).kind, Finding::Kind::kNoSuchKey) << "it is no charge";
}

TEST(PaymentIdOf, IsThatOfTheKey) {
  EXPECT_EQ(PaymentIdOf(ChargeKey("p1")), "p1");
  EXPECT_EQ(PaymentIdOf(AttemptKey("p1", 1)), "p1");
  EXPECT_EQ(PaymentIdOf(AttemptKey("a-b-c", 20)), "a-b-c");
  for (const char* key : {"", "pay-", "pay-1", "pay-x-p1", "pay--p1", "pay-01-p1", "pay- 1-p1", "refund-p1",
                          "process-o1", "return-1-pay-1-p1"}) {
    EXPECT_EQ(PaymentIdOf(key), "") << key;
  }
}

class ChargeHeardTest : public testing::Test {
 protected:
  void Start(State state) {
    rows_ = PaymentRows();
    DecideCharge(rows_.payment, {"p1", "saga/charge", "m1", {1000, "KRW"}, 1}, {}, kNow);
    rows_.payment->state = state;
    if (state == State::kSuccess || state == State::kRefunded) rows_.payment->pg_transaction_id = "tx-1";
    if (state == State::kFailed) rows_.payment->failed_reason = std::string(kPaymentTimeout);
  }
  Finding HearIt(const GatewayAnswer& word) { return Hear(rows_, "charge-p1", word, kNow); }

  PaymentRows rows_;
};

TEST_F(ChargeHeardTest, AWebhookSettlesAChargeThatIsOpen) {
  for (const State state : {State::kPending, State::kResolving}) {
    Start(state);
    EXPECT_EQ(HearIt(Captured()).kind, Finding::Kind::kNews);
    EXPECT_EQ(rows_.payment->state, State::kSuccess);
    EXPECT_THAT(rows_.returns, IsEmpty()) << "while it is open nothing is paid back";
    Start(state);
    EXPECT_EQ(HearIt(Declined()).kind, Finding::Kind::kNews);
    EXPECT_EQ(rows_.payment->state, State::kFailed);
    Start(state);
    EXPECT_EQ(HearIt(Later()).kind, Finding::Kind::kKnown);
    EXPECT_EQ(rows_.payment->state, state);
  }
}

TEST_F(ChargeHeardTest, ACaptureAfterTheFenceIsPaidBackOnce) {
  Start(State::kFailed);
  rows_.payment->inquire_at = kNow;
  EXPECT_TRUE(HearIt(Captured()).is_late);
  EXPECT_EQ(rows_.payment->state, State::kFailed);
  EXPECT_EQ(rows_.payment->pg_transaction_id, "");
  EXPECT_FALSE(rows_.payment->inquire_at);
  ASSERT_THAT(rows_.returns, SizeIs(1));
  EXPECT_EQ(ReturnKey(rows_.returns[0]), "return-1-charge-p1");
  EXPECT_EQ(HearIt(Captured()).kind, Finding::Kind::kKnown);
}

TEST_F(ChargeHeardTest, WhatDoesNotMatchMovesNothing) {
  for (const State state : {State::kPending, State::kResolving, State::kSuccess, State::kFailed, State::kRefunded}) {
    Start(state);
    const PaymentRows before = rows_;
    GatewayAnswer word = Captured("tx-9");
    word.amount.minor_units = 1;
    EXPECT_EQ(HearIt(word).kind, Finding::Kind::kMismatch);
    EXPECT_EQ(rows_, before);
  }
}

TEST_F(ChargeHeardTest, AFailedChargeIsAskedAboutUnlessItIsFinal) {
  for (const bool is_final : {false, true}) {
    Start(State::kPending);
    EXPECT_EQ(HearIt(Fenced(is_final)).kind, Finding::Kind::kNews);
    EXPECT_EQ(rows_.payment->inquire_at.has_value(), !is_final);
  }
}

class ReturnTest : public testing::Test {
 protected:
  GatewayAnswer PaidBack() const {
    GatewayAnswer word = Captured("tx-2");
    word.captured = "tx-1";
    return word;
  }

  Return due_ = {.key = "pay-1-p1",
                 .payment_id = "p1",
                 .captured = "tx-1",
                 .amount = {1000, "KRW"},
                 .create_time = kNow,
                 .try_at = kNow};
};

TEST_F(ReturnTest, IsDoneOnceTheGatewayHasPaidBack) {
  EXPECT_EQ(HearReturn(due_, Nothing(), kNow).kind, Finding::Kind::kKnown);
  EXPECT_FALSE(due_.done);
  EXPECT_EQ(HearReturn(due_, PaidBack(), kNow).kind, Finding::Kind::kNews);
  EXPECT_TRUE(due_.done);
  EXPECT_EQ(HearReturn(due_, PaidBack(), kNow).kind, Finding::Kind::kKnown);
}

TEST_F(ReturnTest, WhatSomeoneElsePaidBackIsDone) {
  EXPECT_EQ(HearReturn(due_, Say(AnswerKind::kBackAlready, "ALREADY_REFUNDED"), kNow).kind, Finding::Kind::kNews);
  EXPECT_TRUE(due_.done);
}

TEST_F(ReturnTest, ADeclineIsAskedForAgainUnderAnotherKey) {
  const std::string key = ReturnKey(due_);
  EXPECT_THAT(HearReturn(due_, Declined(), kNow).alarm, HasSubstr("CARD_DECLINED"));
  EXPECT_FALSE(due_.done);
  EXPECT_NE(ReturnKey(due_), key);
  EXPECT_EQ(due_.try_at, kNow + absl::Seconds(2));
}

TEST_F(ReturnTest, AGatewayThatAlwaysDeclinesIsAskedEverMoreSeldom) {
  absl::Time now = kNow;
  for (; now < kNow + absl::Hours(24); now = due_.try_at) HearReturn(due_, Declined(), now);
  EXPECT_LT(due_.tries, 200);
  EXPECT_LE(due_.try_at - kNow, absl::Hours(24) + absl::Minutes(10));
}

TEST_F(ReturnTest, AnotherAmountOrCaptureIsNotBelieved) {
  for (const bool other_amount : {true, false}) {
    GatewayAnswer word = PaidBack();
    if (other_amount) word.amount.minor_units = 1;
    if (!other_amount) word.captured = "tx-9";
    EXPECT_EQ(HearReturn(due_, word, kNow).kind, Finding::Kind::kMismatch);
    EXPECT_FALSE(due_.done);
  }
}

// What the gateway can say of a key.
enum class Word { kPending, kCaptured, kDeclined, kFenced, kFencedForGood };

template <class Enum>
int Number(Enum value) {
  return static_cast<int>(value);
}

GatewayAnswer AnswerOf(const std::string& key, Word word) {
  switch (word) {
    case Word::kPending:
      return Later();
    case Word::kCaptured:
      return Captured("tx-" + key);
    case Word::kDeclined:
      return Declined();
    case Word::kFenced:
      return Fenced(/*is_final=*/false);
    case Word::kFencedForGood:
      return Fenced();
  }
  return Nothing();
}

// One payment, two customers' calls, of which one may be a cancel, the decision, and a gateway that decides each key
// once but may capture what it has fenced. Calls are repeated, questions are delayed, answers are late or lost,
// webhooks and inquiries say again what was true once.
struct World {
  PaymentRows rows;
  std::map<std::string, Word> keys;                            // at the gateway
  std::set<std::pair<std::string, Word>> said;                 // what was ever so
  std::set<std::tuple<std::string, Verb, std::string>> asked;  // by whom ("": who decides), what, of which key
  bool is_late = false;                                        // wait_until is over
  std::optional<bool> paid;                                    // what the decision said
  bool is_unpaid = false;                                      // a customer was told that he was not charged
  std::string why;                                             // what anybody was told of why it is over

  absl::Time now() const { return is_late ? kAfter : kNow; }

  // All that counts of it.
  std::string Show() const {
    std::string text = absl::StrCat(Number(rows.payment->state), is_late, paid.has_value() ? 1 + *paid : 0, is_unpaid,
                                    rows.payment->failed_reason, ";", why);
    for (const Attempt& each : rows.attempts) {
      absl::StrAppend(&text, ";", each.owner, Number(each.state), each.inquire_at.has_value());
    }
    for (const Return& each : rows.returns) absl::StrAppend(&text, ";back ", each.key);
    for (const auto& [key, word] : keys) absl::StrAppend(&text, ";", key, Number(word));
    for (const auto& [key, word] : said) absl::StrAppend(&text, ";said ", key, Number(word));
    for (const auto& [owner, verb, key] : asked) absl::StrAppend(&text, ";", owner, Number(verb), key);
    return text;
  }

  // `owner` calls, or hears what its question was answered.
  void Call(const std::string& owner, const std::optional<Heard>& heard) {
    const Decision decision = owner.empty()   ? DecideResolveCollect(rows, true, heard, now())
                              : owner == "no" ? DecideCancel(rows, "p1", "m1", heard, now())
                                              : DecidePay(rows, {"p1", owner, "m1", 1}, heard, now());
    if (decision.kind == Kind::kAskGateway) {
      asked.emplace(owner, decision.question->verb, decision.question->key);
      EXPECT_TRUE(decision.question->verb != Verb::kFence || !is_late || rows.payment->state == State::kResolving)
          << "what was begun in time is fenced before it is decided";
    }
    const bool is_over = Tell(decision);
    if (!owner.empty() && (is_over || (owner == "no" && decision.kind == Kind::kDone))) is_unpaid = true;
    if (!owner.empty() || (decision.kind != Kind::kDone && decision.kind != Kind::kRefused)) return;
    const bool is_paid = decision.kind == Kind::kDone;
    EXPECT_EQ(paid.value_or(is_paid), is_paid) << "the last word has changed";
    paid = is_paid;
  }
  void Poll() { Tell(DecideCollect(rows, {"p1", "saga/collect", "m1", {1000, "KRW"}, kUntil}, now())); }
  // Whether it says why the payment is over, which is said once and for all.
  bool Tell(const Decision& decision) {
    const ErrorInfo info = GetErrorInfo(decision.status);
    const auto cause = info.metadata.find("cause");
    const std::string& reason = cause == info.metadata.end() ? info.reason : cause->second;
    if (reason != kPaymentCancelled && reason != kPaymentExpired) return false;
    if (why.empty()) why = reason;
    EXPECT_EQ(reason, why) << "it is over for another reason than was told";
    return true;
  }
  void Become(const std::string& key, Word word) {
    keys[key] = word;
    said.emplace(key, word);
  }
  // What the gateway may make of a question.
  std::vector<Word> WordsAfter(Verb verb, const std::string& key) const {
    const auto known = keys.find(key);
    const bool is_open = known == keys.end() || known->second == Word::kPending;
    if (!is_open || (verb == Verb::kConfirm && known != keys.end())) return {known->second};
    if (verb == Verb::kFence) return {Word::kFenced, Word::kFencedForGood};
    return {Word::kPending, Word::kCaptured, Word::kDeclined};
  }
  // And of a key by itself.
  static std::vector<Word> WordsAfter(Word word) {
    if (word == Word::kPending) return {Word::kCaptured, Word::kDeclined};
    if (word == Word::kFenced) return {Word::kCaptured, Word::kFencedForGood};
    return {};
  }
};

class CollectSearch {
 public:
  // `callers`: who pays, by his name, and "no": who cancels.
  explicit CollectSearch(std::vector<std::string> callers) : callers_(std::move(callers)) {}

  // The number of worlds that can be reached.
  std::size_t Run() {
    World begin;
    DecideCollect(begin.rows, {"p1", "saga/collect", "m1", {1000, "KRW"}, kUntil}, kNow);
    Take(std::move(begin), "");
    while (!open_.empty() && !testing::Test::HasFailure()) {
      const auto [world, number] = std::move(open_.front());
      open_.pop_front();
      from_ = number;
      Check(world);
      Finish(world);
      Moves(world);
      if (testing::Test::HasFailure()) ADD_FAILURE() << "after" << Story();
    }
    return seen_.size();
  }

 private:
  void Take(World world, const std::string& move) {
    if (!seen_.insert(world.Show()).second) return;
    moves_.emplace_back(from_, move);
    open_.emplace_back(std::move(world), moves_.size() - 1);
  }
  template <class Change>
  void Move(World world, const std::string& name, Change change) {
    change(world);
    Take(std::move(world), name);
  }

  void Moves(const World& world) {
    for (const std::string& caller : callers_) {
      Move(world, absl::StrCat(caller, " calls"), [&](World& next) { next.Call(caller, std::nullopt); });
    }
    Move(world, "poll", [](World& next) { next.Poll(); });
    Move(world, "decide", [](World& next) { next.Call("", std::nullopt); });
    Move(world, "the time is over", [](World& next) { next.is_late = true; });
    for (const auto& [owner, verb, key] : world.asked) {
      for (const Word word : world.WordsAfter(verb, key)) {
        Move(world, absl::StrCat("asked of ", key, " the gateway says ", Number(word)),
             [&, key = key](World& next) { next.Become(key, word); });
      }
      Hears(world, owner, key, Nothing(), "nothing");
      for (const auto& [of, word] : world.said) {
        if (of == key) Hears(world, owner, key, AnswerOf(key, word), absl::StrCat(Number(word)));
      }
    }
    for (const auto& [key, word] : world.said) {
      Move(world, absl::StrCat("a webhook of ", key, " says ", Number(word)), [&, key = key, word = word](World& next) {
        const Finding finding = Hear(next.rows, key, AnswerOf(key, word), next.now());
        EXPECT_TRUE(word != world.keys.at(key) || finding.kind != Finding::Kind::kMismatch) << key;
      });
    }
    for (const auto& [key, was] : world.keys) {
      for (const Word word : World::WordsAfter(was)) {
        Move(world, absl::StrCat("of ", key, " it becomes ", Number(word)),
             [&, key = key](World& next) { next.Become(key, word); });
      }
    }
  }
  void Hears(const World& world, const std::string& owner, const std::string& key, const GatewayAnswer& answer,
             const std::string& what) {
    Move(world, absl::StrCat(owner.empty() ? "the decision" : owner, " hears of ", key, ": ", what), [&](World& next) {
      next.Call(owner, Heard{key, answer});
    });
  }

  static void Check(const World& world) {
    int open = 0, captured = 0;
    for (const Attempt& attempt : world.rows.attempts) {
      open += attempt.state == AttemptState::kOpen ? 1 : 0;
      captured += attempt.state == AttemptState::kCaptured ? 1 : 0;
    }
    EXPECT_LE(open, 1);
    EXPECT_LE(captured, 1);
    EXPECT_EQ(captured == 1, world.rows.payment->state == State::kSuccess);
    EXPECT_TRUE(open == 0 || world.rows.payment->state != State::kFailed);
    EXPECT_TRUE(!world.is_unpaid || (captured == 0 && open == 0)) << "he may be charged yet";
    if (!world.paid) return;
    EXPECT_EQ(world.rows.payment->state, *world.paid ? State::kSuccess : State::kFailed) << "the last word was another";
  }

  // The wait is decided, and the gateway says its last word of each key.
  static void Finish(World world) {
    world.Call("", std::nullopt);
    for (const Attempt& attempt : std::vector<Attempt>(world.rows.attempts)) {
      if (world.paid) break;
      if (attempt.state != AttemptState::kOpen) continue;
      world.Become(attempt.key, world.WordsAfter(Verb::kFence, attempt.key).back());
      world.Call("", Heard{attempt.key, AnswerOf(attempt.key, world.keys[attempt.key])});
    }
    EXPECT_TRUE(world.paid) << "it cannot be decided";
    std::vector<std::string> standing;
    for (const auto& [key, word] : world.keys) {
      Hear(world.rows, key, AnswerOf(key, word), world.now());
      const auto is_of = [&key = key](const Return& due) { return due.key == key; };
      const bool goes_back = std::any_of(world.rows.returns.begin(), world.rows.returns.end(), is_of);
      if (word == Word::kCaptured && !goes_back) standing.push_back("tx-" + key);
    }
    const bool is_paid = world.rows.payment->state == State::kSuccess;
    EXPECT_EQ(standing, is_paid ? std::vector{world.rows.payment->pg_transaction_id} : std::vector<std::string>());
  }

  std::string Story() const {
    std::string story;
    for (std::size_t at = from_; at != 0; at = moves_[at].first) story = absl::StrCat("\n  ", moves_[at].second, story);
    return story;
  }

  const std::vector<std::string> callers_;
  std::unordered_set<std::string> seen_;
  std::deque<std::pair<World, std::size_t>> open_;
  std::vector<std::pair<std::size_t, std::string>> moves_;  // after which, and what
  std::size_t from_ = 0;                                    // the world that is looked at
};

TEST(CollectSearchTest, InNoOrderDoTwoCapturesStand) {
  const std::size_t worlds = CollectSearch({"a", "b"}).Run();
  std::printf("%zu worlds\n", worlds);
  EXPECT_GT(worlds, 1000u);
}

TEST(CollectSearchTest, InNoOrderIsWhoCancelledCharged) {
  const std::size_t worlds = CollectSearch({"a", "no"}).Run();
  std::printf("%zu worlds\n", worlds);
  EXPECT_GT(worlds, 100u);
}

}  // namespace
}  // namespace unwind::payment
