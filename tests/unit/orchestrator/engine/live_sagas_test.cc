// The sagas in memory alone: their timers, their waiters' deadlines, and the count of what is in flight.
#include "orchestrator/engine/live_sagas.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

class LiveSagasTest : public testing::Test {
 protected:
  LiveSaga& Insert(const std::string& id) {
    Saga saga;
    saga.id = id;
    saga.steps.resize(definition_->plan().steps.size());
    return live_.Insert(std::move(saga), definition_);
  }
  static Waiter Until(absl::Time answer_by) {
    return {.answer_by = answer_by, .accepted = nullptr, .answered = [](const Progress&) {}};
  }

  const std::shared_ptr<const Definition> definition_ = std::make_shared<PlainDefinition>(Sequence());
  Admission admission_{100, 2, 1};
  MemoryBudget memory_{1 << 20};
  LiveSagas live_{admission_, memory_};
};

TEST_F(LiveSagasTest, FindsWhatWasInsertedUntilItIsRemoved) {
  LiveSaga& live = Insert("a");
  EXPECT_EQ(live_.Find("a"), &live);
  live_.AddWaiter(live, Until(kNow));
  live_.AddWaiter(live, Until(absl::InfiniteFuture()));
  EXPECT_THAT(live_.Remove(live), SizeIs(2));
  EXPECT_EQ(live_.Find("a"), nullptr);
  EXPECT_EQ(live_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(LiveSagasTest, OnlyCountedSagasAreInFlightAndEachOnce) {
  LiveSaga& a = Insert("a");
  LiveSaga& b = Insert("b");
  EXPECT_EQ(admission_.in_flight(), 0u);
  live_.Count(a, true);
  live_.Count(a, true);
  live_.Count(b, true);
  EXPECT_EQ(admission_.in_flight(), 2u);
  live_.Count(b, false);
  live_.Remove(a);
  live_.Remove(b);
  EXPECT_EQ(admission_.in_flight(), 0u);
}

TEST_F(LiveSagasTest, ASagaHasOneTimerAndTheEarliestIsTakenFirst) {
  LiveSaga& a = Insert("a");
  LiveSaga& b = Insert("b");
  live_.SetTimer(a, kNow + absl::Seconds(3));
  live_.SetTimer(a, kNow + absl::Seconds(2));
  live_.SetTimer(b, kNow + absl::Seconds(1));
  EXPECT_EQ(live_.NextTimer(), kNow + absl::Seconds(1));
  EXPECT_EQ(live_.TakeDue(kNow), nullptr);
  EXPECT_EQ(live_.TakeDue(kNow + absl::Seconds(5)), &b);
  EXPECT_EQ(live_.TakeDue(kNow + absl::Seconds(5)), &a);
  EXPECT_EQ(live_.TakeDue(kNow + absl::Seconds(5)), nullptr);
  EXPECT_EQ(a.timer_at, absl::InfiniteFuture());
}

TEST_F(LiveSagasTest, ARemovedSagaIsNeverDue) {
  LiveSaga& a = Insert("a");
  live_.SetTimer(a, kNow);
  live_.Remove(a);
  EXPECT_EQ(live_.TakeDue(kNow), nullptr);
}

TEST_F(LiveSagasTest, WhatOnlyWaitsForAnOperatorHasNoTimerAndIsNotInFlight) {
  LiveSaga& live = Insert("a");
  live.saga.steps[0].state = StepState::kInFlight;
  live.saga.steps[0].awaiting = true;
  live.saga.steps[0].first_send_time = live.saga.update_time = kNow;
  live_.Schedule(live);
  EXPECT_EQ(admission_.in_flight(), 1u);
  live.saga.steps[0].awaiting = false;
  live.saga.steps[0].wake_at = kNow;
  live_.Schedule(live);
  EXPECT_EQ(live_.NextTimer(), kNow);
  EXPECT_EQ(admission_.in_flight(), 1u);
  live.saga.steps[0].wake_at = absl::InfiniteFuture();
  live.saga.steps[0].parked = true;
  live_.Schedule(live);
  EXPECT_EQ(live_.NextTimer(), absl::InfiniteFuture());
  EXPECT_EQ(admission_.in_flight(), 0u);
  EXPECT_TRUE(LiveSagas::IsIdle(live, kNow));
  live_.AddWaiter(live, Until(kNow));
  EXPECT_FALSE(LiveSagas::IsIdle(live, kNow));
}

TEST_F(LiveSagasTest, WhatIsStuckIsNotInFlightAndGoesOnBeingRepeated) {
  LiveSaga& live = Insert("a");
  Step& step = live.saga.steps[0];
  step.state = StepState::kCompensating;
  step.phase = Phase::kCompensation;
  step.sends[static_cast<std::size_t>(Phase::kCompensation)] = 50;
  step.unknowns = definition_->plan().stuck_unknowns;
  step.wake_at = kNow;
  live.saga.backward = true;
  live_.Schedule(live);
  EXPECT_EQ(admission_.in_flight(), 0u);
  EXPECT_EQ(live_.NextTimer(), kNow);
  EXPECT_FALSE(LiveSagas::IsIdle(live, kNow));
}

TEST_F(LiveSagasTest, StuckSagasAreCountedByDefinitionWhileTheyAreDrivenHere) {
  const auto stuck = [&](const std::string& id) -> LiveSaga& {
    LiveSaga& live = Insert(id);
    live.saga.definition = "place-order";
    Step& step = live.saga.steps[0];
    step.state = StepState::kCompensating;
    step.phase = Phase::kCompensation;
    step.sends[static_cast<std::size_t>(Phase::kCompensation)] = 50;
    step.unknowns = definition_->plan().stuck_unknowns;
    step.wake_at = kNow;
    live.saga.backward = true;
    return live;
  };
  const auto counted = [&] { return admission_.stuck().at("place-order"); };
  LiveSaga &a = stuck("a"), &b = stuck("b"), &c = stuck("c");
  for (LiveSaga* const live : {&a, &b, &c, &a}) live_.Schedule(*live);
  EXPECT_EQ(counted(), 3u);
  a.saga.steps[0].state = StepState::kCompensated;
  live_.Schedule(a);
  EXPECT_EQ(counted(), 2u);
  live_.Uncount(b);  // another instance drives it
  EXPECT_EQ(counted(), 1u);
  live_.Remove(b);
  live_.Remove(c);
  EXPECT_EQ(counted(), 0u);
}

TEST_F(LiveSagasTest, WaitingSagasAreCountedByDefinitionWhileTheyAreDrivenHere) {
  // Going back, so that nothing but its answer ends the wait.
  const auto waiting = [&](const std::string& id, absl::Time since) -> LiveSaga& {
    LiveSaga& live = Insert(id);
    live.saga.definition = "place-order";
    Step& step = live.saga.steps[0];
    step.state = StepState::kWaiting;
    step.phase = Phase::kCompensation;
    step.first_send_time = since;
    step.wake_at = kNow;
    live.saga.backward = true;
    live_.Schedule(live);
    return live;
  };
  const auto counted = [&] { return admission_.waiting().at("place-order"); };
  const auto oldest = [&] { return admission_.oldest_waits().at("place-order"); };
  LiveSaga &a = waiting("a", kNow - absl::Hours(2)), &b = waiting("b", kNow - absl::Hours(3)), &c = waiting("c", kNow);
  live_.Schedule(a);
  EXPECT_EQ(counted(), 3u);
  EXPECT_EQ(oldest(), kNow - absl::Hours(3));
  b.saga.steps[0].state = StepState::kCompensated;
  live_.Schedule(b);
  EXPECT_EQ(counted(), 2u);
  EXPECT_EQ(oldest(), kNow - absl::Hours(2));
  live_.Uncount(a);  // another instance drives it
  EXPECT_EQ(oldest(), kNow);
  for (LiveSaga* const live : {&a, &b, &c}) live_.Remove(*live);
  EXPECT_EQ(counted(), 0u);
  EXPECT_EQ(oldest(), absl::InfiniteFuture());
}

TEST_F(LiveSagasTest, TakenWaitersHaveNoDeadline) {
  LiveSaga& live = Insert("a");
  live_.AddWaiter(live, Until(kNow));
  EXPECT_THAT(live_.TakeWaiters(live), SizeIs(1));
  EXPECT_EQ(live_.NextDeadline(), absl::InfiniteFuture());
  EXPECT_EQ(live_.Find("a"), &live);
}

TEST_F(LiveSagasTest, OnlyWaitersWhoseTimeIsUpAreTaken) {
  LiveSaga& live = Insert("a");
  live_.AddWaiter(live, Until(kNow));
  live_.AddWaiter(live, Until(kNow - absl::Seconds(1)));
  live_.AddWaiter(live, Until(kNow + absl::Seconds(1)));
  live_.AddWaiter(live, Until(absl::InfiniteFuture()));
  std::vector<Waiter> expired;
  EXPECT_EQ(live_.TakeExpired(kNow - absl::Seconds(2), expired), nullptr);
  EXPECT_EQ(live_.TakeExpired(kNow, expired), &live);
  EXPECT_THAT(expired, SizeIs(2));
  EXPECT_EQ(live_.TakeExpired(kNow, expired), nullptr);
  EXPECT_EQ(live_.NextDeadline(), kNow + absl::Seconds(1));
  EXPECT_THAT(live.waiters, SizeIs(2));
}

TEST_F(LiveSagasTest, PayloadsAreCountedTogetherAndDroppedAboveTheirBudget) {
  LiveSaga& small = Insert("a");
  LiveSaga& large = Insert("b");
  EXPECT_FALSE(live_.Weigh(small));
  large.saga.input.assign(900 << 10, 'x');
  large.saga.steps[0].awaiting = true;
  EXPECT_FALSE(live_.Weigh(large));
  EXPECT_GT(memory_.bytes(), 900u << 10);
  small.saga.steps[0].reply.assign(200 << 10, 'x');
  EXPECT_TRUE(live_.Weigh(small));
  EXPECT_TRUE(small.shed);
  EXPECT_EQ(small.saga.id, "a");
  EXPECT_TRUE(small.saga.steps.empty());
  EXPECT_LT(memory_.bytes(), 1u << 20);
  live_.Shed(large);
  EXPECT_LT(large.saga.input.capacity(), 100u);
  EXPECT_EQ(memory_.bytes(), 0u);
  EXPECT_TRUE(LiveSagas::IsIdle(small, kNow));
  EXPECT_FALSE(LiveSagas::IsIdle(large, kNow));  // it awaits a call
}

TEST_F(LiveSagasTest, ARemovedSagaGivesItsMemoryBack) {
  LiveSaga& a = Insert("a");
  EXPECT_GT(memory_.bytes(), 0u);
  live_.Remove(a);
  EXPECT_EQ(memory_.bytes(), 0u);
}

TEST_F(LiveSagasTest, StuckSagasTakeNoRoomUntilTheyAreVeryMany) {
  std::vector<LiveSaga*> sagas;
  for (const char* const id : {"a", "b", "c"}) {
    LiveSaga& live = Insert(id);
    live.saga.backward = true;
    live.saga.steps[0].state = StepState::kCompensating;
    live.saga.steps[0].phase = Phase::kCompensation;
    live.saga.steps[0].unknowns = 20;
    live.saga.steps[0].wake_at = kNow;
    live_.Count(live, true);
    live_.Schedule(live);
    sagas.push_back(&live);
  }
  EXPECT_EQ(admission_.stuck()[""], 3u);
  EXPECT_EQ(admission_.in_flight(), 1u);  // two have a place as stuck ones
  live_.Remove(*sagas[0]);
  live_.Schedule(*sagas[2]);
  EXPECT_EQ(admission_.in_flight(), 0u);
  live_.Remove(*sagas[1]);
  live_.Remove(*sagas[2]);
  EXPECT_TRUE(admission_.TryEnterStuck("a") && admission_.TryEnterStuck("a"));
}

}  // namespace
}  // namespace unwind
