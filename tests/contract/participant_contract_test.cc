// The participant contract, tested through Participant: what a caller sees and what is in the database afterwards.
#include <string>
#include <thread>
#include <vector>

#include "common/metrics/registry.h"
#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/participant_harness.h"

namespace unwind {
namespace {

using barrier::Phase;
using Reply = Participant::Reply;

std::string TextOf(const Reply& reply) {
  Text text;
  EXPECT_TRUE(reply.status.ok()) << reply.status;
  EXPECT_TRUE(text.ParseFromString(reply.response));
  return text.value();
}

// "CODE REASON", and that there is an ErrorInfo of the right domain.
std::string Error(const Reply& reply) {
  if (reply.status.ok()) return "OK";
  const ErrorInfo info = GetErrorInfo(reply.status);
  EXPECT_EQ(info.domain, kTestDomain) << reply.status;
  EXPECT_EQ(reply.response, "");
  return absl::StatusCodeToString(reply.status.code()) + " " + info.reason;
}

void ExpectSame(const Reply& a, const Reply& b) {
  EXPECT_EQ(a.response, b.response);
  EXPECT_EQ(SerializeStatus(a.status), SerializeStatus(b.status));
  EXPECT_EQ(a.effect_free, b.effect_free);
  EXPECT_EQ(a.pending, b.pending);
}

void ExpectPending(const Reply& reply, const std::string& text) {
  EXPECT_EQ(TextOf(reply), text);
  EXPECT_TRUE(reply.pending);
  EXPECT_EQ(reply.retry_after, absl::Seconds(7));
  EXPECT_FALSE(reply.effect_free);
}

CallSpec Take(const std::string& saga, const std::string& item = "pen") {
  return {.method = kTake, .saga = saga, .request = item};
}
CallSpec PutBack(const std::string& saga, const std::string& item = "pen") {
  return {.method = kPutBack, .saga = saga, .phase = Phase::kCompensation, .request = item, .sticky = false};
}
CallSpec Ship(const std::string& saga, const std::string& item) {
  return {.method = kShip, .saga = saga, .request = item, .sticky = false};
}
CallSpec Pay(const std::string& saga) { return {.method = kPay, .saga = saga}; }
CallSpec ResolvePay(const std::string& saga) { return {.method = kResolvePay, .saga = saga, .phase = Phase::kResolve}; }
CallSpec Collect(const std::string& saga) { return {.method = kCollect, .saga = saga, .accepts_pending = true}; }
CallSpec Uncollect(const std::string& saga) {
  return {.method = kUncollect, .saga = saga, .phase = Phase::kCompensation, .sticky = false, .accepts_pending = true};
}
CallSpec ResolveCollect(const std::string& saga, bool decides) {
  return {
      .method = kResolveCollect, .saga = saga, .phase = Phase::kResolve, .accepts_pending = true, .decides = decides};
}

class ParticipantContractTest : public ::testing::Test {
 protected:
  Reply Call(const CallSpec& spec) { return shop_.Call(spec); }

  ParticipantHarness shop_;
};

// Repeats.

TEST_F(ParticipantContractTest, ARepeatGetsTheSameBytesAndDoesNothing) {
  const Reply first = Call(Take("s1"));
  EXPECT_EQ(TextOf(first), "pen 9 left");
  ExpectSame(Call(Take("s1")), first);
  shop_.Restart();
  ExpectSame(Call(Take("s1")), first);
  EXPECT_EQ(shop_.Effects(), "s1/step take");
}

TEST_F(ParticipantContractTest, RepeatsInOneBatchGetTheirTwinsBytes) {
  const std::vector<Reply> replies = shop_.CallTogether({Take("s1"), Take("s2"), Take("s1"), Take("s1"), Take("s2")});
  EXPECT_EQ(TextOf(replies[0]), "pen 9 left");
  ExpectSame(replies[2], replies[0]);
  ExpectSame(replies[3], replies[0]);
  EXPECT_EQ(TextOf(replies[1]), "pen 8 left");
  ExpectSame(replies[4], replies[1]);
  EXPECT_EQ(shop_.Effects(), "s1/step take, s2/step take");
}

TEST_F(ParticipantContractTest, TheSizesOfBatchesAreCounted) {
  const auto calls = [] {
    double sum = 0;
    for (const auto& family : ProcessRegistry()->Collect()) {
      if (family.name == "participant_batch_calls") sum += family.metric.at(0).histogram.sample_sum;
    }
    return sum;
  };
  const double before = calls();
  shop_.CallTogether({Take("s1"), Take("s2"), Take("s1")});
  EXPECT_EQ(calls(), before + 4);  // and the one that kept the writer busy
}

TEST_F(ParticipantContractTest, RepeatsFromManyThreadsAreOne) {
  constexpr int kThreads = 8, kSagas = 4;
  std::vector<std::vector<Reply>> replies(kThreads);
  std::vector<std::thread> threads;
  for (std::vector<Reply>& mine : replies) {
    threads.emplace_back([this, &mine] {
      for (int i = 0; i < kSagas; ++i) mine.push_back(Call(Take("s" + std::to_string(i))));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Reply>& mine : replies) {
    for (std::size_t i = 0; i < kSagas; ++i) ExpectSame(mine[i], replies[0][i]);
  }
  EXPECT_EQ(shop_.Ask("SELECT count(*) || ' ' || count(DISTINCT saga) FROM effect"), "4 4");
  EXPECT_EQ(shop_.Ask("SELECT units FROM shelf WHERE item = 'pen'"), "6");
}

TEST_F(ParticipantContractTest, StepsAndSagasAreKeysOfTheirOwn) {
  CallSpec other = Take("s1");
  other.step = "other";
  EXPECT_EQ(TextOf(Call(Take("s1"))), "pen 9 left");
  EXPECT_EQ(TextOf(Call(other)), "pen 8 left");
}

TEST_F(ParticipantContractTest, RepliesOfAnyBytesAreKept) {
  const std::string nasty("a\0:b'\"\xc3\xa9", 8);
  const Reply first = Call(Take("s1", nasty));
  EXPECT_EQ(Error(first), "FAILED_PRECONDITION SHELF_EMPTY");
  EXPECT_EQ(GetErrorInfo(first.status).metadata.at("item"), nasty);
  ExpectSame(Call(Take("s1", nasty)), first);
}

// The same key with another request.

TEST_F(ParticipantContractTest, AnotherRequestUnderTheSameKeyIsRefused) {
  Call(Take("s1"));
  const Reply reused = Call(Take("s1", "last"));
  EXPECT_EQ(Error(reused), "INVALID_ARGUMENT KEY_REUSED");
  EXPECT_FALSE(reused.effect_free);
  EXPECT_EQ(shop_.Effects(), "s1/step take");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
}

TEST_F(ParticipantContractTest, AnotherRequestUnderTheSameKeyIsRefusedInOneBatchToo) {
  const std::vector<Reply> replies = shop_.CallTogether({Take("s1"), Take("s1", "last"), Take("s1")});
  EXPECT_EQ(TextOf(replies[0]), "pen 9 left");
  EXPECT_EQ(Error(replies[1]), "INVALID_ARGUMENT KEY_REUSED");
  ExpectSame(replies[2], replies[0]);
  EXPECT_EQ(shop_.Effects(), "s1/step take");
}

TEST_F(ParticipantContractTest, AnotherRequestAfterARefusalOrForAResolveOrCompensationIsRefused) {
  Call(Take("s1", "none"));
  EXPECT_EQ(Error(Call(Take("s1", "pen"))), "INVALID_ARGUMENT KEY_REUSED");
  Call(Pay("s2"));
  CallSpec resolve = ResolvePay("s2");
  resolve.request = "other";
  EXPECT_EQ(Error(Call(resolve)), "INVALID_ARGUMENT KEY_REUSED");
  Call(Take("s3"));
  Call(PutBack("s3"));
  EXPECT_EQ(Error(Call(PutBack("s3", "last"))), "INVALID_ARGUMENT KEY_REUSED");
  EXPECT_EQ(shop_.Effects(), "s2/step pay, s3/step take, s3/step put back");
}

// Refusals.

TEST_F(ParticipantContractTest, AStickyRefusalIsKeptAndSaysThatItIsFreeOfEffects) {
  const Reply refused = Call(Take("s1", "none"));
  EXPECT_EQ(Error(refused), "FAILED_PRECONDITION SHELF_EMPTY");
  EXPECT_TRUE(refused.effect_free);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=2");
  for (int i = 0; i < 20; ++i) ExpectSame(Call(Take("s1", "none")), refused);
  EXPECT_EQ(shop_.domain->executed, 1);
}

TEST_F(ParticipantContractTest, ARefusedRetriableStepMaySucceedLater) {
  Call(Take("s1", "last"));
  const Reply refused = Call(Ship("s2", "last"));
  EXPECT_EQ(Error(refused), "FAILED_PRECONDITION SHELF_EMPTY");
  EXPECT_FALSE(refused.effect_free);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
  Call(PutBack("s1", "last"));
  EXPECT_EQ(TextOf(Call(Ship("s2", "last"))), "last 0 left");
  EXPECT_EQ(TextOf(Call(Ship("s2", "last"))), "last 0 left");
  EXPECT_EQ(shop_.Effects(), "s1/step take, s1/step put back, s2/step ship");
}

TEST_F(ParticipantContractTest, ARefusedCompensationIsNotKept) {
  Call(Take("s1", "stuck"));
  for (int i = 0; i < 2; ++i) {
    const Reply refused = Call(PutBack("s1", "stuck"));
    EXPECT_EQ(Error(refused), "FAILED_PRECONDITION STUCK");
    EXPECT_FALSE(refused.effect_free);
  }
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
}

// Compensations.

TEST_F(ParticipantContractTest, ACompensationUndoesOnce) {
  Call(Take("s1"));
  const Reply undone = Call(PutBack("s1"));
  EXPECT_TRUE(undone.status.ok());
  ExpectSame(Call(PutBack("s1")), undone);
  EXPECT_EQ(shop_.Effects(), "s1/step take, s1/step put back");
}

TEST_F(ParticipantContractTest, ACompensationThatCameFirstFencesTheAction) {
  const Reply nothing = Call(PutBack("s1"));
  EXPECT_TRUE(nothing.status.ok());
  EXPECT_EQ(nothing.response, "");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 2=1");
  const Reply fenced = Call(Take("s1"));
  EXPECT_EQ(Error(fenced), "ABORTED FENCED");
  EXPECT_FALSE(fenced.effect_free);
  shop_.Restart();
  EXPECT_EQ(Error(Call(Take("s1"))), "ABORTED FENCED");
  EXPECT_TRUE(Call(PutBack("s1")).status.ok());
  EXPECT_EQ(shop_.Effects(), "");
}

TEST_F(ParticipantContractTest, ACompensationAndItsActionInOneBatchKeepTheirOrder) {
  std::vector<Reply> replies = shop_.CallTogether({PutBack("s1"), Take("s1"), Take("s2"), PutBack("s2")});
  EXPECT_TRUE(replies[0].status.ok());
  EXPECT_EQ(Error(replies[1]), "ABORTED FENCED");
  EXPECT_EQ(TextOf(replies[2]), "pen 9 left");
  EXPECT_TRUE(replies[3].status.ok());
  EXPECT_EQ(shop_.Effects(), "s2/step take, s2/step put back");
}

TEST_F(ParticipantContractTest, ACompensationOfARefusedActionIsNothing) {
  Call(Take("s1", "none"));
  EXPECT_TRUE(Call(PutBack("s1", "none")).status.ok());
  EXPECT_TRUE(Call(PutBack("s1", "none")).status.ok());
  EXPECT_EQ(Error(Call(Take("s1", "none"))), "FAILED_PRECONDITION SHELF_EMPTY");
  EXPECT_EQ(shop_.Effects(), "");
}

// Resolves.

TEST_F(ParticipantContractTest, AResolveOfWhatNeverCameKeepsItOut) {
  const Reply never = Call(ResolvePay("s1"));
  EXPECT_EQ(Error(never), "FAILED_PRECONDITION NEVER_HAPPENED");
  EXPECT_EQ(GetErrorInfo(never.status).metadata.at("cause"), "NEVER_RECEIVED");
  EXPECT_TRUE(never.effect_free);
  EXPECT_EQ(Error(Call(Pay("s1"))), "ABORTED FENCED");
  ExpectSame(Call(ResolvePay("s1")), never);
  EXPECT_EQ(shop_.bank.asked(), 0);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 3=2");
}

TEST_F(ParticipantContractTest, TheCauseOfANeverIsTheServicesOwn) {
  ParticipantHarness till({.domain = "", .never_cause = "PAYMENT_TIMEOUT"});
  EXPECT_EQ(GetErrorInfo(till.Call(ResolvePay("s1")).status).metadata.at("cause"), "PAYMENT_TIMEOUT");
}

TEST_F(ParticipantContractTest, AResolveOfWhatHappenedAnswersItsReply) {
  const Reply paid = Call(Pay("s1"));
  EXPECT_EQ(TextOf(paid), "paid s1");
  ExpectSame(Call(ResolvePay("s1")), paid);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
  EXPECT_EQ(shop_.bank.asked(), 1);
}

TEST_F(ParticipantContractTest, AResolveOfARefusedActionNamesItsReason) {
  Call({.method = kTake, .saga = "s1", .request = "none"});
  CallSpec resolve = ResolvePay("s1");
  resolve.request = "none";
  const Reply never = Call(resolve);
  EXPECT_EQ(Error(never), "FAILED_PRECONDITION NEVER_HAPPENED");
  EXPECT_EQ(GetErrorInfo(never.status).metadata.at("cause"), "SHELF_EMPTY");
  EXPECT_EQ(never.status.message(), "no");  // in the refusal's own words: the saga's caller reads them
  ExpectSame(Call(resolve), never);
  EXPECT_EQ(Error(Call(Take("s1", "none"))), "FAILED_PRECONDITION SHELF_EMPTY");
}

TEST_F(ParticipantContractTest, AResolveOfAFencedActionIsANever) {
  Call(PutBack("s1"));
  EXPECT_EQ(Error(Call(ResolvePay("s1"))), "FAILED_PRECONDITION NEVER_HAPPENED");
}

// A step that takes two transactions.

TEST_F(ParticipantContractTest, AStepOfTwoTransactionsIsPendingBetweenThem) {
  shop_.bank.Hold();
  std::future<Reply> reply = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
  EXPECT_EQ(TextOf(Call(Take("s2"))), "pen 9 left");  // nobody waits for it
  shop_.bank.Release();
  const Reply paid = ParticipantHarness::Await(std::move(reply));
  EXPECT_EQ(TextOf(paid), "paid s1");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1, s2/step 1=1");
  ExpectSame(Call(Pay("s1")), paid);
  EXPECT_EQ(shop_.bank.asked(), 1);
}

TEST_F(ParticipantContractTest, ARepeatOfAPendingStepAsksAgainAndBothGetOneAnswer) {
  shop_.bank.Hold();
  std::future<Reply> first = shop_.Send(Pay("s1"));
  std::future<Reply> second = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(2), 2u);
  EXPECT_EQ(Error(Call({.method = kPay, .saga = "s1", .request = "other"})), "INVALID_ARGUMENT KEY_REUSED");
  shop_.bank.Release();
  const Reply paid = ParticipantHarness::Await(std::move(first));
  EXPECT_EQ(TextOf(paid), "paid s1");
  ExpectSame(ParticipantHarness::Await(std::move(second)), paid);
  EXPECT_EQ(shop_.bank.paid(), 1);
  EXPECT_EQ(shop_.Effects(), "s1/step pay");
}

TEST_F(ParticipantContractTest, AnUnknownAnswerLeavesAStepPending) {
  shop_.bank.SetUnknown(true);
  for (const CallSpec& call : {Pay("s1"), Pay("s1"), ResolvePay("s1")}) {
    const Reply unknown = Call(call);
    EXPECT_EQ(Error(unknown), "UNAVAILABLE BANK_SILENT");
    EXPECT_FALSE(unknown.effect_free);
    EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
  }
  shop_.bank.SetUnknown(false);
  EXPECT_EQ(TextOf(Call(Pay("s1"))), "paid s1");
}

TEST_F(ParticipantContractTest, APendingStepThatIsRefusedStaysRefused) {
  shop_.bank.Fence("s1", [](Bank::Word) {});
  const Reply refused = Call(Pay("s1"));
  EXPECT_EQ(Error(refused), "FAILED_PRECONDITION PAYMENT_FAILED");
  EXPECT_TRUE(refused.effect_free);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=2");
  ExpectSame(Call(Pay("s1")), refused);
  EXPECT_EQ(GetErrorInfo(Call(ResolvePay("s1")).status).metadata.at("cause"), "PAYMENT_FAILED");
}

TEST_F(ParticipantContractTest, AResolveThatSaysNeverFencesThePendingStep) {
  shop_.bank.Hold();
  std::future<Reply> pay = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  std::future<Reply> resolve = shop_.Send(ResolvePay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(2), 2u);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
  shop_.bank.Release(/*newest_first=*/true);
  const Reply never = ParticipantHarness::Await(std::move(resolve));
  EXPECT_EQ(Error(never), "FAILED_PRECONDITION NEVER_HAPPENED");
  EXPECT_EQ(GetErrorInfo(never.status).metadata.at("cause"), "PAYMENT_TIMEOUT");
  EXPECT_TRUE(never.effect_free);
  EXPECT_EQ(Error(ParticipantHarness::Await(std::move(pay))), "ABORTED FENCED");
  EXPECT_EQ(Error(Call(Pay("s1"))), "ABORTED FENCED");
  ExpectSame(Call(ResolvePay("s1")), never);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 3=2");
  EXPECT_EQ(shop_.Effects(), "");
}

TEST_F(ParticipantContractTest, AResolveThatFindsThePaymentSettlesThePendingStep) {
  shop_.bank.Pay("s1", [](Bank::Word) {});  // an earlier question, whose answer was lost
  shop_.bank.Hold();
  std::future<Reply> pay = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  std::future<Reply> resolve = shop_.Send(ResolvePay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(2), 2u);
  shop_.bank.Release(/*newest_first=*/true);
  const Reply paid = ParticipantHarness::Await(std::move(resolve));
  EXPECT_EQ(TextOf(paid), "paid s1");
  ExpectSame(ParticipantHarness::Await(std::move(pay)), paid);
  ExpectSame(Call(ResolvePay("s1")), paid);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
  EXPECT_EQ(shop_.Effects(), "s1/step pay");
}

TEST_F(ParticipantContractTest, AStepThatEndsBeforeItsResolveGivesItTheAnswer) {
  shop_.bank.Hold();
  std::future<Reply> pay = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  std::future<Reply> resolve = shop_.Send(ResolvePay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(2), 2u);
  shop_.bank.Release();
  const Reply paid = ParticipantHarness::Await(std::move(pay));
  EXPECT_EQ(TextOf(paid), "paid s1");
  ExpectSame(ParticipantHarness::Await(std::move(resolve)), paid);
  EXPECT_EQ(shop_.Effects(), "s1/step pay");
}

TEST_F(ParticipantContractTest, ACompensationOfAPendingStepFencesItsSecondHalf) {
  shop_.bank.Hold();
  std::future<Reply> pay = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  const CallSpec unpay = {.method = kUnpay, .saga = "s1", .phase = Phase::kCompensation, .sticky = false};
  EXPECT_EQ(TextOf(Call(unpay)), "unpaid");
  shop_.bank.Release();
  EXPECT_EQ(Error(ParticipantHarness::Await(std::move(pay))), "ABORTED FENCED");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 2=1");
  EXPECT_EQ(shop_.Effects(), "s1/step unpay");
}

TEST_F(ParticipantContractTest, APendingStepSurvivesItsProcess) {
  shop_.bank.Hold();
  std::future<Reply> lost = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  shop_.Restart();
  std::future<Reply> again = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(2), 2u);
  shop_.bank.Release();
  EXPECT_EQ(Error(ParticipantHarness::Await(std::move(lost))), "UNAVAILABLE STORE_UNAVAILABLE");
  EXPECT_EQ(TextOf(ParticipantHarness::Await(std::move(again))), "paid s1");
  EXPECT_EQ(shop_.bank.paid(), 1);
  EXPECT_EQ(shop_.Effects(), "s1/step pay");
}

TEST_F(ParticipantContractTest, WhatComesAfterStopIsUnavailable) {
  shop_.bank.Hold();
  std::future<Reply> pay = shop_.Send(Pay("s1"));
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  shop_.participant().Stop();
  EXPECT_EQ(Error(Call(Take("s2"))), "UNAVAILABLE STORE_UNAVAILABLE");
  shop_.bank.Release();
  EXPECT_EQ(Error(ParticipantHarness::Await(std::move(pay))), "UNAVAILABLE STORE_UNAVAILABLE");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
}

// A step that is accepted and finished later.

TEST_F(ParticipantContractTest, APendingActionIsExecutedAgainUntilItIsFinished) {
  for (int i = 0; i < 3; ++i) {
    ExpectPending(Call(Collect("s1")), "pay s1 here");
    EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
    shop_.Restart();
  }
  shop_.Do("UPDATE bill SET state = 'paid'");
  const Reply collected = Call(Collect("s1"));
  EXPECT_EQ(TextOf(collected), "collected");
  EXPECT_FALSE(collected.pending);
  ExpectSame(Call(Collect("s1")), collected);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
  EXPECT_EQ(shop_.Effects(), "s1/step collect");
}

TEST_F(ParticipantContractTest, AnotherRequestUnderAPendingKeyIsRefused) {
  Call(Collect("s1"));
  CallSpec other = Collect("s1");
  other.request = "other";
  EXPECT_EQ(Error(Call(other)), "INVALID_ARGUMENT KEY_REUSED");
  CallSpec resolve = ResolveCollect("s1", /*decides=*/true);
  resolve.request = "other";
  EXPECT_EQ(Error(Call(resolve)), "INVALID_ARGUMENT KEY_REUSED");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
}

// Such as an orchestrator of before, or a person: OK would be read as done.
TEST_F(ParticipantContractTest, WhoDoesNotAcceptAPendingAnswerIsToldToAskAgain) {
  CallSpec collect = Collect("s1"), resolve = ResolveCollect("s1", false), undo = Uncollect("s1");
  for (CallSpec* call : {&collect, &resolve, &undo}) {
    call->accepts_pending = false;
    const Reply reply = Call(*call);
    EXPECT_EQ(Error(reply), "UNAVAILABLE PENDING");
    EXPECT_TRUE(reply.status.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
    EXPECT_FALSE(reply.pending);
    EXPECT_FALSE(reply.effect_free);
  }
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=5");
}

TEST_F(ParticipantContractTest, APendingActionThatIsRefusedStaysRefused) {
  Call(Collect("s1"));
  shop_.Do("UPDATE bill SET state = 'declined'");
  const Reply refused = Call(Collect("s1"));
  EXPECT_EQ(Error(refused), "FAILED_PRECONDITION DECLINED");
  EXPECT_TRUE(refused.effect_free);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=2");
  ExpectSame(Call(Collect("s1")), refused);
}

// Were its action's row a tombstone, the next call would find nothing to undo while the money is still out.
TEST_F(ParticipantContractTest, ACompensationOfAPendingActionFencesItAndMayBePendingItself) {
  Call(Collect("s1"));
  shop_.Do("UPDATE bill SET state = 'paid'");
  for (int i = 0; i < 2; ++i) {
    ExpectPending(Call(Uncollect("s1")), "pay s1 here");
    EXPECT_EQ(shop_.Barriers(), "s1/step 1=5");
    EXPECT_EQ(Error(Call(Collect("s1"))), "ABORTED FENCED");
    shop_.Restart();
  }
  shop_.Do("UPDATE bill SET state = 'returned'");
  const Reply undone = Call(Uncollect("s1"));
  EXPECT_EQ(TextOf(undone), "uncollected");
  ExpectSame(Call(Uncollect("s1")), undone);
  EXPECT_EQ(Error(Call(Collect("s1"))), "ABORTED FENCED");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 2=1");
  EXPECT_EQ(shop_.Effects(), "s1/step uncollect");
}

TEST_F(ParticipantContractTest, ACompensationFencesAPendingActionWhateverItAnswers) {
  for (const char* state : {"silent", "stuck"}) {
    Call(Collect(state));
    shop_.Do("UPDATE bill SET state = saga WHERE state = 'open'");
    EXPECT_FALSE(Call(Uncollect(state)).status.ok());
    EXPECT_EQ(Error(Call(Collect(state))), "ABORTED FENCED");
  }
  EXPECT_EQ(shop_.Barriers(), "silent/step 1=5, stuck/step 1=5");
  EXPECT_EQ(shop_.Effects(), "");
}

TEST_F(ParticipantContractTest, ACompensationOfAFinishedActionMayBePending) {
  Call(Collect("s1"));
  shop_.Do("UPDATE bill SET state = 'paid'");
  Call(Collect("s1"));
  ExpectPending(Call(Uncollect("s1")), "pay s1 here");
  EXPECT_EQ(TextOf(Call(Collect("s1"))), "collected") << "its own answer";
  shop_.Do("UPDATE bill SET state = 'returned'");
  EXPECT_EQ(TextOf(Call(Uncollect("s1"))), "uncollected");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1, s1/step 2=1");
  EXPECT_EQ(shop_.Effects(), "s1/step collect, s1/step uncollect");
}

TEST_F(ParticipantContractTest, AResolveThatDoesNotDecideMayBePendingAndFencesNothing) {
  Call(Collect("s1"));
  ExpectPending(Call(ResolveCollect("s1", /*decides=*/false)), "pay s1 here");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=4");
  ExpectPending(Call(Collect("s1")), "pay s1 here");
  shop_.Do("UPDATE bill SET state = 'paid'");
  const Reply collected = Call(ResolveCollect("s1", /*decides=*/false));
  EXPECT_EQ(TextOf(collected), "collected");
  ExpectSame(Call(Collect("s1")), collected);
  EXPECT_EQ(shop_.Effects(), "s1/step collect");
}

TEST_F(ParticipantContractTest, AResolveThatDecidesEndsTheWait) {
  Call(Collect("s1"));
  const Reply never = Call(ResolveCollect("s1", /*decides=*/true));
  EXPECT_EQ(Error(never), "FAILED_PRECONDITION NEVER_HAPPENED");
  EXPECT_EQ(GetErrorInfo(never.status).metadata.at("cause"), "PAYMENT_EXPIRED");
  shop_.Do("UPDATE bill SET state = 'paid'");
  EXPECT_EQ(Error(Call(Collect("s1"))), "ABORTED FENCED");
  ExpectSame(Call(ResolveCollect("s1", /*decides=*/true)), never);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=3, s1/step 3=2");
  EXPECT_EQ(shop_.Effects(), "");
}

TEST_F(ParticipantContractTest, AResolveThatDecidesFencesTheActionEvenIfSettlingTakesTime) {
  Call(Collect("s1"));
  shop_.Do("UPDATE bill SET state = 'slow'");
  ExpectPending(Call(ResolveCollect("s1", /*decides=*/true)), "pay s1 here");
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=5");
  shop_.Do("UPDATE bill SET state = 'paid'");
  EXPECT_EQ(Error(Call(Collect("s1"))), "ABORTED FENCED");
  const Reply collected = Call(ResolveCollect("s1", /*decides=*/true));
  EXPECT_EQ(TextOf(collected), "collected");
  ExpectSame(Call(ResolveCollect("s1", /*decides=*/true)), collected);
  ExpectSame(Call(Collect("s1")), collected);
  EXPECT_EQ(shop_.Barriers(), "s1/step 1=1");
  EXPECT_EQ(shop_.Effects(), "s1/step collect");
}

TEST_F(ParticipantContractTest, APendingRetriableStepMayBeRefusedAndSucceedLater) {
  CallSpec collect = Collect("s1");
  collect.sticky = false;
  ExpectPending(Call(collect), "pay s1 here");
  shop_.Do("UPDATE bill SET state = 'declined'");
  EXPECT_FALSE(Call(collect).effect_free);
  shop_.Do("UPDATE bill SET state = 'paid'");
  EXPECT_EQ(TextOf(Call(collect)), "collected");
}

// Limits.

TEST_F(ParticipantContractTest, AnActionWhoseRowIsThereIsNeverTooOld) {
  CallSpec collect = Collect("s1"), take = Take("s2"), again = Take("s2", "last"), fenced = Take("s3");
  for (CallSpec* call : {&collect, &take, &again, &fenced}) call->issued_at = shop_.clock.Now();
  Call(collect);
  const Reply taken = Call(take);
  Call(PutBack("s3"));
  shop_.clock.Advance(absl::Hours(24 * 20));
  ExpectPending(Call(collect), "pay s1 here");
  ExpectSame(Call(take), taken);
  EXPECT_EQ(Error(Call(again)), "INVALID_ARGUMENT KEY_REUSED");
  EXPECT_EQ(Error(Call(fenced)), "ABORTED FENCED");
}

TEST_F(ParticipantContractTest, AnActionIssuedTooLongAgoIsFenced) {
  CallSpec late = Take("s1");
  late.issued_at = shop_.clock.Now() - absl::Minutes(15) - absl::Seconds(1);
  const Reply fenced = Call(late);
  EXPECT_EQ(Error(fenced), "ABORTED FENCED");
  EXPECT_FALSE(fenced.effect_free);
  EXPECT_EQ(shop_.Barriers(), "");
  late.issued_at = shop_.clock.Now() - absl::Minutes(15);
  EXPECT_EQ(TextOf(Call(late)), "pen 9 left");
  CallSpec undo = PutBack("s1");
  undo.issued_at = shop_.clock.Now() - absl::Hours(1);
  EXPECT_TRUE(Call(undo).status.ok());
}

// How many actions this process has refused as too old.
double TooOld() {
  for (const auto& family : ProcessRegistry()->Collect()) {
    if (family.name == "participant_too_old_total") return family.metric.at(0).counter.value;
  }
  return -1;
}

TEST_F(ParticipantContractTest, AClockThatIsOffIsCountedAndLoggedOnceForManyCalls) {
  const double before = TooOld();
  CallSpec late = Take("s1");
  late.issued_at = shop_.clock.Now() - absl::Hours(2);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Error(Call(late)), "ABORTED FENCED");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::AllOf(testing::HasSubstr("\"calls\":\"1\""), testing::HasSubstr("\"age\":\"2h\"")));
  shop_.clock.Advance(absl::Seconds(10));
  late.issued_at = shop_.clock.Now() - absl::Hours(2);
  testing::internal::CaptureStderr();
  Call(late);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::AllOf(testing::HasSubstr("\"calls\":\"3\""), testing::HasSubstr("\"age\":\"2h\"")));
  EXPECT_EQ(TooOld(), before + 4);

  shop_.clock.Advance(absl::Seconds(10));
  CallSpec early = Take("s2");
  early.issued_at = shop_.clock.Now() + absl::Hours(2);
  testing::internal::CaptureStderr();
  EXPECT_EQ(TextOf(Call(early)), "pen 9 left");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("calls came from the future"));
  EXPECT_EQ(TooOld(), before + 4);
}

TEST_F(ParticipantContractTest, AProbeSaysWhetherTheStoreTakesWrites) {
  const auto probe = [this] {
    std::promise<absl::Status> ended;
    shop_.participant().Probe([&ended](absl::Status status) { ended.set_value(std::move(status)); });
    return ended.get_future().get();
  };
  EXPECT_EQ(probe(), absl::OkStatus());
  const int writes = shop_.faults->writes();
  EXPECT_EQ(probe(), absl::OkStatus());
  EXPECT_EQ(shop_.faults->writes(), writes + 1);
  shop_.faults->FailNextWrite();
  EXPECT_EQ(probe().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(probe(), absl::OkStatus());
  shop_.participant().Stop();
  EXPECT_EQ(probe().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ParticipantContractTest, ASlowFarSideDoesNotMakeAStepTooOld) {
  shop_.bank.Hold();
  CallSpec pay = Pay("s1");
  pay.issued_at = shop_.clock.Now();
  std::future<Reply> reply = shop_.Send(pay);
  ASSERT_EQ(shop_.bank.AwaitHeld(1), 1u);
  shop_.clock.Advance(absl::Hours(1));
  shop_.bank.Release();
  EXPECT_EQ(TextOf(ParticipantHarness::Await(std::move(reply))), "paid s1");
}

TEST(ParticipantLimitsTest, MoreCallsThanMayWaitAreOverload) {
  ParticipantHarness shop({.domain = "", .queue_max = 3});
  shop.bank.Hold();
  std::future<Reply> pay = shop.Send(Pay("s1"));  // waits for the bank, and counts
  ASSERT_EQ(shop.bank.AwaitHeld(1), 1u);
  shop.faults->Close();
  std::future<Reply> first = shop.Send(Take("s2"));
  shop.faults->AwaitWrite();
  std::future<Reply> second = shop.Send(Take("s3"));
  const Reply refused = shop.Call(Take("s4"));
  EXPECT_EQ(Error(refused), "RESOURCE_EXHAUSTED OVERLOADED");
  EXPECT_TRUE(refused.status.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  EXPECT_FALSE(refused.effect_free);
  shop.faults->Open();
  EXPECT_TRUE(ParticipantHarness::Await(std::move(first)).status.ok());
  EXPECT_TRUE(ParticipantHarness::Await(std::move(second)).status.ok());
  shop.bank.Release();
  EXPECT_TRUE(ParticipantHarness::Await(std::move(pay)).status.ok());
  EXPECT_EQ(TextOf(shop.Call(Take("s4"))), "pen 7 left");
}

TEST(ParticipantLimitsTest, ABatchHasALimit) {
  ParticipantHarness shop({.domain = "", .batch_max = 4});
  std::vector<CallSpec> specs;
  for (int i = 0; i < 9; ++i) specs.push_back(Take("s" + std::to_string(i)));
  const int writes = shop.faults->writes();
  shop.CallTogether(specs);
  shop.Stop();
  EXPECT_EQ(shop.faults->writes() - writes, 1 + 3);
}

TEST_F(ParticipantContractTest, OldRowsArePurgedButNeverPendingOnes) {
  shop_.bank.SetUnknown(true);
  Call(Pay("pending"));
  Call(Collect("settling"));
  Call(Uncollect("settling"));
  Call(Take("old"));
  shop_.clock.Advance(absl::Hours(24 * 15));
  Call(Take("young"));
  shop_.clock.Advance(absl::Hours(24 * 16));
  Call(Take("now"));
  shop_.participant().Stop();
  EXPECT_EQ(shop_.Barriers(), "now/step 1=1, pending/step 1=4, settling/step 1=5, young/step 1=1");
}

TEST_F(ParticipantContractTest, RowsAreKeptWhileTheirSagaMayCall) {
  CallSpec patient = Take("patient");
  patient.expires_at = shop_.clock.Now() + absl::Hours(24 * 45);
  CallSpec endless = Take("endless");
  endless.expires_at = shop_.clock.Now() + absl::Hours(24 * 100000);
  Call(patient);
  Call(endless);
  Call(Take("s1"));
  shop_.clock.Advance(absl::Hours(24 * 45));  // and for as long as a call of before is not too old
  Call(Take("s2"));
  shop_.Restart();
  EXPECT_EQ(shop_.Barriers(), "endless/step 1=1, patient/step 1=1, s2/step 1=1");
  shop_.clock.Advance(absl::Minutes(16));
  Call(Take("s3"));
  shop_.Restart();
  EXPECT_EQ(shop_.Barriers(), "endless/step 1=1, s2/step 1=1, s3/step 1=1");
  shop_.clock.Advance(absl::Hours(24 * 400));
  Call(Take("s4"));
  shop_.Restart();
  EXPECT_EQ(shop_.Barriers(), "s4/step 1=1");
}

// The row that would tell may be purged: to say that nothing happened would leave its effect, to act would make two.
TEST_F(ParticipantContractTest, WhatIsForgottenIsNeitherUndoneNorDoneAgain) {
  const absl::Time expires_at = shop_.clock.Now() + absl::Hours(24 * 25);
  const auto of_saga = [&](CallSpec spec) {
    spec.expires_at = expires_at;
    spec.issued_at = shop_.clock.Now();
    return spec;
  };
  EXPECT_TRUE(Call(of_saga(Take("s1"))).status.ok());
  EXPECT_TRUE(Call(of_saga(Pay("s2"))).status.ok());
  EXPECT_TRUE(Call(of_saga(Ship("s3", "pen"))).status.ok());
  const std::string effects = shop_.Effects();
  shop_.clock.Advance(absl::Hours(24 * 31));
  Call(Take("other", "none"));
  shop_.Restart();
  EXPECT_EQ(shop_.Barriers(), "other/step 1=2") << "the others are purged";

  for (const CallSpec& spec : {PutBack("s1"), ResolvePay("s2"), Ship("s3", "pen")}) {
    const Reply reply = Call(of_saga(spec));
    EXPECT_EQ(Error(reply), "UNAVAILABLE KEYS_FORGOTTEN") << spec.saga;
    EXPECT_FALSE(reply.effect_free);
  }
  EXPECT_EQ(shop_.Effects(), effects);
  EXPECT_EQ(shop_.Barriers(), "other/step 1=2") << "nor is anything stored";
}

TEST_F(ParticipantContractTest, RowsTellForAsLongAsACallMayBeOnItsWay) {
  CallSpec take = Take("s1"), undo = PutBack("s1"), nothing = PutBack("s2"), late = PutBack("s3");
  take.expires_at = undo.expires_at = nothing.expires_at = late.expires_at = shop_.clock.Now() + absl::Hours(24 * 40);
  EXPECT_TRUE(Call(take).status.ok());
  shop_.clock.Advance(absl::Hours(24 * 40) + absl::Minutes(15));
  undo.issued_at = nothing.issued_at = take.expires_at;
  late.issued_at = take.expires_at + absl::Milliseconds(1);
  EXPECT_TRUE(Call(undo).status.ok());
  EXPECT_TRUE(Call(nothing).status.ok());
  EXPECT_EQ(Error(Call(late)), "UNAVAILABLE KEYS_FORGOTTEN") << "this machine's clock may have been set back";
  EXPECT_EQ(shop_.Effects(), "s1/step take, s1/step put back");
  shop_.clock.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(Call(undo).status.ok()) << "its row is there still";
  nothing.saga = "s4";
  EXPECT_EQ(Error(Call(nothing)), "UNAVAILABLE KEYS_FORGOTTEN");
}

// As by hand, or of a caller that does not say when it ends.
TEST_F(ParticipantContractTest, ACallWithoutAnEndIsDecidedByWhatIsThere) {
  CallSpec undo = PutBack("s1");
  undo.issued_at = shop_.clock.Now();
  EXPECT_TRUE(Call(undo).status.ok());
  EXPECT_EQ(Error(Call(Take("s1"))), "ABORTED FENCED");
}

TEST(ParticipantLimitsTest, OnlyACallersOwnTimeIsCutShort) {
  ParticipantHarness shop({.domain = "", .row_age_max = absl::Hours(24 * 500)});
  CallSpec endless = Take("endless");
  endless.expires_at = shop.clock.Now() + absl::Hours(24 * 100000);
  shop.Call(endless);
  shop.clock.Advance(absl::Hours(24 * 500));
  shop.Call(Take("now"));
  shop.Restart();
  EXPECT_EQ(shop.Barriers(), "endless/step 1=1, now/step 1=1");
  shop.clock.Advance(absl::Minutes(2));
  shop.Call(Take("later"));
  shop.Restart();
  EXPECT_EQ(shop.Barriers(), "later/step 1=1, now/step 1=1");
}

// Whose a key is.

TEST_F(ParticipantContractTest, TheKeysOfTwoCallersAreTwo) {
  CallSpec mina = Take("k1"), juno = Take("k1");
  mina.key_scope = "mina";
  juno.key_scope = "juno";
  EXPECT_EQ(TextOf(Call(mina)), "pen 9 left");
  EXPECT_EQ(TextOf(Call(juno)), "pen 8 left");
  EXPECT_EQ(TextOf(Call(mina)), "pen 9 left");
  CallSpec undo = PutBack("k1");
  undo.key_scope = "juno";
  EXPECT_TRUE(Call(undo).status.ok());
  EXPECT_EQ(shop_.Ask("SELECT units FROM shelf WHERE item = 'pen'"), "9");
  EXPECT_EQ(Error(Call({.method = kTake, .saga = "k1", .request = "last", .key_scope = "mina"})),
            "INVALID_ARGUMENT KEY_REUSED");
  CallKey mine, his;
  mine.key_scope = "mina";
  his.key_scope = "juno";
  EXPECT_NE(OwnerOf(mine), OwnerOf(his));
}

// As when callers begin to prove who they are.
TEST_F(ParticipantContractTest, AKeyFromBeforeCallersWereToldApartIsStillTheSame) {
  const Reply first = Call(Take("k1"));
  CallSpec mina = Take("k1");
  mina.key_scope = "mina";
  ExpectSame(Call(mina), first);
  EXPECT_EQ(Error(Call({.method = kTake, .saga = "k1", .request = "last", .key_scope = "mina"})),
            "INVALID_ARGUMENT KEY_REUSED");
  CallSpec undo = PutBack("k1");
  undo.key_scope = "mina";
  EXPECT_TRUE(Call(undo).status.ok());
  EXPECT_EQ(shop_.Effects(), "k1/step take, k1/step put back");
  EXPECT_EQ(shop_.Ask("SELECT count(*) FROM saga_barrier WHERE key_scope <> ''"), "0");
}

// Trouble.

TEST_F(ParticipantContractTest, ACallThatPoisonsItsBatchFailsAlone) {
  for (const int poison : {kPoisonSql, kPoisonStatus}) {
    const std::string id = std::to_string(poison);
    const std::vector<Reply> replies = shop_.CallTogether(
        {Take("a" + id), {.method = poison, .saga = "p" + id}, Take("b" + id), Take("c" + id, "none")});
    EXPECT_TRUE(replies[0].status.ok());
    EXPECT_EQ(Error(replies[1]), "INTERNAL STORE_FAILED");
    EXPECT_FALSE(replies[1].effect_free);
    EXPECT_TRUE(replies[2].status.ok());
    EXPECT_EQ(Error(replies[3]), "FAILED_PRECONDITION SHELF_EMPTY");
  }
  EXPECT_EQ(shop_.Ask("SELECT units FROM shelf WHERE item = 'pen'"), "6");
  EXPECT_EQ(shop_.Ask("SELECT count(*) FROM saga_barrier WHERE saga_id LIKE 'p%'"), "0");
}

TEST_F(ParticipantContractTest, ADatabaseThatIsUnavailableIsNotAskedOnceForEachCall) {
  shop_.faults->Close();
  std::future<Reply> plug = shop_.Send(Take("s0"));
  shop_.faults->AwaitWrite();
  std::vector<std::future<Reply>> replies;
  for (int i = 1; i <= 3; ++i) replies.push_back(shop_.Send(Take("s" + std::to_string(i))));
  shop_.faults->DieBefore(4);  // the batch of s0 has four statements
  shop_.faults->Open();
  for (std::future<Reply>& reply : replies) {
    const Reply unavailable = ParticipantHarness::Await(std::move(reply));
    EXPECT_EQ(Error(unavailable), "UNAVAILABLE STORE_UNAVAILABLE");
    EXPECT_TRUE(unavailable.status.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
    EXPECT_FALSE(unavailable.effect_free);
    EXPECT_EQ(std::string(unavailable.status.message()).find("injected"), std::string::npos);
  }
  EXPECT_EQ(shop_.faults->writes(), 2);
  ParticipantHarness::Await(std::move(plug));
}

TEST_F(ParticipantContractTest, ACommitWhoseOutcomeIsUnknownIsNoAnswer) {
  shop_.faults->DieAfterCommit(1);
  EXPECT_EQ(Error(Call(Take("s1"))), "UNAVAILABLE STORE_UNAVAILABLE");
  shop_.Restart();
  EXPECT_EQ(TextOf(Call(Take("s1"))), "pen 9 left");
  EXPECT_EQ(shop_.Effects(), "s1/step take");
}

TEST_F(ParticipantContractTest, ARaceLostToAnotherProcessIsRunAgain) {
  EXPECT_EQ(TextOf(Call({.method = kRaced, .saga = "s1"})), "done");
  EXPECT_EQ(shop_.domain->races, 2);
  EXPECT_EQ(shop_.Effects(), "s1/step raced");
}

}  // namespace
}  // namespace unwind
