// mock_pg over real gRPC and SQLite: the ledger and every scenario.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/payment_harness.h"

namespace unwind {
namespace {

using ::pg::v1::Transaction;
using testing::ElementsAre;

class MockPgTest : public testing::Test {
 protected:
  // Through the wire, as an operator does.
  CallResult SetScenario(const ::pg::v1::Scenario& scenario) {
    ::pg::v1::SetScenarioRequest request;
    *request.mutable_scenario() = scenario;
    ::pg::v1::SetScenarioResponse response;
    return Invoke(pg_.control(), &::pg::v1::MockControl::Stub::SetScenario, request, &response);
  }
  ::pg::v1::Scenario GetScenario() {
    ::pg::v1::GetScenarioResponse response;
    EXPECT_TRUE(Invoke(pg_.control(), &::pg::v1::MockControl::Stub::GetScenario, {}, &response).status.ok());
    return response.scenario();
  }

  ScratchFolder folder_;
  PgProcess pg_{folder_};
};

TEST_F(MockPgTest, AProbeSaysWhetherTheStoreTakesWrites) {
  const auto probe = [this] {
    std::promise<absl::Status> ended;
    pg_.gateway().Probe([&ended](absl::Status status) { ended.set_value(std::move(status)); });
    return ended.get_future().get();
  };
  EXPECT_EQ(probe(), absl::OkStatus());
  std::unique_ptr<Connection> other = OpenTestDatabase(folder_.File("pg.db"));
  const auto execute = [&other](const char* sql) {
    EXPECT_TRUE(other
                    ->Write([sql](soci::session& session) {
                      session << sql;
                      return absl::OkStatus();
                    })
                    .ok());
  };
  execute("ALTER TABLE schema_version RENAME TO elsewhere");
  EXPECT_EQ(probe().code(), absl::StatusCode::kUnavailable);
  execute("ALTER TABLE elsewhere RENAME TO schema_version");
  EXPECT_EQ(probe(), absl::OkStatus());
}

std::string Key(int i) { return "key-" + std::to_string(i); }

template <class Function>
void InParallel(int count, Function function) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&function, i] { function(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(MockPgTest, CapturesOnceForEachKey) {
  const CallResult first = pg_.Confirm("k", 1500, "KRW");
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_EQ(pg_.Confirm("k", 1500, "KRW").response, first.response);
  EXPECT_EQ(pg_.Confirm("k", 1501, "KRW").reason(), "KEY_REUSED");
  const absl::StatusOr<Transaction> entry = pg_.Get("k");
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->kind(), Transaction::KIND_CAPTURE);
  EXPECT_EQ(entry->amount_minor(), 1500);
  EXPECT_EQ(entry->currency_code(), "KRW");
  EXPECT_EQ(entry->idempotency_key(), "k");
  EXPECT_GT(entry->create_time().seconds(), 1'600'000'000);
  EXPECT_EQ(GetErrorInfo(pg_.Get("other").status()).reason, "TRANSACTION_NOT_FOUND");
}

TEST_F(MockPgTest, AnOrderIsProcessedOnceForItsAmount) {
  const ::pg::v1::ProcessResponse first = pg_.Process("o-1", 39000);
  EXPECT_EQ(first.result(), ::pg::v1::ProcessResponse::RESULT_SUCCESS);
  EXPECT_NE(first.transaction_id(), "");
  EXPECT_EQ(first.failed_reason(), "");
  EXPECT_EQ(pg_.Process("o-1", 39000).transaction_id(), first.transaction_id());
  CallResult other;
  pg_.Process("o-1", 39001, &other);
  EXPECT_EQ(other.reason(), "KEY_REUSED");
  const absl::StatusOr<Transaction> entry = pg_.Get("process-o-1");
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ(entry->amount_minor(), 39000);
  EXPECT_EQ(entry->currency_code(), "KRW");
}

TEST_F(MockPgTest, ADeclineIsAResultOfProcessAndStays) {
  ::pg::v1::Scenario scenario;
  scenario.set_fail_first(1);
  SetScenario(scenario);
  const ::pg::v1::ProcessResponse declined = pg_.Process("o-1", 1000);
  EXPECT_EQ(declined.result(), ::pg::v1::ProcessResponse::RESULT_FAILED);
  EXPECT_EQ(declined.failed_reason(), "CARD_DECLINED");
  EXPECT_EQ(declined.transaction_id(), "");
  EXPECT_EQ(pg_.Process("o-1", 1000).failed_reason(), "CARD_DECLINED");
  scenario.set_fail_first(0);
  scenario.set_refuse_amount_minor(100000);
  SetScenario(scenario);
  EXPECT_EQ(pg_.Process("o-2", 100000).failed_reason(), "AMOUNT_REFUSED");
  EXPECT_EQ(pg_.Process("o-3", 99999).result(), ::pg::v1::ProcessResponse::RESULT_SUCCESS);
}

TEST_F(MockPgTest, ConcurrentCopiesOfOneKeyMakeOneEntry) {
  std::vector<CallResult> results(20);
  InParallel(20, [&](int i) { results[static_cast<std::size_t>(i)] = pg_.Confirm("k"); });
  for (const CallResult& result : results) {
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.response, results[0].response);
  }
  EXPECT_EQ(pg_.List().size(), 1u);
}

TEST_F(MockPgTest, OfAFenceAndAConfirmExactlyOneWins) {
  for (int i = 0; i < 50; ++i) {
    CallResult confirm, fence;
    std::thread racer([&] { confirm = pg_.Confirm(Key(i)); });
    fence = pg_.Fence(Key(i));
    racer.join();
    ::pg::v1::FenceResponse response;
    ASSERT_TRUE(fence.status.ok() && response.ParseFromString(fence.response));
    if (confirm.status.ok()) {
      EXPECT_EQ(response.transaction().kind(), Transaction::KIND_CAPTURE);
    } else {
      EXPECT_EQ(confirm.reason(), "KEY_FENCED");
      EXPECT_EQ(response.transaction().kind(), Transaction::KIND_FENCE);
    }
  }
  EXPECT_EQ(pg_.List().size(), 50u);
}

TEST_F(MockPgTest, CancelPaysBackOnce) {
  ASSERT_TRUE(pg_.Confirm("c", 700).status.ok());
  const std::string capture = pg_.Get("c")->transaction_id();
  const CallResult refund = pg_.Cancel("r", capture);
  ASSERT_TRUE(refund.status.ok());
  EXPECT_EQ(pg_.Cancel("r", capture).response, refund.response);
  EXPECT_EQ(pg_.Cancel("r2", capture).reason(), "ALREADY_REFUNDED");
  EXPECT_EQ(pg_.Cancel("r3", "nothing").reason(), "TRANSACTION_NOT_FOUND");
  EXPECT_EQ(pg_.Balance(), 0);
}

TEST_F(MockPgTest, CancelPaysBackAPart) {
  ASSERT_TRUE(pg_.Confirm("c", 700).status.ok());
  const std::string capture = pg_.Get("c")->transaction_id();
  const CallResult more = pg_.Cancel("r", capture, 701);
  EXPECT_EQ(more.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(more.reason(), "INVALID_REQUEST");
  EXPECT_EQ(pg_.Cancel("r", capture, -1).reason(), "INVALID_REQUEST");
  const CallResult refund = pg_.Cancel("r", capture, 500);
  ASSERT_TRUE(refund.status.ok()) << refund.status;
  EXPECT_EQ(pg_.Cancel("r", capture, 500).response, refund.response);
  EXPECT_EQ(pg_.Cancel("r", capture).reason(), "KEY_REUSED");
  EXPECT_EQ(pg_.Cancel("r2", capture, 200).reason(), "ALREADY_REFUNDED");
  EXPECT_EQ(pg_.Balance(), 200);
}

TEST_F(MockPgTest, ConcurrentRefundsOfOneCaptureMakeOne) {
  ASSERT_TRUE(pg_.Confirm("c", 700).status.ok());
  const std::string capture = pg_.Get("c")->transaction_id();
  std::atomic<int> paid = 0;
  InParallel(10, [&](int i) { paid += pg_.Cancel("r" + Key(i), capture).status.ok() ? 1 : 0; });
  EXPECT_EQ(paid, 1);
  EXPECT_EQ(pg_.Balance(), 0);
}

TEST_F(MockPgTest, TheLedgerSurvivesARestart) {
  const CallResult first = pg_.Confirm("k");
  pg_.Fence("f");
  pg_.Stop();
  pg_.Start();
  EXPECT_EQ(pg_.Confirm("k").response, first.response);
  EXPECT_EQ(pg_.Confirm("f").reason(), "KEY_FENCED");
  EXPECT_EQ(pg_.List().size(), 2u);
}

TEST_F(MockPgTest, ListsInPagesInTheOrderOfWriting) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pg_.Confirm(Key(i)).status.ok());
  for (const int page_size : {0, 1, 2, 5, 6, 5000}) {
    std::vector<std::string> keys;
    for (const Transaction& transaction : pg_.List(page_size)) keys.push_back(transaction.idempotency_key());
    EXPECT_THAT(keys, ElementsAre("key-0", "key-1", "key-2", "key-3", "key-4")) << page_size;
  }
  ::pg::v1::ListTransactionsRequest request;
  ::pg::v1::ListTransactionsResponse response;
  for (const char* token : {"nonsense", "YWZ0ZXI6LTE", "YWZ0ZXI6eA"}) {
    request.set_page_token(token);
    EXPECT_EQ(Invoke(pg_.stub(), &PgProcess::Stub::ListTransactions, request, &response).reason(),
              "INVALID_PAGE_TOKEN");
  }
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(Invoke(pg_.stub(), &PgProcess::Stub::ListTransactions, request, &response).reason(), "INVALID_REQUEST");
}

TEST_F(MockPgTest, BadRequestsAreRefusedAndStoreNothing) {
  const std::vector<CallResult> results = {
      pg_.Confirm(""),
      pg_.Confirm(std::string(201, 'k')),
      pg_.Confirm("k", 0),
      pg_.Confirm("k", -1),
      pg_.Confirm("k", 1'000'000'000'000'001),
      pg_.Confirm("k", INT64_MAX),
      pg_.Confirm("k", 1, ""),
      pg_.Confirm("k", 1, "krw"),
      pg_.Confirm("k", 1, "KRWX"),
      pg_.Confirm("k\n"),
      pg_.Confirm(std::string("k\0x", 3)),
      pg_.Cancel("k", ""),
      pg_.Cancel("k", "a b"),
      pg_.Fence(""),
      pg_.Fence("\x7f"),
  };
  for (const CallResult& result : results) {
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << result.status;
    EXPECT_EQ(result.reason(), "INVALID_REQUEST");
  }
  EXPECT_EQ(pg_.List().size(), 0u);
}

TEST_F(MockPgTest, ScenariosAreSetReadAndReset) {
  ::pg::v1::Scenario scenario;
  scenario.set_fail_percent(30);
  scenario.set_seed(7);
  scenario.set_delay_ms(1);
  scenario.set_refuse_amount_minor(100'000);
  scenario.set_fail_first(2);
  scenario.set_hang_percent(0);
  scenario.set_hang_first(0);
  scenario.set_crash_after(50);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(GetScenario().SerializeAsString(), scenario.SerializeAsString());
  EXPECT_EQ(pg_.Confirm("a").reason(), "CARD_DECLINED");
  EXPECT_EQ(GetScenario().fail_first(), 1);
  EXPECT_TRUE(Eventually([&] { return GetScenario().crash_after() == 49; }));

  ::pg::v1::ResetResponse response;
  ASSERT_TRUE(Invoke(pg_.control(), &::pg::v1::MockControl::Stub::Reset, {}, &response).status.ok());
  EXPECT_EQ(response.transactions_removed(), 1);
  EXPECT_EQ(GetScenario().SerializeAsString(), "");
  EXPECT_TRUE(pg_.Confirm("a").status.ok()) << "the ledger is empty";
}

TEST_F(MockPgTest, ScenariosOutOfRangeChangeNothing) {
  ::pg::v1::Scenario scenario;
  scenario.set_fail_percent(101);
  EXPECT_EQ(SetScenario(scenario).reason(), "INVALID_REQUEST");
  scenario.set_fail_percent(0);
  scenario.set_hang_first(-1);
  EXPECT_EQ(SetScenario(scenario).reason(), "INVALID_REQUEST");
  scenario.set_hang_first(0);
  scenario.set_delay_ms(600'001);
  EXPECT_EQ(SetScenario(scenario).reason(), "INVALID_REQUEST");
  EXPECT_EQ(GetScenario().SerializeAsString(), "");
}

TEST_F(MockPgTest, FailPercentDeclinesTheSameKeysEveryTime) {
  ::pg::v1::Scenario scenario;
  scenario.set_fail_percent(30);
  scenario.set_seed(11);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  int declined = 0;
  for (int i = 0; i < 100; ++i) {
    const CallResult result = pg_.Confirm(Key(i));
    EXPECT_EQ(result.reason(), pg::IsDrawn(11, "fail", Key(i), 30) ? "CARD_DECLINED" : "");
    declined += result.status.ok() ? 0 : 1;
  }
  EXPECT_GT(declined, 10);
  EXPECT_LT(declined, 60);
  ASSERT_TRUE(SetScenario({}).status.ok());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(!pg_.Confirm(Key(i)).status.ok(), pg::IsDrawn(11, "fail", Key(i), 30)) << "a decline is stored";
  }
}

TEST_F(MockPgTest, RefusesAmounts) {
  ::pg::v1::Scenario scenario;
  scenario.set_refuse_amount_minor(100'000);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(pg_.Confirm("a", 100'000).reason(), "AMOUNT_REFUSED");
  EXPECT_TRUE(pg_.Confirm("b", 99'999).status.ok());
}

TEST_F(MockPgTest, DelaysHoldNoThread) {
  ::pg::v1::Scenario scenario;
  scenario.set_delay_ms(300);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  const absl::Time began = absl::Now();
  InParallel(40, [&](int i) { EXPECT_TRUE(pg_.Confirm(Key(i)).status.ok()); });
  const absl::Duration took = absl::Now() - began;
  EXPECT_GE(took, absl::Milliseconds(300));
  EXPECT_LT(took, absl::Seconds(6)) << "one after the other would take 12 s";
}

TEST_F(MockPgTest, ADelayedCallIsDoneThoughItsCallerLeft) {
  ::pg::v1::Scenario scenario;
  scenario.set_delay_ms(200);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(pg_.Confirm("k", 1000, "KRW", absl::Milliseconds(30)).status.code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(SetScenario({}).status.ok());
  EXPECT_EQ(GetErrorInfo(pg_.Get("k").status()).reason, "TRANSACTION_NOT_FOUND");
  EXPECT_TRUE(Eventually([&] { return pg_.Get("k").ok(); }));
}

TEST_F(MockPgTest, AHungCallIsRecordedAndItsRepeatIsAnswered) {
  ::pg::v1::Scenario scenario;
  scenario.set_hang_first(1);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(pg_.Confirm("k", 1000, "KRW", absl::Milliseconds(200)).status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(pg_.Get("k").ok());
  EXPECT_TRUE(pg_.Confirm("k").status.ok());
  EXPECT_TRUE(pg_.Confirm("k2").status.ok());
  scenario.set_hang_first(0);
  scenario.set_hang_percent(100);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(pg_.Confirm("k3", 1000, "KRW", absl::Milliseconds(200)).status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(pg_.Fence("k3").status.ok()) << "a fence does not hang";
  EXPECT_EQ(pg_.List().size(), 3u);
}

TEST_F(MockPgTest, HungAndDelayedCallsDoNotHoldUpAShutdown) {
  ::pg::v1::Scenario scenario;
  scenario.set_hang_first(10);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  std::vector<CallResult> results(20);
  std::vector<std::thread> callers;
  for (int i = 0; i < 10; ++i) {
    callers.emplace_back(
        [&, i] { results[static_cast<std::size_t>(i)] = pg_.Confirm(Key(i), 1, "KRW", absl::Minutes(1)); });
  }
  EXPECT_TRUE(Eventually([&] { return pg_.List().size() == 10; }));
  scenario.set_hang_first(0);
  scenario.set_delay_ms(600'000);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  for (int i = 10; i < 20; ++i) {
    callers.emplace_back(
        [&, i] { results[static_cast<std::size_t>(i)] = pg_.Confirm(Key(i), 1, "KRW", absl::Minutes(1)); });
  }
  const absl::Time began = absl::Now();
  pg_.Stop();
  EXPECT_LT(absl::Now() - began, absl::Seconds(3));
  for (std::thread& caller : callers) caller.join();
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(results[i].reason(), "SHUTTING_DOWN") << results[i].status;
  for (const CallResult& result : results)
    EXPECT_FALSE(result.status.ok());  // a delayed one may be too late for our own answer
}

TEST_F(MockPgTest, CrashesAfterTheNthAnswer) {
  ::pg::v1::Scenario scenario;
  scenario.set_crash_after(2);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  ASSERT_TRUE(pg_.Confirm("a").status.ok());
  ASSERT_TRUE(pg_.Fence("f").status.ok());
  EXPECT_TRUE(Eventually([&] { return GetScenario().crash_after() == 1; })) << "only Confirm and Cancel count";
  EXPECT_EQ(pg_.crashes(), 0);
  EXPECT_TRUE(pg_.Confirm("b").status.ok()) << "the answer comes before the crash";
  EXPECT_TRUE(Eventually([&] { return pg_.crashes() == 1; }));
}

TEST_F(MockPgTest, ScenariosCompose) {
  ::pg::v1::Scenario scenario;
  scenario.set_delay_ms(20);
  scenario.set_refuse_amount_minor(500);
  scenario.set_fail_first(1);
  scenario.set_hang_first(1);
  ASSERT_TRUE(SetScenario(scenario).status.ok());
  EXPECT_EQ(pg_.Confirm("a", 500, "KRW", absl::Milliseconds(300)).status.code(), absl::StatusCode::kDeadlineExceeded)
      << "refused, recorded, hung";
  EXPECT_EQ(pg_.Get("a")->decline_reason(), "AMOUNT_REFUSED");
  EXPECT_EQ(pg_.Confirm("b", 499).reason(), "CARD_DECLINED");
  EXPECT_TRUE(pg_.Confirm("c", 499).status.ok());
}

}  // namespace
}  // namespace unwind
