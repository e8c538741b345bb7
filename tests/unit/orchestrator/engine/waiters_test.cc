// The waiters alone: each is answered once, in time, and there are never too many.
#include "orchestrator/engine/waiters.h"

#include <string>
#include <vector>

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/poll.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class WaitersTest : public testing::Test {
 protected:
  std::function<void(Progress)> Taker() {
    return [this](const Progress& progress) {
      std::lock_guard lock(mutex_);
      told_.push_back(GetErrorInfo(progress.status).reason);
    };
  }
  std::vector<std::string> told() {
    std::lock_guard lock(mutex_);
    return told_;
  }

  ManualClock clock_;
  std::mutex mutex_;
  std::vector<std::string> told_;
};

TEST_F(WaitersTest, TheFirstAnswerCounts) {
  Waiters waiters(clock_, 10);
  const auto waiter = waiters.Add(clock_.Now() + absl::Seconds(1), nullptr, Taker());
  waiter->answered({.status = absl::OkStatus(), .saga = {}});
  waiter->answered({.status = absl::InternalError("second"), .saga = {}});
  clock_.Advance(absl::Seconds(2));
  waiters.AnswerLate();
  EXPECT_THAT(told(), ElementsAre(""));
  EXPECT_EQ(waiters.NextLate(), absl::InfiniteFuture());
}

// Thousands of calls that are given up at once keep nobody out.
TEST_F(WaitersTest, WhoLeavesGivesItsPlaceToAnother) {
  Waiters waiters(clock_, 1);
  std::function<void()> leave;
  const auto first = waiters.Add(clock_.Now() + absl::Minutes(10), nullptr, Taker(), &leave);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(waiters.Add(clock_.Now() + absl::Seconds(1), nullptr, Taker()).has_value());
  EXPECT_FALSE(first->has_left());
  leave();
  EXPECT_TRUE(first->has_left());
  EXPECT_TRUE(waiters.Add(clock_.Now() + absl::Seconds(1), nullptr, Taker()).has_value());
  first->answered({.status = absl::InternalError("nobody hears it"), .saga = {}});
  leave();
  EXPECT_THAT(told(), ElementsAre("OVERLOADED"));
}

TEST_F(WaitersTest, WhomNobodyAnswersIsToldThatTheStoreIsSilentBeforeItsDeadline) {
  for (const absl::Duration timeout : {absl::Milliseconds(20), absl::Milliseconds(300), absl::Seconds(1)}) {
    Waiters waiters(clock_, 10);
    const absl::Duration left = timeout * 0.9;  // as AnswerBy leaves a tenth
    const auto waiter = waiters.Add(clock_.Now() + left, nullptr, Taker());
    clock_.Advance(left);
    waiters.AnswerLate();
    EXPECT_THAT(told(), IsEmpty());  // it is its shard's turn
    clock_.Advance(timeout * 0.09);
    waiters.AnswerLate();
    EXPECT_THAT(told(), ElementsAre("STORE_UNAVAILABLE"));
    told_.clear();
  }
}

TEST_F(WaitersTest, TooManyAreRefusedAndEachThatIsAnsweredMakesRoom) {
  Waiters waiters(clock_, 2);
  const auto first = waiters.Add(absl::InfiniteFuture(), nullptr, Taker());
  const auto second = waiters.Add(absl::InfiniteFuture(), nullptr, Taker());
  EXPECT_FALSE(waiters.Add(absl::InfiniteFuture(), nullptr, Taker()).has_value());
  EXPECT_THAT(told(), ElementsAre("OVERLOADED"));
  first->answered({.status = absl::OkStatus(), .saga = {}});
  EXPECT_TRUE(waiters.Add(absl::InfiniteFuture(), nullptr, Taker()).has_value());
}

TEST_F(WaitersTest, AllAreAnsweredThoughTheirShardDoesNot) {
  Waiters waiters(clock_, 10);
  const auto first = waiters.Add(clock_.Now() + absl::Hours(1), nullptr, Taker());
  const auto second = waiters.Add(absl::InfiniteFuture(), nullptr, Taker());
  waiters.AnswerAll(absl::Milliseconds(1));
  EXPECT_THAT(told(), ElementsAre("STORE_UNAVAILABLE", "STORE_UNAVAILABLE"));
  waiters.AnswerAll(absl::Hours(1));  // nobody is left to wait for
}

TEST_F(WaitersTest, ShardsAreGivenTimeToAnswerAll) {
  Waiters waiters(clock_, 10);
  const auto waiter = waiters.Add(clock_.Now() + absl::Hours(1), nullptr, Taker());
  std::thread shard([&waiter] { waiter->answered({.status = absl::OkStatus(), .saga = {}}); });
  waiters.AnswerAll(absl::Hours(1));
  shard.join();  // it may have taken the waiter and not told it yet
  EXPECT_THAT(told(), ElementsAre(""));
}

TEST_F(WaitersTest, ItsThreadAnswersWithoutAnyShard) {
  const SystemClock clock;
  Waiters waiters(clock, 10);
  waiters.Start();
  const auto later = waiters.Add(clock.Now() + absl::Hours(1), nullptr, Taker());
  const auto late = waiters.Add(clock.Now() + absl::Milliseconds(20), nullptr, Taker());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return !told().empty(); }));
  EXPECT_THAT(told(), ElementsAre("STORE_UNAVAILABLE"));
  waiters.Stop();
}

}  // namespace
}  // namespace unwind
