// Steps that answer "later" (S13) and how their waiting ends (S15).
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/reading.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/core/tale.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Failure kNever = {.reason = kReasonNeverHappened, .code = 9, .metadata = {{"cause", "PAYMENT_EXPIRED"}}};

// Its pivot is out.
Tale AtThePivot() {
  Tale tale(WaitingPivot());
  tale.Starts();
  tale.Ok(0, kAction);
  return tale;
}

// The same, and the first answer was that it is not finished.
Tale Waiting() {
  Tale tale = AtThePivot();
  tale.Pending(1, kAction);
  return tale;
}

TEST(WaitStory, TheSameCallGoesOutAgainUntilItIsFinished) {
  Tale tale = AtThePivot();
  EXPECT_THAT(tale.Pending(1, kAction, 1, "pay here"), IsEmpty());
  EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
  EXPECT_EQ(tale.step(1).pending_reply, "pay here");
  EXPECT_EQ(tale.saga().state, SagaState::kRunning);
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{1, kAction, 2}));
  EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
  EXPECT_THAT(tale.Pending(1, kAction, 2, "pay there"), IsEmpty());
  EXPECT_EQ(tale.step(1).pending_reply, "pay here") << "the first one is kept";
  tale.Waits(absl::Minutes(1));
  EXPECT_THAT(tale.Ok(1, kAction, 3, "paid"), ElementsAre(Send{2, kAction, 1}));
  EXPECT_EQ(tale.step(1).reply, "paid");
  EXPECT_EQ(tale.step(1).pending_reply, "pay here");
}

TEST(WaitStory, ThePausesDoubleUpToTheCapWithinTheirLastQuarter) {
  Tale tale = AtThePivot();
  int attempt = 1;
  for (const int seconds : {30, 60, 120, 240, 300, 300}) {
    tale.Pending(1, kAction, attempt++);
    EXPECT_EQ(tale.step(1).wake_at - tale.now(), absl::Seconds(seconds) * 7 / 8) << seconds;
    if (tale.now() + absl::Seconds(seconds) >= tale.step(1).wait_until) break;
    tale.Waits(absl::Seconds(seconds));
  }
  EXPECT_GE(attempt, 5);
}

TEST(WaitStory, AParticipantSaysWhenToAskAgainWithinLimits) {
  const auto pause_after = [](absl::Duration asked) {
    Tale tale = AtThePivot();
    tale.Pending(1, kAction, 1, "", asked);
    return tale.step(1).wake_at - tale.now();
  };
  EXPECT_EQ(pause_after(absl::Seconds(2)), absl::Seconds(2));
  EXPECT_EQ(pause_after(absl::Minutes(10)), absl::Minutes(10));
  EXPECT_EQ(pause_after(absl::Milliseconds(1)), absl::Seconds(1));
  EXPECT_EQ(pause_after(absl::Hours(24)), absl::Hours(1));
}

// A participant that was restarted, in the third minute of a checkout.
TEST(WaitStory, APivotThatWaitsIsNotResolvedForAQuestionThatIsLost) {
  Tale tale = Waiting();
  for (int attempt = 2; attempt < 12; ++attempt) {
    EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{1, kAction, attempt}));
    EXPECT_THAT(attempt % 2 == 0 ? tale.Unknown(1, kAction, attempt) : tale.Cut(1, kAction, attempt), IsEmpty());
    EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
    EXPECT_EQ(tale.step(1).phase, kAction);
  }
  tale.Waits(absl::Minutes(5));
  EXPECT_THAT(tale.Ok(1, kAction, 12), ElementsAre(Send{2, kAction, 1}));
}

TEST(WaitStory, ANudgeAsksAtOnce) {
  Tale tale = Waiting();
  EXPECT_THAT(tale.Happens(Nudged{"pivot"}), ElementsAre(Send{1, kAction, 2}));
  EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
  EXPECT_THAT(tale.Ok(1, kAction, 2, "paid"), ElementsAre(Send{2, kAction, 1}));
  EXPECT_THAT(tale.Happens(Nudged{"pivot"}), IsEmpty());
  EXPECT_TRUE(tale.stale()) << "it has what it waited for";
}

// A question is answered, then the webhook comes, then its nudge; the answer arrives last.
TEST(WaitStory, ANudgeThatAPendingAnswerCrossesIsNotLost) {
  for (const bool is_first : {false, true}) {
    Tale tale = is_first ? AtThePivot() : Waiting();
    if (!is_first) tale.Waits(absl::Seconds(30));
    const int attempt = is_first ? 1 : 2;
    EXPECT_THAT(tale.Happens(Nudged{"pivot"}), IsEmpty()) << "it is out";
    EXPECT_FALSE(tale.stale());
    tale.Pending(1, kAction, attempt, "pay here", absl::Minutes(10));
    EXPECT_EQ(tale.next_run(), tale.now());
    EXPECT_THAT(tale.Waits(absl::ZeroDuration()), ElementsAre(Send{1, kAction, attempt + 1}));
    tale.Pending(1, kAction, attempt + 1);
    EXPECT_GT(tale.next_run(), tale.now() + absl::Seconds(1)) << "one send, not two";
  }
}

TEST(WaitStory, ANewOwnersOwnSendIsTheOneThatANudgeAskedFor) {
  Tale tale = AtThePivot();
  tale.Happens(Nudged{"pivot"});
  EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{1, kAction, 2}));
  tale.Pending(1, kAction, 2);
  EXPECT_GT(tale.next_run(), tale.now() + absl::Seconds(1));
}

TEST(WaitStory, NudgesSendOnceASecondAndAFloodOfThemChangesNothing) {
  Tale tale = Waiting();
  int sent = 0;
  int changed = 0;
  const absl::Time begin = tale.now();
  for (int n = 0; n < 1000; ++n) {
    std::vector<Send> sends = tale.Happens(Nudged{"pivot"});
    changed += tale.stale() ? 0 : 1;
    if (tale.next_run() <= tale.now()) sends = tale.Waits(absl::ZeroDuration());
    if (!sends.empty()) {
      ++sent;
      tale.Pending(1, kAction, sends.front().attempt);
    }
    tale.Sleeps(absl::Milliseconds(10));
  }
  EXPECT_EQ(tale.now() - begin, absl::Seconds(10));
  EXPECT_EQ(sent, 10);
  EXPECT_LE(changed, 2 * sent) << "each is a commit";
}

TEST(WaitStory, OnlyWhatMayWaitAndIsOpenTakesANudge) {
  Tale sure(PivotInTheMiddle(true));
  sure.Starts();
  sure.Happens(Nudged{"a"});
  EXPECT_TRUE(sure.stale()) << "it does not wait";
  Tale tale = Waiting();
  for (const char* const step : {"a", "r", "", "nobody"}) {
    tale.Happens(Nudged{step});
    EXPECT_TRUE(tale.stale()) << step;
  }
}

// Its participant was away: the pause protects it, and a client that sends nudges spends no attempt.
TEST(WaitStory, ANudgeHastensNoRepeatOfWhatHasNotSaidThatItWaits) {
  Tale tale(WaitingSteps());
  tale.Starts();
  tale.Unknown(0, kAction);
  tale.Happens(Nudged{"a"});
  EXPECT_TRUE(tale.stale());
}

TEST(WaitStory, ACompensationTakesANudge) {
  Tale tale(WaitingSteps());
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, true), ElementsAre(Send{0, kCompensation, 1}));
  tale.Pending(0, kCompensation);
  EXPECT_THAT(tale.Happens(Nudged{"a"}), ElementsAre(Send{0, kCompensation, 2}));
}

// What is lost is asked about sooner than what is not finished.
TEST(WaitStory, ALostQuestionIsRepeatedByTheStepsBackoff) {
  Tale tale = Waiting();
  int attempt = 2;
  tale.Waits(absl::Seconds(30));
  for (const int millis : {50, 100, 200, 400, 800}) {
    tale.Unknown(1, kAction, attempt++);
    EXPECT_EQ(tale.step(1).wake_at - tale.now(), absl::Milliseconds(millis));
    tale.Waits(absl::Milliseconds(millis));
  }
  tale.Pending(1, kAction, attempt);
  EXPECT_GT(tale.step(1).wake_at - tale.now(), absl::Seconds(30));
}

// The resolve does not decide, so it is no end of what waits.
TEST(WaitStory, IfTheFirstPendingAnswerIsLostTheResolveWaits) {
  Tale tale = AtThePivot();
  EXPECT_THAT(tale.Unknown(1, kAction), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_FALSE(tale.step(1).decides);
  EXPECT_THAT(tale.Pending(1, kResolve, 1, "pay here"), IsEmpty());
  EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
  EXPECT_EQ(tale.step(1).phase, kResolve);
  EXPECT_EQ(tale.step(1).pending_reply, "pay here");
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{1, kResolve, 2}));
  EXPECT_FALSE(tale.step(1).decides);
  EXPECT_THAT(tale.Unknown(1, kResolve, 2), IsEmpty());
  tale.Waits(absl::Seconds(1));
  EXPECT_THAT(tale.Ok(1, kResolve, 3, "paid"), ElementsAre(Send{2, kAction, 1}));
}

TEST(WaitStory, TheDeadlineHasNoPowerOverAPivotThatWaits) {
  Tale tale = Waiting();
  const absl::Time end = tale.step(1).wait_until;
  EXPECT_EQ(end, tale.now() + absl::Minutes(15));
  EXPECT_THAT(tale.Waits(absl::Seconds(31)), ElementsAre(Send{1, kAction, 2}));
  tale.Pending(1, kAction, 2);
  EXPECT_EQ(tale.step(1).wait_until, end) << "it runs from the first send";
  EXPECT_LT(tale.saga().deadline, tale.now());
  EXPECT_EQ(tale.next_run(), tale.step(1).wake_at);
}

TEST(WaitStory, TheDeadlineAsksAboutAPivotThatHasNotAnsweredYet) {
  Tale tale = AtThePivot();
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_FALSE(tale.step(1).decides);
  tale.Pending(1, kResolve, 1);
  EXPECT_EQ(tale.next_run(), tale.step(1).wake_at);
}

TEST(WaitStory, ThePivotsTimeIsUpAndItsResolveDecides) {
  for (const bool is_out : {false, true}) {
    Tale tale = Waiting();
    if (is_out) tale.Waits(absl::Seconds(30));
    const int asked = is_out ? 2 : 1;
    tale.Sleeps(tale.step(1).wait_until - tale.now() - absl::Milliseconds(1));
    EXPECT_EQ(tale.next_run(), is_out ? tale.step(1).wait_until : tale.step(1).wake_at);
    EXPECT_THAT(tale.Waits(absl::Milliseconds(1)), ElementsAre(Send{1, kResolve, 1}));
    EXPECT_TRUE(tale.step(1).decides);
    EXPECT_EQ(tale.step(1).state, StepState::kInFlight);
    tale.Ok(1, kAction, asked + 1);
    EXPECT_TRUE(tale.stale());
    EXPECT_THAT(tale.Unknown(1, kResolve, 1), IsEmpty());
    EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{1, kResolve, 2}));
    EXPECT_THAT(tale.Refused(1, kResolve, 2, true, kNever), ElementsAre(Send{0, kCompensation, 1}));
    EXPECT_EQ(tale.saga().failure.reason, "PAYMENT_EXPIRED");
  }
}

TEST(WaitStory, ADecisionMayFindThatItHappenedAndMayTakeTime) {
  Tale tale = Waiting();
  tale.Waits(absl::Minutes(15));
  EXPECT_THAT(tale.Pending(1, kResolve, 1), IsEmpty());
  EXPECT_EQ(tale.step(1).state, StepState::kWaiting);
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{1, kResolve, 2}));
  EXPECT_TRUE(tale.step(1).decides);
  EXPECT_THAT(tale.Ok(1, kResolve, 2, "paid"), ElementsAre(Send{2, kAction, 1}));
}

TEST(WaitStory, TheTimeOfAWaitThatOnlyTheResolveKnowsOfIsUpToo) {
  Tale tale = AtThePivot();
  tale.Unknown(1, kAction);
  tale.Pending(1, kResolve, 1);
  tale.Waits(absl::Minutes(5));
  EXPECT_THAT(tale.Waits(absl::Minutes(10)), ElementsAre(Send{1, kResolve, 3})) << "though the second is out";
  EXPECT_TRUE(tale.step(1).decides);
  EXPECT_EQ(tale.next_run(), absl::InfiniteFuture());
}

TEST(WaitStory, ACancelEndsTheWaitOfAPivot) {
  Tale tale = Waiting();
  EXPECT_THAT(tale.Happens(CancelRequested{}), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_TRUE(tale.step(1).decides);
  EXPECT_THAT(tale.Refused(1, kResolve, 1, true, kNever), ElementsAre(Send{0, kCompensation, 1}));

  Tale early = AtThePivot();  // nothing has answered yet
  EXPECT_THAT(early.Happens(CancelRequested{}), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_TRUE(early.step(1).decides);

  Tale asked = AtThePivot();
  asked.Unknown(1, kAction);
  EXPECT_THAT(asked.Happens(CancelRequested{}), ElementsAre(Send{1, kResolve, 2}));
  EXPECT_TRUE(asked.step(1).decides);
}

TEST(WaitStory, APivotThatIsRefusedForGoodOnALaterQuestionEndsAsRefused) {
  Tale tale = Waiting();
  tale.Waits(absl::Seconds(30));
  EXPECT_THAT(tale.Refused(1, kAction, 2, true, {.reason = "PAYMENT_DECLINED", .code = 9}),
              ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.step(1).state, StepState::kRefused);
  EXPECT_EQ(tale.saga().failure.reason, "PAYMENT_DECLINED");
}

TEST(WaitStory, APivotThatIsRefusedOtherwiseOrFencedIsResolvedWithoutADecision) {
  for (const bool refused : {true, false}) {
    Tale tale = Waiting();
    tale.Waits(absl::Seconds(30));
    EXPECT_THAT(refused ? tale.Refused(1, kAction, 2, false) : tale.Fenced(1, kAction, 2),
                ElementsAre(Send{1, kResolve, 1}));
    EXPECT_EQ(tale.step(1).state, StepState::kInFlight);
    EXPECT_FALSE(tale.step(1).decides);
  }
}

TEST(WaitStory, TheAttemptsCountWhatFailedSinceTheLastPendingAnswer) {
  Tale tale(WaitingSteps());  // two attempts
  tale.Starts();
  int attempt = 1;
  for (int n = 0; n < 3; ++n) {
    EXPECT_THAT(tale.Unknown(0, kAction, attempt++), IsEmpty());
    tale.Waits(absl::Seconds(1));
    EXPECT_THAT(tale.Pending(0, kAction, attempt++), IsEmpty());
    tale.Waits(absl::Seconds(5));
  }
  tale.Unknown(0, kAction, attempt++);
  tale.Waits(absl::Seconds(1));
  EXPECT_THAT(tale.Unknown(0, kAction, attempt), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(WaitStory, ACompensatableStepWhoseTimeIsUpIsUndoneToo) {
  Tale tale(WaitingSteps());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Pending(1, kAction);
  tale.Waits(absl::Seconds(5));
  tale.Pending(1, kAction, 2);
  EXPECT_EQ(tale.step(1).wait_until, tale.now() + absl::Seconds(5));
  EXPECT_THAT(tale.Waits(absl::Seconds(5)), ElementsAre(Send{1, kCompensation, 1}));
  EXPECT_EQ(tale.saga().failure.reason, "STEP_NOT_FINISHED");
  EXPECT_EQ(tale.saga().failure.step, "b");
  EXPECT_EQ(tale.saga().failure.code, 10);
  EXPECT_THAT(tale.Ok(1, kCompensation), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(WaitStory, DeadlineAndCancelUndoACompensatableStepThatWaits) {
  for (const bool cancel : {true, false}) {
    Tale tale(WaitingSteps());
    tale.Starts();
    tale.Pending(0, kAction);  // it has no time of its own
    EXPECT_EQ(tale.step(0).wait_until, absl::InfiniteFuture());
    EXPECT_THAT(cancel ? tale.Happens(CancelRequested{}) : tale.Waits(absl::Seconds(30)),
                ElementsAre(Send{0, kCompensation, 1}));
  }
}

TEST(WaitStory, ACompensationMayWaitAndNothingEndsThatButItsAnswer) {
  Tale tale(WaitingSteps());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Refused(1, kAction, 1, true);
  EXPECT_THAT(tale.Pending(0, kCompensation, 1, "by tomorrow"), IsEmpty());
  EXPECT_EQ(tale.step(0).state, StepState::kWaiting);
  EXPECT_EQ(tale.step(0).phase, kCompensation);
  EXPECT_EQ(tale.step(0).pending_reply, "") << "that is the action's";
  EXPECT_EQ(tale.saga().state, SagaState::kCompensating);
  EXPECT_THAT(tale.Waits(absl::Hours(20)), ElementsAre(Send{0, kCompensation, 2}));
  tale.Unknown(0, kCompensation, 2);
  tale.Waits(absl::Seconds(5));
  EXPECT_THAT(tale.Refused(0, kCompensation, 3, false), IsEmpty());
  EXPECT_EQ(tale.step(0).state, StepState::kCompensating);
  tale.Waits(absl::Hours(3));
  tale.Ok(0, kCompensation, 4);
  EXPECT_EQ(tale.saga().state, SagaState::kAborted);
}

TEST(WaitStory, ARetriableStepWaitsUntilItsSagaIsTooOld) {
  Tale tale(WaitingRetriable());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Ok(1, kAction);
  int attempt = 1;
  while (!tale.step(2).parked) {
    EXPECT_EQ(tale.saga().state, SagaState::kRunning);
    tale.Pending(2, kAction, attempt++);
    tale.Waits(absl::Hours(24));
  }
  EXPECT_EQ(attempt, 27);
  EXPECT_EQ(tale.step(2).last_failure.reason, "SAGA_TOO_OLD");
}

TEST(WaitStory, WhatNobodyAskedForIsUnknown) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  EXPECT_THAT(tale.Pending(0, kAction), IsEmpty());
  EXPECT_EQ(tale.step(0).state, StepState::kInFlight);
  EXPECT_EQ(tale.step(0).unknowns, 1);
  EXPECT_EQ(tale.step(0).last_failure.reason, kReasonOutcomeUnknown);
  tale.Waits(absl::Seconds(1));
  tale.Ok(0, kAction, 2);
  EXPECT_THAT(tale.Pending(1, kAction), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_THAT(tale.Pending(1, kResolve), IsEmpty());
  EXPECT_EQ(tale.step(1).state, StepState::kInFlight);
}

TEST(WaitStory, AnOperatorMayMoveAStepThatWaits) {
  const auto told = [](Verb verb, const char* reply = "") {
    return Operated{.verb = verb, .step = 1, .reply = reply, .actor = "ann", .reason = "x"};
  };
  Tale retried = Waiting();
  EXPECT_THAT(retried.Happens(told(Verb::kRetry)), ElementsAre(Send{1, kAction, 2}));
  EXPECT_EQ(retried.step(1).state, StepState::kWaiting);
  Tale resolved = Waiting();
  EXPECT_THAT(resolved.Happens(told(Verb::kResolve, "paid")), ElementsAre(Send{2, kAction, 1}));
  Tale skipped = Waiting();
  EXPECT_THAT(skipped.Happens(told(Verb::kSkip)), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(skipped.saga().failure.reason, "STEP_SKIPPED");

  Tale before(WaitingSteps());
  before.Starts();
  before.Ok(0, kAction);
  before.Pending(1, kAction);
  EXPECT_THAT(before.Happens(told(Verb::kRetry)), ElementsAre(Send{1, kAction, 2}));
}

TEST(WaitStory, WhatWaitsIsNotStuckAndIsNotSentAgainByANewOwnerBeforeItsTime) {
  Tale tale = Waiting();
  EXPECT_FALSE(IsStuck(tale.plan(), tale.saga(), 1, tale.now() + absl::Hours(1)));
  EXPECT_FALSE(HasStuckStep(tale.plan(), tale.saga()));
  EXPECT_TRUE(TakesVerb(tale.plan(), tale.saga(), 1));
  EXPECT_THAT(tale.Happens(TakenOver{}), IsEmpty());
  EXPECT_TRUE(tale.stale());
  tale.Waits(absl::Seconds(30));
  EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{1, kAction, 3}));
}

// Told are all that wait, and since when those do that have no end of their own.
TEST(WaitStory, AWaitIsSeenAndSinceWhenItHasNoEnd) {
  const auto since = [](const Tale& tale) { return WaitsSince(tale.plan(), tale.saga()); };
  Tale pivot = AtThePivot();
  EXPECT_EQ(since(pivot), std::nullopt);
  pivot.Pending(1, kAction);
  EXPECT_EQ(since(pivot), absl::InfiniteFuture()) << "its time ends it";
  pivot.Waits(absl::Minutes(15));
  EXPECT_EQ(since(pivot), std::nullopt) << "it is being resolved";
  const absl::Time decided = pivot.now();
  pivot.Pending(1, kResolve, 1);
  pivot.Waits(absl::Seconds(30));
  EXPECT_EQ(since(pivot), decided);

  Tale retriable(WaitingRetriable());
  retriable.Starts();
  retriable.Ok(0, kAction);
  retriable.Ok(1, kAction);
  const absl::Time sent = retriable.now();
  for (int attempt = 1; !retriable.step(2).parked; ++attempt) {
    retriable.Pending(2, kAction, attempt);
    EXPECT_EQ(since(retriable), sent);
    retriable.Waits(absl::Hours(24));
  }
  EXPECT_EQ(since(retriable), std::nullopt) << "it waits for a person";
}

// Nothing is due at once (such as a coupon that pays for all).
TEST(WaitStory, AStepThatSucceedsAtOnceHasNoPendingAnswer) {
  Tale tale = AtThePivot();
  EXPECT_THAT(tale.Ok(1, kAction), ElementsAre(Send{2, kAction, 1}));
  EXPECT_EQ(tale.step(1).pending_reply, "");
  EXPECT_EQ(tale.step(1).wait_until, tale.now() + absl::Minutes(15));
}

}  // namespace
}  // namespace unwind
