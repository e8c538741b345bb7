// The rules as stories a person can read.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/core/tale.h"

namespace unwind {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(AdvanceStory, AllGoesWell) {
  Tale tale(PivotInTheMiddle(true));
  EXPECT_THAT(tale.Starts(), ElementsAre(Send{0, kAction, 1}));
  EXPECT_THAT(tale.Ok(0, kAction), ElementsAre(Send{1, kAction, 1}));
  EXPECT_THAT(tale.Ok(1, kAction), ElementsAre(Send{2, kAction, 1}));
  EXPECT_THAT(tale.Ok(2, kAction), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kCompleted);
  EXPECT_EQ(tale.saga().version, 4);
}

TEST(AdvanceStory, ARefusalWithTheTrailerIsNotCompensatedTheStepsBeforeItAre) {
  Tale tale(Sequence());
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, true, {.reason = "STOCK_NOT_ENOUGH", .code = 9}),
              ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.step(1).state, StepState::kRefused);
  tale.Ok(0, kCompensation);
  EXPECT_EQ(tale.saga().state, SagaState::kAborted);
  EXPECT_EQ(tale.saga().failure.reason, "STOCK_NOT_ENOUGH");
  EXPECT_EQ(tale.saga().failure.step, "b");
}

TEST(AdvanceStory, ARefusalWithoutTheTrailerIsCompensatedTooInReverse) {
  Tale tale(Sequence());
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, false), ElementsAre(Send{1, kCompensation, 1}));
  EXPECT_THAT(tale.Ok(1, kCompensation), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, AnUnknownOutcomeIsRetriedWithJitterAndThenCompensated) {
  Tale tale(Sequence());
  tale.Starts();
  EXPECT_THAT(tale.Unknown(0, kAction, 1), IsEmpty());
  EXPECT_EQ(tale.next_run(), tale.now() + absl::Milliseconds(50));  // half of the first 100 ms
  EXPECT_THAT(tale.Waits(absl::Milliseconds(49)), IsEmpty());
  EXPECT_TRUE(tale.stale());
  EXPECT_THAT(tale.Waits(absl::Milliseconds(1)), ElementsAre(Send{0, kAction, 2}));
  EXPECT_THAT(tale.Unknown(0, kAction, 2), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, PausesDoubleUpToTheCap) {
  Tale tale(AllRetriable());
  tale.Starts();
  const std::vector<int> millis = {50, 100, 200, 400, 800, 1600, 2500, 2500};
  for (std::size_t n = 0; n < millis.size(); ++n) {
    tale.Unknown(0, kAction, static_cast<int>(n) + 1);
    EXPECT_EQ(tale.next_run() - tale.now(), absl::Milliseconds(millis[n])) << "after send " << n + 1;
    tale.Waits(absl::Milliseconds(millis[n]));
  }
}

TEST(AdvanceStory, AnUnknownPivotIsResolvedAndItHappened) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Unknown(1, kAction), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_THAT(tale.Ok(1, kAction), IsEmpty());  // the late answer of the action is stale
  EXPECT_TRUE(tale.stale());
  EXPECT_THAT(tale.Unknown(1, kResolve, 1), IsEmpty());
  EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{1, kResolve, 2}));
  EXPECT_THAT(tale.Ok(1, kResolve, 2, "paid"), ElementsAre(Send{2, kAction, 1}));
  EXPECT_EQ(tale.step(1).reply, "paid");
}

TEST(AdvanceStory, AnUnknownPivotIsResolvedAndNeverHappened) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Unknown(1, kAction);
  const Failure never = {.reason = kReasonNeverHappened, .code = 9, .metadata = {{"cause", "PAYMENT_TIMEOUT"}}};
  EXPECT_THAT(tale.Refused(1, kResolve, 1, true, never), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.saga().failure.reason, "PAYMENT_TIMEOUT");
  EXPECT_THAT(tale.saga().failure.metadata, IsEmpty());
}

// The resolve of a call that was refused by validation only knows that it never came.
TEST(AdvanceStory, ARefusalsOwnReasonIsTheOneOfAPivotThatNeverHappened) {
  const Failure no = {.reason = "INVALID_REQUEST", .domain = "payment.shop", .code = 3, .message = "no such method"};
  const Failure never = {.reason = kReasonNeverHappened, .code = 9, .metadata = {{"cause", "PAYMENT_TIMEOUT"}}};
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, false, no), ElementsAre(Send{1, kResolve, 1}));
  tale.Unknown(1, kResolve);
  tale.Waits(absl::Seconds(1));
  EXPECT_THAT(tale.Refused(1, kResolve, 2, true, never), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.saga().failure.reason, "INVALID_REQUEST");
  EXPECT_EQ(tale.saga().failure.domain, "payment.shop");
  EXPECT_EQ(tale.saga().failure.code, 3);
  EXPECT_EQ(tale.saga().failure.message, "no such method");
}

TEST(AdvanceStory, ARefusalWithoutAReasonSaysLessThanTheCauseThatAResolveNames) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, false, {.code = 3}), ElementsAre(Send{1, kResolve, 1}));
  const Failure never = {.reason = kReasonNeverHappened, .code = 9, .metadata = {{"cause", "PAYMENT_TIMEOUT"}}};
  tale.Refused(1, kResolve, 1, true, never);
  EXPECT_EQ(tale.saga().failure.reason, "PAYMENT_TIMEOUT");
}

TEST(AdvanceStory, OfAPivotThatWasRefusedAndHappenedNoFailureIsLeft) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Refused(1, kAction, 1, false, {.reason = "NO", .domain = "d", .code = 9});
  tale.Ok(1, kResolve);
  EXPECT_EQ(tale.saga().failure, Failure());
}

TEST(AdvanceStory, APivotsFinalRefusalGoesBackAtOnceHoweverManyCopiesAreOut) {
  for (const bool resolvable : {true, false}) {
    Tale first(PivotInTheMiddle(resolvable));
    first.Starts();
    first.Ok(0, kAction);
    EXPECT_THAT(first.Refused(1, kAction, 1, true), ElementsAre(Send{0, kCompensation, 1}));

    Tale second(PivotInTheMiddle(resolvable));
    second.Starts();
    second.Ok(0, kAction);
    EXPECT_THAT(second.Happens(TakenOver{}), ElementsAre(Send{1, kAction, 2}));
    EXPECT_THAT(second.Refused(1, kAction, 2, true), ElementsAre(Send{0, kCompensation, 1}));
  }
}

TEST(AdvanceStory, APivotsRefusalWithoutTheTrailerIsResolved) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Refused(1, kAction, 1, false), ElementsAre(Send{1, kResolve, 1}));
}

TEST(AdvanceStory, AParticipantThatAsksForALongerPauseGetsItWithinLimits) {
  const auto pause_after = [](const Plan& plan, absl::Duration asked) {
    Tale tale(plan);
    tale.Starts();
    tale.AskedToWait(0, kAction, 1, asked);
    return tale.step(0).wake_at - tale.now();
  };
  EXPECT_EQ(pause_after(Sequence(), absl::Milliseconds(1)), absl::Milliseconds(50));  // half of the first 100 ms
  EXPECT_EQ(pause_after(Sequence(), absl::Seconds(3)), absl::Seconds(3));
  EXPECT_EQ(pause_after(Sequence(), absl::Hours(1)), absl::Minutes(1));
  Plan patient = Sequence();
  patient.steps[0].retry.cap = absl::Minutes(5);
  EXPECT_EQ(pause_after(patient, absl::Hours(1)), absl::Minutes(5));
}

TEST(AdvanceStory, ADeadlineDoesNotWaitForThePauseThatAParticipantAsksFor) {
  Tale tale(Sequence());
  tale.Starts();
  tale.AskedToWait(0, kAction, 1, absl::Minutes(1));
  EXPECT_EQ(tale.next_run(), tale.saga().deadline);
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, AStepThatIsRepeatedTakesAnOperatorsVerbAndItsLateAnswerIsStale) {
  const auto told = [](Verb verb) {
    return Operated{.verb = verb, .step = 0, .reply = {}, .actor = "ann", .reason = "x"};
  };
  Tale tale(Sequence());
  tale.Starts();
  tale.Unknown(0, kAction);
  EXPECT_THAT(tale.Happens(told(Verb::kRetry)), IsEmpty());  // its attempts end by themselves
  EXPECT_TRUE(tale.stale());
  tale.Waits(absl::Seconds(1));
  EXPECT_THAT(tale.Unknown(0, kAction, 2), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_THAT(tale.Happens(told(Verb::kSkip)), IsEmpty());  // it has not failed yet
  EXPECT_TRUE(tale.stale());
  tale.Unknown(0, kCompensation, 1);
  EXPECT_THAT(tale.Happens(told(Verb::kRetry)), ElementsAre(Send{0, kCompensation, 2}));  // at once
  EXPECT_THAT(tale.Happens(told(Verb::kRetry)), ElementsAre(Send{0, kCompensation, 3}));  // though one is out
  tale.Ok(0, kCompensation, 2);
  EXPECT_TRUE(tale.stale());
  tale.Happens(told(Verb::kSkip));
  EXPECT_EQ(tale.saga().state, SagaState::kAborted);
  tale.Ok(0, kCompensation, 3);
  EXPECT_TRUE(tale.stale());
}

TEST(AdvanceStory, AResolveThatNobodyAnswersIsEndedByAPersonEitherWay) {
  for (const Verb verb : {Verb::kResolve, Verb::kSkip}) {
    Tale tale(PivotInTheMiddle(true));
    tale.Starts();
    tale.Ok(0, kAction);
    tale.Unknown(1, kAction);
    tale.Unknown(1, kResolve, 1);
    tale.Waits(absl::Seconds(1));  // the second is out
    const auto sends = tale.Happens(Operated{.verb = verb, .step = 1, .reply = "paid", .actor = {}, .reason = {}});
    const bool forward = verb == Verb::kResolve;
    EXPECT_THAT(sends, ElementsAre(forward ? Send{2, kAction, 1} : Send{0, kCompensation, 1}));
    EXPECT_EQ(tale.step(1).reply, forward ? "paid" : "");
    tale.Refused(1, kResolve, 2, false);
    EXPECT_TRUE(tale.stale());
  }
}

TEST(AdvanceStory, AStepThatIsRepeatedForLongIsStuckAndTakesNoRoomFromNewSagas) {
  const Plan plan = Sequence();
  const auto compensating = [&plan] {
    Tale tale(plan);
    tale.Starts();
    tale.Ok(0, kAction);
    tale.Refused(1, kAction, 1, true);
    return tale;
  };
  Tale often = compensating();
  for (int n = 1; n <= plan.stuck_unknowns; ++n) {
    EXPECT_FALSE(IsStuck(plan, often.saga(), 0, often.now())) << n;
    EXPECT_TRUE(CountsAgainstAdmission(plan, often.saga())) << n;
    often.Unknown(0, kCompensation, n);
    often.Waits(absl::Seconds(5));
  }
  EXPECT_TRUE(IsStuck(plan, often.saga(), 0, often.now()));
  EXPECT_FALSE(CountsAgainstAdmission(plan, often.saga()));
  EXPECT_EQ(often.saga().state, SagaState::kCompensating);  // and is still repeated

  Tale slowly = compensating();
  slowly.Unknown(0, kCompensation, 1);
  EXPECT_FALSE(IsStuck(plan, slowly.saga(), 0, slowly.now() + plan.stuck_after - absl::Seconds(1)));
  EXPECT_TRUE(IsStuck(plan, slowly.saga(), 0, slowly.now() + plan.stuck_after));
  slowly.Ok(0, kCompensation, 1);
  slowly.Waits(plan.stuck_after);
  slowly.Ok(0, kCompensation, 2);
  EXPECT_FALSE(IsStuck(plan, slowly.saga(), 0, slowly.now()));
  EXPECT_FALSE(CountsAgainstAdmission(plan, slowly.saga()));  // it is over
}

TEST(AdvanceStory, ACallThatFailsForDaysIsRepeatedMoreAndMoreSeldom) {
  Tale tale(AllRetriable());
  tale.Starts();
  const absl::Time first = tale.now();
  int attempt = 1;
  for (; tale.now() < first + absl::Hours(24 * 25); ++attempt) {
    tale.Unknown(0, kAction, attempt);
    const absl::Duration pause = tale.next_run() - tale.now();
    ASSERT_LE(pause, std::max(absl::Seconds(5), (tale.now() - first) / 10)) << attempt;
    ASSERT_LE(pause, absl::Hours(1)) << attempt;
    tale.Waits(pause);
  }
  EXPECT_LT(attempt, 1500);  // and twice as many transitions
  EXPECT_GT(attempt, 1000);
}

TEST(AdvanceStory, WhatHasAttemptsIsRepeatedAtItsOwnPace) {
  Plan plan = Sequence();
  plan.deadline = absl::Hours(24);
  plan.steps[0].retry = {.attempts = 1000, .backoff = absl::Seconds(1), .cap = absl::Seconds(5)};
  Tale tale(std::move(plan));
  tale.Starts();
  for (int attempt = 1; attempt < 900; ++attempt) {
    tale.Unknown(0, kAction, attempt);
    ASSERT_LE(tale.next_run() - tale.now(), absl::Seconds(5)) << attempt;
    tale.Waits(absl::Seconds(5));
  }
}

TEST(AdvanceStory, AStepThatIsParkedOrOutForTheFirstTimeIsNotStuck) {
  const Plan plan = Sequence();
  Tale tale(plan);
  tale.Starts();
  EXPECT_FALSE(IsStuck(plan, tale.saga(), 0, tale.now() + absl::Hours(1)));
  tale.Refused(0, kAction, 1, false, {.reason = kReasonKeyReused, .code = 3});
  EXPECT_FALSE(IsStuck(plan, tale.saga(), 0, tale.now() + absl::Hours(1)));
  EXPECT_FALSE(CountsAgainstAdmission(plan, tale.saga()));
}

TEST(AdvanceStory, AConnectionThatEndsSpendsNoAttemptAndTheDeadlineStillCounts) {
  Tale tale(Sequence());  // two attempts
  tale.Starts();
  for (int attempt = 1; attempt <= 5; ++attempt) {
    EXPECT_THAT(tale.Cut(0, kAction, attempt), IsEmpty());
    EXPECT_GT(tale.next_run(), tale.now());
    EXPECT_THAT(tale.Waits(absl::Seconds(2)), ElementsAre(Send{0, kAction, attempt + 1}));
  }
  EXPECT_THAT(tale.Unknown(0, kAction, 6), IsEmpty());  // the first that counts
  tale.Waits(absl::Seconds(3));
  EXPECT_THAT(tale.Cut(0, kAction, 7), IsEmpty());
  EXPECT_THAT(tale.Waits(absl::Seconds(30)), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(tale.saga().failure.reason, "SAGA_DEADLINE");
}

TEST(AdvanceStory, APivotWhoseConnectionEndedIsSentOnceMoreAndThenResolved) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Cut(1, kAction), IsEmpty());
  EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{1, kAction, 2}));
  EXPECT_THAT(tale.Cut(1, kAction, 2), ElementsAre(Send{1, kResolve, 1}));
}

// ---- follow-ups (S17)

TEST(AdvanceStory, ABornSagaWaitsUntilItIsStarted) {
  Tale tale(Sequence());
  EXPECT_THAT(tale.Happens(Born{}), IsEmpty());
  EXPECT_TRUE(IsUnstarted(tale.saga()));
  EXPECT_EQ(tale.saga().state, SagaState::kRunning);
  EXPECT_EQ(tale.next_run(), absl::InfiniteFuture());
  const absl::Time born = tale.now();
  EXPECT_THAT(tale.Waits(absl::Hours(1)), IsEmpty()) << "its deadline does not run yet";
  EXPECT_TRUE(tale.stale());
  EXPECT_THAT(tale.Happens(TakenOver{}), IsEmpty()) << "nor does a new owner start it";
  EXPECT_TRUE(tale.stale());
  EXPECT_THAT(tale.Happens(Born{}), IsEmpty());
  EXPECT_TRUE(tale.stale());
  EXPECT_THAT(tale.Starts(), ElementsAre(Send{0, kAction, 1}));
  EXPECT_FALSE(IsUnstarted(tale.saga()));
  EXPECT_EQ(tale.saga().create_time, born);
  EXPECT_GT(tale.saga().deadline, tale.now());
  EXPECT_THAT(tale.Starts(), IsEmpty());
  EXPECT_TRUE(tale.stale());
}

TEST(AdvanceStory, ABornSagaThatIsCancelledHasDoneNothing) {
  Tale tale(Sequence());
  tale.Happens(Born{});
  EXPECT_THAT(tale.Happens(CancelRequested{"kim", "no"}), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kAborted);
  EXPECT_EQ(tale.saga().failure.reason, "SAGA_CANCELLED");
}

TEST(AdvanceStory, ASagaThatIsBornParkedWaitsForAPersonAndThenEnds) {
  Tale tale(Sequence());
  tale.Happens(Born{.parked_step = 0, .why_parked = {.reason = "PARENT_NOT_READ"}});
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
  EXPECT_FALSE(IsUnstarted(tale.saga()));
  EXPECT_THAT(tale.Happens(Operated{Verb::kSkip, 0, "", "kim", "done by hand"}), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kAborted);
}

TEST(AdvanceStory, TheDeadlineOfASagaThatIsBornParkedRunsFromWhenAPersonMovesIt) {
  Tale tale(PivotInTheMiddle(true));
  tale.Happens(Born{.parked_step = 0, .why_parked = {.reason = "PARENT_NOT_READ"}});
  EXPECT_EQ(tale.next_run(), absl::InfiniteFuture()) << "it waits for a person for as long as it takes";
  tale.Sleeps(absl::Hours(1));
  EXPECT_THAT(tale.Happens(Operated{Verb::kResolve, 0, "r", "kim", "done by hand"}), ElementsAre(Send{1, kAction, 1}));
  EXPECT_EQ(tale.saga().deadline, tale.now() + tale.plan().deadline);
  EXPECT_THAT(tale.Waits(tale.plan().deadline), ElementsAre(Send{1, kResolve, 1}));
}

// However often it is taken over.
TEST(AdvanceStory, OfASagaThatIsBornParkedNothingIsSentBeforeAPersonMovesIt) {
  Plan plan = AllRetriable();
  plan.steps[1].after.clear();
  Tale tale(plan);
  tale.Happens(Born{.parked_step = 0, .why_parked = {.reason = "PARENT_NOT_READ"}});
  EXPECT_THAT(tale.Happens(TakenOver{}), IsEmpty());
  EXPECT_THAT(tale.Happens(CancelRequested{"kim", "no"}), IsEmpty());
  EXPECT_EQ(tale.step(1).state, StepState::kPending);
  EXPECT_THAT(tale.Happens(Operated{Verb::kSkip, 0, "", "kim", "done by hand"}), Contains(Send{1, kAction, 1}));
}

TEST(AdvanceStory, APivotThatWasTakenOverIsResolvedWhenItsConnectionEnds) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{1, kAction, 2}));
  EXPECT_THAT(tale.Cut(1, kAction, 2), ElementsAre(Send{1, kResolve, 1}));
}

TEST(AdvanceStory, ADeadlineDoesNotWaitForTheSecondSendOfAPivot) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Sleeps(absl::Seconds(30) - absl::Milliseconds(1));
  EXPECT_THAT(tale.Cut(1, kAction), IsEmpty());
  EXPECT_EQ(tale.next_run(), tale.saga().deadline);
  EXPECT_THAT(tale.Waits(absl::Milliseconds(1)), ElementsAre(Send{1, kResolve, 1}));
}

TEST(AdvanceStory, AStepSaysWhyItsLastCallFailedAndSinceWhenItIsSent) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  const absl::Time first = tale.now();
  EXPECT_EQ(tale.step(0).first_send_time, first);
  EXPECT_EQ(tale.step(1).first_send_time, absl::InfiniteFuture());
  tale.Unknown(0, kAction, 1, {.reason = "BUSY", .code = 8});
  tale.Waits(absl::Seconds(1));
  EXPECT_EQ(tale.step(0).first_send_time, first);
  EXPECT_EQ(tale.step(0).last_failure.reason, "BUSY");
  EXPECT_EQ(tale.step(0).last_failure.step, "a");
  tale.Ok(0, kAction, 2);
  EXPECT_EQ(tale.step(0).last_failure, Failure());
  tale.Unknown(1, kAction);
  EXPECT_EQ(tale.step(1).first_send_time, tale.now());  // of the resolve
  EXPECT_EQ(tale.step(1).unknowns, 0);
}

TEST(AdvanceStory, ATakeoverSpendsNoAttempt) {
  Tale tale(Sequence());
  tale.Starts();
  for (int attempt = 2; attempt <= 5; ++attempt) {
    EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{0, kAction, attempt}));
  }
  EXPECT_THAT(tale.Unknown(0, kAction, 5), IsEmpty());
  tale.Waits(absl::Seconds(2));
  EXPECT_THAT(tale.Unknown(0, kAction, 6), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, APivotWithoutResolveIsRepeatedAndNeverGoesBack) {
  Tale tale(PivotInTheMiddle(false));
  tale.Starts();
  tale.Ok(0, kAction);
  for (int attempt = 1; attempt <= 10; ++attempt) {
    EXPECT_THAT(tale.Unknown(1, kAction, attempt), IsEmpty());
    EXPECT_THAT(tale.Waits(absl::Seconds(100)), ElementsAre(Send{1, kAction, attempt + 1}));
  }
  EXPECT_EQ(tale.saga().state, SagaState::kRunning);
}

TEST(AdvanceStory, ADeadlineBeforeThePivotGoesBackAfterItAsksForResolve) {
  Tale before(PivotInTheMiddle(true));
  before.Starts();
  EXPECT_EQ(before.next_run(), before.now() + absl::Seconds(30));
  EXPECT_THAT(before.Waits(absl::Seconds(30)), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(before.saga().failure.reason, "SAGA_DEADLINE");

  Tale after(PivotInTheMiddle(true));
  after.Starts();
  after.Ok(0, kAction);
  EXPECT_THAT(after.Waits(absl::Seconds(30)), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_EQ(after.next_run(), absl::InfiniteFuture());
}

TEST(AdvanceStory, ACancelBeforeThePivotGoesBackAfterItAsksForResolve) {
  Tale before(PivotInTheMiddle(true));
  before.Starts();
  EXPECT_THAT(before.Happens(CancelRequested{}), ElementsAre(Send{0, kCompensation, 1}));
  EXPECT_EQ(before.saga().failure.reason, "SAGA_CANCELLED");

  Tale after(PivotInTheMiddle(true));
  after.Starts();
  after.Ok(0, kAction);
  EXPECT_THAT(after.Happens(CancelRequested{}), ElementsAre(Send{1, kResolve, 1}));
  EXPECT_THAT(after.Ok(1, kResolve), ElementsAre(Send{2, kAction, 1}));
  EXPECT_EQ(after.saga().state, SagaState::kRunning);
}

TEST(AdvanceStory, ADiamondRunsItsSidesTogetherAndUndoesThemBeforeItsTop) {
  Tale tale(DiamondBeforePivot());
  tale.Starts();
  EXPECT_THAT(tale.Ok(0, kAction), ElementsAre(Send{1, kAction, 1}, Send{2, kAction, 1}));
  EXPECT_THAT(tale.Ok(1, kAction), IsEmpty());
  EXPECT_THAT(tale.Refused(2, kAction, 1, true), ElementsAre(Send{1, kCompensation, 1}));
  EXPECT_THAT(tale.Ok(1, kCompensation), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, ASkippedPivotCountsAsPassed) {
  Tale tale(SkippedPivot());
  tale.Starts();
  EXPECT_THAT(tale.Ok(0, kAction), ElementsAre(Send{2, kAction, 1}));
  EXPECT_THAT(tale.Happens(CancelRequested{}), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kRunning);
}

TEST(AdvanceStory, ACompensationThatNeedsItsOwnReplyWaitsUntilThatIsKnown) {
  Tale tale(OwnReply());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Unknown(1, kAction, 1);
  tale.Waits(absl::Seconds(1));
  EXPECT_THAT(tale.Unknown(1, kAction, 2), IsEmpty());  // out of attempts: goes back, and asks on
  EXPECT_EQ(tale.saga().state, SagaState::kCompensating);
  EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{1, kAction, 3}));
  EXPECT_THAT(tale.Ok(1, kAction, 3), ElementsAre(Send{1, kCompensation, 1}));
}

TEST(AdvanceStory, ACompensationRefusedTooOftenParksUntilAnOperatorRetries) {
  Tale tale(Sequence());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Refused(1, kAction, 1, true);
  tale.Refused(0, kCompensation, 1, false);
  tale.Waits(absl::Seconds(1));
  tale.Refused(0, kCompensation, 2, false);
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
  EXPECT_EQ(tale.next_run(), absl::InfiniteFuture());
  EXPECT_THAT(tale.Happens(Operated{.verb = Verb::kRetry, .step = 0, .reply = {}, .actor = "ann", .reason = "fixed"}),
              ElementsAre(Send{0, kCompensation, 3}));
  EXPECT_EQ(tale.saga().state, SagaState::kCompensating);
}

TEST(AdvanceStory, AKeyUsedForAnotherPayloadParksAtOnce) {
  Tale tale(Sequence());
  tale.Starts();
  EXPECT_THAT(tale.Refused(0, kAction, 1, false, {.reason = kReasonKeyReused, .code = 3}), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
}

// Whatever a resolve is told but NEVER_HAPPENED says nothing of the pivot.
TEST(AdvanceStory, AResolveThatIsToldOfAReusedKeyIsAskedAgain) {
  Tale tale(PivotInTheMiddle(true));
  tale.Starts();
  tale.Ok(0, kAction);
  EXPECT_THAT(tale.Unknown(1, kAction), ElementsAre(Send{1, kResolve, 1}));
  tale.Unknown(1, kResolve, 1, {.reason = kReasonKeyReused, .code = 3});
  EXPECT_EQ(tale.saga().state, SagaState::kRunning);
  EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{1, kResolve, 2}));
}

TEST(AdvanceStory, AFencedActionGoesBackAndIsCompensated) {
  Tale tale(Sequence());
  tale.Starts();
  EXPECT_THAT(tale.Fenced(0, kAction), ElementsAre(Send{0, kCompensation, 1}));
}

TEST(AdvanceStory, WhatItsActionWasRefusedDoesNotCountAgainstACompensation) {
  Plan plan = Sequence();
  plan.steps[0].compensation_reads_own_reply = true;
  Tale tale(std::move(plan));
  tale.Starts();
  EXPECT_THAT(tale.Fenced(0, kAction), IsEmpty());  // of the two refusals that park a step
  EXPECT_THAT(tale.Waits(absl::Seconds(1)), ElementsAre(Send{0, kAction, 2}));
  EXPECT_THAT(tale.Ok(0, kAction, 2), ElementsAre(Send{0, kCompensation, 1}));
  tale.Refused(0, kCompensation, 1, false);
  EXPECT_EQ(tale.saga().state, SagaState::kCompensating);
  tale.Waits(absl::Seconds(1));
  tale.Refused(0, kCompensation, 2, false);
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
}

TEST(AdvanceStory, AnAncientSagaSendsNothingAndParks) {
  Tale tale(AllRetriable());
  tale.Starts();
  tale.Unknown(0, kAction, 1);
  EXPECT_THAT(tale.Waits(absl::Hours(24 * 26)), IsEmpty());
  EXPECT_EQ(tale.saga().state, SagaState::kParked);
  EXPECT_EQ(tale.saga().failure.reason, "SAGA_TOO_OLD");
}

// Lists and filters go by the step: what the participant answered before is not why it waits for a person.
TEST(AdvanceStory, AStepOfAnAncientSagaSaysThatItsAgeParkedIt) {
  Tale forward(AllRetriable());
  forward.Starts();
  forward.Unknown(0, kAction, 1);
  forward.Waits(absl::Hours(24 * 26));
  EXPECT_EQ(forward.saga().steps[0].last_failure.reason, "SAGA_TOO_OLD");
  Tale backward(Sequence());
  backward.Starts();
  backward.Fenced(0, kAction);
  backward.Refused(0, kCompensation, 1, false);
  backward.Waits(absl::Hours(24 * 26));
  EXPECT_EQ(backward.saga().state, SagaState::kParked);
  EXPECT_EQ(backward.saga().steps[0].last_failure.reason, "SAGA_TOO_OLD");
  EXPECT_EQ(backward.saga().steps[0].last_failure.step, Sequence().steps[0].name);
  EXPECT_NE(backward.saga().failure.reason, "SAGA_TOO_OLD");
}

TEST(AdvanceStory, AnAncientSagaIsNotRetriedByAPersonEither) {
  Tale tale(AllRetriable());
  tale.Starts();
  tale.Unknown(0, kAction, 1);
  tale.Waits(absl::Hours(24 * 26));
  EXPECT_THAT(tale.Happens(Operated{Verb::kRetry, 0, "", "kim", "it is up again"}), IsEmpty());
  EXPECT_TRUE(tale.stale());
  tale.Happens(Operated{Verb::kResolve, 0, "reply", "kim", "it is in their books"});
  EXPECT_EQ(tale.saga().steps[0].state, StepState::kSucceeded);
}

TEST(AdvanceStory, ATakeoverResendsWhatWasAwaited) {
  Tale tale(DiamondBeforePivot());
  tale.Starts();
  tale.Ok(0, kAction);
  tale.Ok(1, kAction);
  EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{2, kAction, 2}));
  EXPECT_THAT(tale.Ok(2, kAction, 1), IsEmpty());
  EXPECT_TRUE(tale.stale());
}

TEST(AdvanceStory, ATakeoverPastTheDeadlineDoesNotResendWhatItAbandons) {
  Tale tale(Sequence());
  tale.Starts();
  tale.Sleeps(absl::Seconds(31));
  EXPECT_THAT(tale.Happens(TakenOver{}), ElementsAre(Send{0, kCompensation, 1}));
}

}  // namespace
}  // namespace unwind
