#include "mock_pg/ledger.h"

#include <string>

#include "common/rpc/error.h"
#include "gtest/gtest.h"

namespace unwind::pg {
namespace {

// One gateway: decides and adds what is written, as the writer does.
class LedgerTest : public testing::Test {
 protected:
  Verdict Run(Operation operation) {
    operation.transaction_id = "tx-" + std::to_string(++made_);
    operation.now = absl::FromUnixSeconds(made_);
    Verdict verdict = Decide(ledger_, scenario_, operation);
    if (verdict.write) {
      ledger_.Add(*verdict.write);
      ++written_;
    }
    if (verdict.accept) ledger_.Accept(*verdict.accept);
    if (verdict.drop) ledger_.Drop(operation.key);
    return verdict;
  }
  Verdict Confirm(const std::string& key, std::int64_t amount = 1000, const std::string& currency = "KRW") {
    return Run({.verb = Verb::kConfirm,
                .key = key,
                .amount_minor = amount,
                .currency_code = currency,
                .captured = "",
                .transaction_id = "",
                .now = {}});
  }
  Verdict Cancel(const std::string& key, const std::string& captured, std::int64_t amount = 0) {
    return Run({.verb = Verb::kCancel,
                .key = key,
                .amount_minor = amount,
                .currency_code = "",
                .captured = captured,
                .transaction_id = "",
                .now = {}});
  }
  Verdict Fence(const std::string& key, const std::string& captured = "") {
    return Run({.verb = Verb::kFence,
                .key = key,
                .amount_minor = 0,
                .currency_code = "",
                .captured = captured,
                .transaction_id = "",
                .now = {}});
  }

  Ledger ledger_;
  Scenario scenario_;
  int made_ = 0;
  int written_ = 0;
};

void ExpectError(const absl::Status& status, absl::StatusCode code, absl::string_view reason) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(GetErrorInfo(status).reason, std::string(reason));
  EXPECT_EQ(GetErrorInfo(status).domain, std::string(kErrorDomain));
}

TEST_F(LedgerTest, ConfirmCaptures) {
  const Verdict verdict = Confirm("k", 1000, "KRW");
  ASSERT_TRUE(verdict.status.ok());
  EXPECT_EQ(verdict.entry.kind, Kind::kCapture);
  EXPECT_EQ(verdict.entry.amount_minor, 1000);
  EXPECT_EQ(verdict.entry.currency_code, "KRW");
  EXPECT_EQ(verdict.entry.transaction_id, "tx-1");
  EXPECT_EQ(verdict.entry.idempotency_key, "k");
  EXPECT_EQ(verdict.entry.create_time, absl::FromUnixSeconds(1));
  EXPECT_EQ(verdict.write, verdict.entry);
  EXPECT_FALSE(verdict.hang);
}

TEST_F(LedgerTest, ARepeatGetsTheSameEntryAndWritesNothing) {
  const Verdict first = Confirm("k");
  const Verdict again = Confirm("k");
  EXPECT_TRUE(again.status.ok());
  EXPECT_EQ(again.entry, first.entry);
  EXPECT_EQ(again.write, std::nullopt);
}

TEST_F(LedgerTest, AKeyIsNotReusedForAnotherBody) {
  Confirm("k", 1000, "KRW");
  ExpectError(Confirm("k", 1001, "KRW").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
  ExpectError(Confirm("k", 1000, "USD").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
  ExpectError(Cancel("k", "tx-1").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
  EXPECT_EQ(written_, 1);
}

TEST_F(LedgerTest, ADeclineIsStoredAndRepeated) {
  scenario_.fail_first = 1;
  const Verdict first = Confirm("k");
  ExpectError(first.status, absl::StatusCode::kFailedPrecondition, "CARD_DECLINED");
  ASSERT_TRUE(first.write);
  EXPECT_EQ(first.write->kind, Kind::kDecline);
  EXPECT_EQ(first.write->amount_minor, 0);
  EXPECT_EQ(first.write->currency_code, "KRW");
  EXPECT_EQ(first.write->decline_reason, "CARD_DECLINED");
  const Verdict again = Confirm("k");
  ExpectError(again.status, absl::StatusCode::kFailedPrecondition, "CARD_DECLINED");
  EXPECT_EQ(again.write, std::nullopt);
  ExpectError(Confirm("k", 5).status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
}

TEST_F(LedgerTest, AnAmountIsRefused) {
  scenario_.refuse_amount_minor = 100'000;
  ExpectError(Confirm("k", 100'000).status, absl::StatusCode::kFailedPrecondition, "AMOUNT_REFUSED");
  scenario_ = Scenario();
  ExpectError(Confirm("k", 100'000).status, absl::StatusCode::kFailedPrecondition, "AMOUNT_REFUSED");
}

TEST_F(LedgerTest, AHungKeyIsWrittenAndItsRepeatIsAnswered) {
  scenario_.hang_percent = 100;
  const Verdict first = Confirm("k");
  EXPECT_TRUE(first.hang);
  EXPECT_TRUE(first.write);
  const Verdict again = Confirm("k");
  EXPECT_FALSE(again.hang);
  EXPECT_EQ(again.entry, first.entry);
}

TEST_F(LedgerTest, AFenceIsForEver) {
  const Verdict fence = Fence("k");
  ASSERT_TRUE(fence.status.ok());
  EXPECT_EQ(fence.entry.kind, Kind::kFence);
  EXPECT_EQ(fence.entry.amount_minor, 0);
  EXPECT_TRUE(fence.write);
  const Verdict late = Confirm("k");
  ExpectError(late.status, absl::StatusCode::kFailedPrecondition, "KEY_FENCED");
  EXPECT_EQ(late.write, std::nullopt);
  ExpectError(Cancel("k", "tx-9").status, absl::StatusCode::kFailedPrecondition, "KEY_FENCED");
  EXPECT_EQ(Fence("k").entry, fence.entry);
  EXPECT_EQ(written_, 1);
}

TEST_F(LedgerTest, AFenceReportsWhatTheKeyDidAndChangesNothing) {
  const Entry capture = Confirm("c").entry;
  const Entry refund = Cancel("r", capture.transaction_id).entry;
  scenario_.fail_first = 1;
  Confirm("d");
  EXPECT_EQ(Fence("c").entry, capture);
  EXPECT_EQ(Fence("r").entry, refund);
  EXPECT_EQ(Fence("d").entry.kind, Kind::kDecline);
  EXPECT_EQ(written_, 3);
  EXPECT_TRUE(Confirm("c").status.ok()) << "a fence of a capture does not undo it";
}

TEST_F(LedgerTest, AFenceKnowsNoFaults) {
  scenario_.fail_percent = 100;
  scenario_.hang_percent = 100;
  const Verdict fence = Fence("k");
  EXPECT_TRUE(fence.status.ok());
  EXPECT_FALSE(fence.hang);
}

TEST_F(LedgerTest, AFenceTellsThatAnotherKeyPaidBack) {
  Confirm("c");
  Cancel("r", "tx-1");
  for (int i = 0; i < 2; ++i) {
    ExpectError(Fence("r2", "tx-1").status, absl::StatusCode::kFailedPrecondition, "ALREADY_REFUNDED");
  }
  ExpectError(Cancel("r2", "tx-1").status, absl::StatusCode::kFailedPrecondition, "KEY_FENCED");
  EXPECT_EQ(Fence("r", "tx-1").entry.kind, Kind::kRefund) << "its own key did";
  EXPECT_EQ(written_, 3);
}

TEST_F(LedgerTest, AFenceOfARefundThatNobodyMadeIsAFence) {
  Confirm("c");
  const Verdict fence = Fence("r", "tx-1");
  EXPECT_TRUE(fence.status.ok());
  EXPECT_EQ(fence.entry.kind, Kind::kFence);
  Cancel("r2", "tx-1");
  ExpectError(Fence("r", "tx-1").status, absl::StatusCode::kFailedPrecondition, "ALREADY_REFUNDED");
}

TEST_F(LedgerTest, CancelPaysBackWholeAndOnce) {
  Confirm("c", 700, "USD");
  const Verdict refund = Cancel("r", "tx-1");
  ASSERT_TRUE(refund.status.ok());
  EXPECT_EQ(refund.entry.kind, Kind::kRefund);
  EXPECT_EQ(refund.entry.amount_minor, 700);
  EXPECT_EQ(refund.entry.currency_code, "USD");
  EXPECT_EQ(refund.entry.captured_transaction_id, "tx-1");
  EXPECT_EQ(Cancel("r", "tx-1").entry, refund.entry);
  ExpectError(Cancel("r2", "tx-1").status, absl::StatusCode::kFailedPrecondition, "ALREADY_REFUNDED");
  ExpectError(Cancel("r", "tx-2").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
  EXPECT_EQ(written_, 2);
}

TEST_F(LedgerTest, CancelPaysBackAPartOnce) {
  Confirm("c", 700, "USD");
  ExpectError(Cancel("r", "tx-1", 701).status, absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
  const Verdict refund = Cancel("r", "tx-1", 500);
  ASSERT_TRUE(refund.status.ok());
  EXPECT_EQ(refund.entry.amount_minor, 500);
  EXPECT_EQ(Cancel("r", "tx-1", 500).entry, refund.entry);
  ExpectError(Cancel("r", "tx-1").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
  ExpectError(Cancel("r2", "tx-1", 200).status, absl::StatusCode::kFailedPrecondition, "ALREADY_REFUNDED");
  EXPECT_EQ(written_, 2);
}

TEST_F(LedgerTest, OnlyACaptureIsPaidBack) {
  ExpectError(Cancel("r", "tx-unknown").status, absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND");
  const std::string fence = Fence("f").entry.transaction_id;
  ExpectError(Cancel("r", fence).status, absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND");
  EXPECT_EQ(written_, 1);
  const std::string capture = Confirm("c").entry.transaction_id;
  EXPECT_TRUE(Cancel("r", capture).status.ok()) << "not found is not stored";
}

TEST_F(LedgerTest, ADeclinedCancelLeavesTheCapture) {
  const std::string capture = Confirm("c").entry.transaction_id;
  scenario_.fail_first = 1;
  ExpectError(Cancel("r", capture).status, absl::StatusCode::kFailedPrecondition, "CARD_DECLINED");
  EXPECT_TRUE(Cancel("r2", capture).status.ok());
}

TEST(CheckOperation, NamesTheField) {
  Operation operation;
  operation.verb = Verb::kConfirm;
  operation.key = "charge-1";
  operation.currency_code = "KRW";
  EXPECT_TRUE(CheckOperation(operation).ok());
  operation.key = std::string("a\0b", 3);
  ExpectError(CheckOperation(operation), absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
  operation.key = "\xEA\xB0\x80";
  ExpectError(CheckOperation(operation), absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
  operation.key = "k";
  for (const char* currency : {"", "KR", "krw", "K-W", "KRWX"}) {
    operation.currency_code = currency;
    ExpectError(CheckOperation(operation), absl::StatusCode::kInvalidArgument, "INVALID_REQUEST");
  }
  operation.verb = Verb::kCancel;
  EXPECT_TRUE(CheckOperation(operation).ok());
}

class LaterTest : public LedgerTest {
 protected:
  LaterTest() {
    scenario_.async_percent = 100;
    scenario_.async_delay = absl::Seconds(30);
  }
};

TEST_F(LaterTest, AConfirmIsAcceptedAndWritesNothing) {
  const Verdict verdict = Confirm("k", 1000, "KRW");
  ASSERT_TRUE(verdict.status.ok());
  EXPECT_EQ(verdict.entry.kind, Kind::kPending);
  EXPECT_EQ(verdict.entry.amount_minor, 1000);
  EXPECT_EQ(verdict.entry.transaction_id, "tx-1");
  EXPECT_TRUE(verdict.entry.may_change);
  EXPECT_FALSE(verdict.write);
  EXPECT_FALSE(verdict.tell);
  ASSERT_TRUE(verdict.accept);
  EXPECT_EQ(verdict.accept->pending, verdict.entry);
  EXPECT_EQ(verdict.accept->due, absl::FromUnixSeconds(1) + absl::Seconds(30));
  const Verdict again = Confirm("k", 1000, "KRW");
  EXPECT_EQ(again.entry, verdict.entry);
  EXPECT_FALSE(again.accept);
  ExpectError(Confirm("k", 1001, "KRW").status, absl::StatusCode::kInvalidArgument, "KEY_REUSED");
}

TEST_F(LaterTest, AnIntentEndsAsACaptureOrAsTheDeclineThatWasDrawn) {
  const Entry capture = Finish(*Confirm("k", 1000, "KRW").accept, absl::FromUnixSeconds(99));
  EXPECT_EQ(capture.kind, Kind::kCapture);
  EXPECT_EQ(capture.amount_minor, 1000);
  EXPECT_EQ(capture.transaction_id, "tx-1");
  EXPECT_EQ(capture.create_time, absl::FromUnixSeconds(99));
  EXPECT_FALSE(capture.may_change);
  ledger_.Drop("k");
  ledger_.Add(capture);
  EXPECT_EQ(Confirm("k", 1000, "KRW").entry, capture) << "a repeat";

  scenario_.fail_first = 1;
  const Verdict accepted = Confirm("declined");
  EXPECT_TRUE(accepted.status.ok()) << "nobody knows yet";
  const Entry decline = Finish(*accepted.accept, absl::FromUnixSeconds(99));
  EXPECT_EQ(decline.kind, Kind::kDecline);
  EXPECT_EQ(decline.amount_minor, 0);
  EXPECT_EQ(decline.decline_reason, kCardDeclined);
}

TEST_F(LaterTest, AFenceEndsAnIntent) {
  Confirm("k");
  const Verdict fence = Fence("k");
  EXPECT_EQ(fence.entry.kind, Kind::kFence);
  EXPECT_FALSE(fence.entry.may_change);
  EXPECT_TRUE(fence.write);
  EXPECT_TRUE(fence.drop);
  ExpectError(Confirm("k").status, absl::StatusCode::kFailedPrecondition, "KEY_FENCED");
}

TEST_F(LaterTest, AnIntentThatSurvivesItsFenceSaysThatItMayChange) {
  scenario_.after_fence_percent = 100;
  EXPECT_TRUE(Confirm("k").accept->survives_fence);
  for (const Verdict& fence : {Fence("k"), Fence("k")}) {
    EXPECT_EQ(fence.entry.kind, Kind::kFence);
    EXPECT_TRUE(fence.entry.may_change);
    EXPECT_FALSE(fence.drop);
  }
  EXPECT_EQ(written_, 1);
}

TEST_F(LaterTest, AnIntentThatSurvivesItsFenceEndsSoLongAfterItAsWasDrawn) {
  scenario_.after_fence = absl::Seconds(5);
  Confirm("ended by it");
  scenario_.after_fence_percent = 100;
  Confirm("k");
  scenario_.after_fence = absl::ZeroDuration();
  Confirm("in its own time");
  const Verdict fence = Fence("k");
  EXPECT_EQ(fence.due, fence.write->create_time + absl::Seconds(5));
  EXPECT_FALSE(Fence("k").due) << "a repeat";
  EXPECT_FALSE(Fence("ended by it").due);
  EXPECT_FALSE(Fence("in its own time").due);
}

TEST_F(LaterTest, AnEarlyOneIsWrittenAndToldAndAnsweredAsPending) {
  scenario_.webhook_early_percent = 100;
  const Verdict verdict = Confirm("k");
  EXPECT_EQ(verdict.entry.kind, Kind::kPending);
  ASSERT_TRUE(verdict.write);
  EXPECT_EQ(verdict.write->kind, Kind::kCapture);
  EXPECT_TRUE(verdict.tell);
  EXPECT_FALSE(verdict.accept);
}

TEST_F(LaterTest, RefundsAreNotPutOff) {
  scenario_ = Scenario();
  Confirm("c");
  scenario_.async_percent = 100;
  EXPECT_EQ(Cancel("r", "tx-1").entry.kind, Kind::kRefund);
}

}  // namespace
}  // namespace unwind::pg
