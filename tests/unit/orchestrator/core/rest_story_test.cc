// When a saga rests: nobody need drive it before its row is due (Saga::due_at).
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/reading.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/core/tale.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Time kDriven = absl::InfiniteFuture();

// Its pivot waits for its customer, 22.5 s until it is asked again.
Tale AtRest() {
  Tale tale(WaitingPivot());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Pending(1, kAction);
  return tale;
}

TEST(RestStory, WhatWaitsRestsUntilItIsAskedAgain) {
  Tale tale(WaitingPivot());
  tale.Starts();
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Ok(0, kAction);
  EXPECT_EQ(tale.saga().due_at, kDriven) << "its pivot is out";
  tale.Pending(1, kAction);
  EXPECT_EQ(tale.saga().due_at, tale.now() + absl::Milliseconds(26'250));
  EXPECT_EQ(tale.saga().due_at, tale.next_run());
  tale.Waits(absl::Seconds(30));
  EXPECT_EQ(tale.saga().due_at, kDriven) << "the question is out";
  tale.Pending(1, kAction, 2);
  EXPECT_EQ(tale.saga().due_at, tale.step(1).wake_at);
  tale.Waits(absl::Minutes(1));
  tale.Ok(1, kAction, 3);
  EXPECT_EQ(tale.saga().due_at, kDriven);
}

TEST(RestStory, AShortWaitIsDriven) {
  Tale tale = AtRest();
  tale.Waits(absl::Seconds(30));
  tale.Pending(1, kAction, 2, "", absl::Milliseconds(4'999));
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Waits(absl::Seconds(5));
  tale.Pending(1, kAction, 3, "", absl::Seconds(5));
  EXPECT_EQ(tale.saga().due_at, tale.now() + absl::Seconds(5));
}

// A row that is due before its create_time is no row at rest: no store would find it again.
TEST(RestStory, UnderAClockThatWasSetBackItIsDrivenUntilItsCreateTimeHasComeAgain) {
  Tale tale(WaitingPivot());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Sleeps(-absl::Hours(1));
  tale.Pending(1, kAction);
  EXPECT_EQ(tale.saga().due_at, kDriven);
  EXPECT_EQ(tale.next_run(), tale.now() + absl::Milliseconds(26'250));
  tale.Waits(absl::Minutes(59));
  tale.Pending(1, kAction, 2, "", absl::Seconds(64));
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Waits(absl::Seconds(64));
  tale.Pending(1, kAction, 3, "", absl::Seconds(5));
  EXPECT_EQ(tale.saga().due_at, tale.saga().create_time + absl::Seconds(9));
}

TEST(RestStory, ANudgeOrACancelEndsTheRest) {
  Tale nudged = AtRest();
  EXPECT_THAT(nudged.Happens(Nudged{"pivot"}), ElementsAre(Send{1, kAction, 2}));
  EXPECT_EQ(nudged.saga().due_at, kDriven);
  Tale cancelled = AtRest();
  EXPECT_THAT(cancelled.Happens(CancelRequested{}), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_EQ(cancelled.saga().due_at, kDriven);
}

TEST(RestStory, WhoTakesItOverChangesNothing) {
  Tale tale = AtRest();
  EXPECT_THAT(tale.Happens(TakenOver{}), IsEmpty());
  EXPECT_TRUE(tale.stale());
}

TEST(RestStory, AQuestionThatIsLostIsAskedAgainBeforeItRests) {
  Tale tale = AtRest();
  tale.Waits(absl::Seconds(30));
  tale.Unknown(1, kAction, 2);
  EXPECT_EQ(tale.saga().due_at, kDriven);
  EXPECT_LT(tale.next_run(), tale.now() + absl::Seconds(5));
}

TEST(RestStory, ItIsDueWhenItsWaitEndsIfThatIsSooner) {
  Tale tale = AtRest();
  const absl::Time end = tale.step(1).wait_until;
  EXPECT_EQ(EndsAt(tale.plan(), tale.saga()), end);
  tale.Sleeps(absl::Minutes(14) + absl::Seconds(50));
  tale.Happens(Ticked{});
  tale.Pending(1, kAction, 2);
  EXPECT_EQ(tale.saga().due_at, end);
}

// The others of a saga whose steps wait one beside the other.
TEST(RestStory, EveryOpenStepMustWait) {
  Plan plan = WithoutDeadline(WaitingSteps());
  for (StepPlan& step : plan.steps) {
    step.after = {};
    step.pending->poll = step.pending->cap = absl::Minutes(1);
    step.pending->wait = absl::InfiniteDuration();
  }
  Tale tale(plan);
  tale.Starts();
  tale.Pending(0, kAction);
  tale.Pending(1, kAction);
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Pending(2, kAction);
  EXPECT_EQ(tale.saga().due_at, tale.step(0).wake_at);
  tale.Ok(2, kAction);
  EXPECT_TRUE(tale.stale());
  EXPECT_EQ(tale.saga().due_at, tale.step(0).wake_at);
}

TEST(RestStory, WhatWaitsForAPersonBesideItDoesNotKeepItAwake) {
  Plan plan = WithoutDeadline(WaitingSteps());
  for (StepPlan& step : plan.steps) {
    step.after = {};
    step.kind = StepKind::kRetriable;
    step.pending->poll = step.pending->cap = absl::Minutes(1);
  }
  plan.refusals_max = 1;
  Tale tale(plan);
  tale.Starts();
  tale.Refused(0, kAction, 1, false);
  tale.Ok(1, kAction);
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Pending(2, kAction);
  EXPECT_EQ(tale.saga().due_at, tale.step(2).wake_at);
  EXPECT_EQ(EndsAt(tale.plan(), tale.saga()), absl::InfiniteFuture());
}

// A refund that takes a day.
TEST(RestStory, ACompensationRestsToo) {
  Plan plan = WithoutDeadline(WaitingSteps());
  for (StepPlan& step : plan.steps) step.pending->poll = step.pending->cap = absl::Minutes(1);
  Tale tale(plan);
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, true), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.saga().due_at, kDriven);
  tale.Pending(0, kCompensation);
  EXPECT_EQ(tale.saga().due_at, tale.step(0).wake_at);
  EXPECT_EQ(WaitsSince(tale.plan(), tale.saga()), tale.step(0).first_send_time);
}

TEST(RestStory, WhatWasBornIsDueUntilItIsStarted) {
  Saga saga;
  saga.steps.resize(WaitingSteps().steps.size());
  saga = BornAs(std::move(saga), Born{}, absl::FromUnixSeconds(1000));
  EXPECT_EQ(saga.due_at, saga.create_time);
  const Decision cancelled =
      Advance(WaitingRetriable(), saga, CancelRequested{}, {.now = absl::FromUnixSeconds(2000), .jitter = 0});
  EXPECT_EQ(cancelled.next.due_at, kDriven) << "it is undone";
  const Decision started = Advance(WaitingSteps(), saga, Started{}, {.now = absl::FromUnixSeconds(2000), .jitter = 0});
  EXPECT_EQ(started.next.due_at, kDriven);
  EXPECT_EQ(BornAs({.steps = std::vector<Step>(1)}, Born{.why_parked = {.reason = "NO"}}, {}).due_at, kDriven);
}

}  // namespace
}  // namespace unwind
