#include "orchestrator/participants/call_queue.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

constexpr int kTokens = 100;      // at most
constexpr int kFailuresMax = 20;  // in a row

using End = CallQueue::End;

class CallQueueTest : public testing::Test {
 protected:
  // The method's name is what Pop gives back. Without a name the step is one of its own.
  std::optional<Waiting> Push(const std::string& name, Phase phase = Phase::kAction, int attempt = 1,
                              const std::string& step = "", bool alone = false) {
    Call call;
    call.method = name;
    call.saga_id = "s";
    call.step = step.empty() ? absl::StrCat("step-", ++steps_) : step;
    call.phase = phase;
    call.attempt = attempt;
    call.alone = alone;
    return queue_.Push({.call = std::move(call), .done = nullptr});
  }

  // "": none may go.
  std::string Pop() {
    std::optional<CallQueue::Next> next = queue_.Pop(now_);
    if (!next.has_value()) return "";
    last_ = next->ticket;
    return next->waiting.call.method;
  }

  // Sends one call and lets it end.
  bool Play(Phase phase, int attempt, bool alive) {
    Push("call", phase, attempt);
    if (Pop().empty()) return false;
    queue_.OnDone(last_, alive ? End::kAnswered : End::kFailed);
    return true;
  }

  absl::Time now_ = absl::UnixEpoch();
  CallQueue queue_{16};
  CallQueue::Ticket last_;
  int steps_ = 0;
};

TEST_F(CallQueueTest, GoingBackGoesFirstAndFirstAttemptsBeforeRepeats) {
  Push("action again", Phase::kAction, 2);
  Push("action");
  Push("undo again", Phase::kCompensation, 3);
  Push("undo", Phase::kCompensation);
  Push("ask", Phase::kResolve);
  for (const char* name : {"undo", "ask", "undo again", "action", "action again", ""}) EXPECT_EQ(Pop(), name);
}

TEST_F(CallQueueTest, AnEighthOfTheRoomIsKeptFromActions) {
  for (int i = 0; i < 20; ++i) Push("action");
  for (int i = 0; i < 14; ++i) EXPECT_EQ(Pop(), "action");
  EXPECT_EQ(Pop(), "");
  Push("undo", Phase::kCompensation);
  Push("ask", Phase::kResolve);
  Push("undo too", Phase::kCompensation);
  EXPECT_EQ(Pop(), "undo");
  EXPECT_EQ(Pop(), "ask");
  EXPECT_EQ(Pop(), "");  // 16 are out
  queue_.OnDone(last_, End::kAnswered);
  EXPECT_EQ(Pop(), "undo too");
}

TEST_F(CallQueueTest, ActionsThatGoAloneTakeNoRoomThatIsKept) {
  for (std::size_t i = 0; i < CallQueue::kAloneMax; ++i) Push("alone", Phase::kAction, 2, "", true);
  for (int i = 0; i < 8; ++i) Push("action");
  for (std::size_t i = 0; i < CallQueue::kAloneMax; ++i) EXPECT_EQ(Pop(), "alone");
  const CallQueue::Ticket alone = last_;
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Pop(), "action");
  EXPECT_EQ(Pop(), "");
  Push("undo alone", Phase::kCompensation, 2, "", true);
  Push("undo", Phase::kCompensation);
  EXPECT_EQ(Pop(), "undo");
  EXPECT_EQ(Pop(), "");
  queue_.OnDone(alone, End::kFailed);
  EXPECT_EQ(Pop(), "undo alone") << "of those that go alone too";
}

TEST(SmallCallQueueTest, KeepsAPlaceOfTwoAndNoneOfOne) {
  for (const auto& [out_max, actions_max] : {std::pair(1, 1), std::pair(2, 1), std::pair(7, 6), std::pair(8, 7)}) {
    CallQueue queue(static_cast<std::size_t>(out_max));
    int out = 0;
    for (int i = 0; i < out_max; ++i) {
      Call call;
      call.step = absl::StrCat("step-", i);
      call.attempt = 2;
      call.alone = i % 2 == 0;
      queue.Push({.call = std::move(call), .done = nullptr});
    }
    while (queue.Pop(absl::UnixEpoch()).has_value()) ++out;
    EXPECT_EQ(out, actions_max) << "of " << out_max;
  }
}

TEST_F(CallQueueTest, AnActionThatWaitsIsOvertakenByItsCompensation) {
  Push("other", Phase::kAction, 1, "two");
  Push("again", Phase::kAction, 2, "one");
  const auto overtaken = Push("undo", Phase::kCompensation, 1, "one");
  ASSERT_TRUE(overtaken.has_value());
  EXPECT_EQ(overtaken->call.method, "again");
  for (const char* name : {"undo", "other", ""}) EXPECT_EQ(Pop(), name);
  EXPECT_FALSE(Push("undo", Phase::kCompensation, 1, "two").has_value());  // that one is out
}

// A saga that was lost to another instance and claimed back sends again while its first attempt still waits.
TEST_F(CallQueueTest, OfOneStepOnlyTheNewestCallWaits) {
  Push("first", Phase::kAction, 1, "one");
  const auto first = Push("second", Phase::kAction, 2, "one");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->call.method, "first");
  const auto second = Push("undo", Phase::kCompensation, 1, "one");
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->call.method, "second");
  const auto undo = Push("undo again", Phase::kCompensation, 2, "one");
  ASSERT_TRUE(undo.has_value());
  EXPECT_EQ(undo->call.method, "undo");
  for (const char* name : {"undo again", ""}) EXPECT_EQ(Pop(), name);
}

TEST_F(CallQueueTest, CallsThatGoAloneAreFewAtOnceAndHoldUpNoOther) {
  const std::size_t calls = CallQueue::kAloneMax + 1;
  for (std::size_t i = 0; i < calls; ++i) Push("alone", Phase::kAction, 2, absl::StrCat("one-", i), true);
  Push("action");
  CallQueue::Ticket alone;
  for (std::size_t i = 0; i < CallQueue::kAloneMax; ++i) {
    EXPECT_EQ(Pop(), "alone");
    EXPECT_TRUE(last_.alone);
    alone = last_;
  }
  EXPECT_EQ(Pop(), "action");
  EXPECT_FALSE(last_.alone);
  EXPECT_EQ(Pop(), "");
  queue_.OnDone(alone, End::kFailed);
  EXPECT_EQ(Pop(), "alone");
}

// Else one call that ends the connection of twenty others makes the participant look down.
TEST_F(CallQueueTest, AConnectionsEndSaysNothingOfTheParticipant) {
  for (int i = 0; i < 2 * kFailuresMax; ++i) {
    Push("first");
    ASSERT_EQ(Pop(), "first");
    queue_.OnDone(last_, End::kCut);
  }
  EXPECT_FALSE(queue_.is_held_back());
}

TEST_F(CallQueueTest, RepeatsThatFailAreATenthOfTheCalls) {
  Pop();  // the clock begins
  int first = 0, repeats = 0;
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(Play(Phase::kAction, 1, true));
    ++first;
    Push("again", Phase::kAction, 2);
    if (Pop() == "again") {
      ++repeats;
      queue_.OnDone(last_, End::kFailed);
    }
  }
  EXPECT_NEAR(repeats, kTokens + 0.1 * first, 2);
}

TEST_F(CallQueueTest, ARepeatThatIsHeldBackGoesWhenTimeHasEarnedIt) {
  Pop();
  for (int i = 0; i < kTokens; ++i) ASSERT_TRUE(Play(Phase::kAction, 2, false));
  Push("again", Phase::kAction, 2);
  EXPECT_EQ(Pop(), "");
  EXPECT_GT(queue_.AskAgainAt(), now_);
  EXPECT_LT(queue_.AskAgainAt(), now_ + absl::Milliseconds(20));
  now_ = queue_.AskAgainAt();
  EXPECT_EQ(Pop(), "again");
  EXPECT_EQ(queue_.AskAgainAt(), absl::InfiniteFuture());
}

// As those of 250 sagas whose participant refuses to undo them.
TEST_F(CallQueueTest, RepeatsThatAlwaysFailLeaveTheOthersTheirTurn) {
  Pop();
  for (int i = 0; i < 1000; ++i) Push("undo again", Phase::kCompensation, 2);
  for (int i = 0; i < 10; ++i) {
    Push("undo alone", Phase::kCompensation, 2, "", true);
    Push("again", Phase::kAction, 2);
    Push("alone", Phase::kAction, 2, "", true);
  }
  std::map<std::string, int> sent;
  for (int i = 0; i < 40; ++i) {
    ++sent[Pop()];
    queue_.OnDone(last_, End::kCut);  // earns nothing, and is no failure in a row
  }
  for (const char* name : {"undo again", "undo alone", "again", "alone"}) EXPECT_EQ(sent[name], 10) << name;
  EXPECT_EQ(Pop(), "undo again") << "nobody else waits";
}

TEST_F(CallQueueTest, AfterARowOfFailuresFirstAttemptsWaitTooAndOneAnswerLetsThemGo) {
  Pop();
  for (int i = 0; i < kFailuresMax + kTokens; ++i) ASSERT_TRUE(Play(Phase::kAction, 1, false)) << i;
  Push("first");
  Push("second");
  EXPECT_EQ(Pop(), "");
  now_ = queue_.AskAgainAt();
  EXPECT_EQ(Pop(), "first");
  EXPECT_EQ(Pop(), "");
  queue_.OnDone(last_, End::kAnswered);
  EXPECT_EQ(Pop(), "second");
}

// Each answer to a held call lets two go, so the rate doubles with every round trip.
TEST_F(CallQueueTest, AParticipantThatComesBackIsSoonAtFullSpeed) {
  Pop();
  for (int i = 0; i < kTokens; ++i) ASSERT_TRUE(Play(Phase::kAction, 2, false));
  for (int i = 0; i < 1000; ++i) Push("again", Phase::kAction, 2);
  now_ += absl::Milliseconds(10);
  std::size_t sent = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<CallQueue::Ticket> out;
    while (Pop() == "again") out.push_back(last_);
    sent += out.size();
    for (const CallQueue::Ticket& ticket : out) queue_.OnDone(ticket, End::kAnswered);
  }
  EXPECT_EQ(sent, 1000u);
}

}  // namespace
}  // namespace unwind
