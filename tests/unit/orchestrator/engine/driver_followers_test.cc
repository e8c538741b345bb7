// The driver and what sagas' ends give birth to (S17): children are born with the end, wait for their turn, and are
// started once.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/engine/driver.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kParent[] = "place-order", kFollower[] = "after-order";

Plan Named(Plan plan, const std::string& name) {
  plan.name = name;
  plan.version = 1;
  for (StepPlan& step : plan.steps) step.name = absl::StrCat(name, "_", step.name);  // a method of its own
  return plan;
}

class DriverFollowersTest : public testing::Test {
 protected:
  DriverFollowersTest() {
    parent_ = std::make_shared<PlainDefinition>(Named(Sequence(), kParent));
    auto follower = std::make_shared<PlainDefinition>(Named(AllRetriable(), kFollower));
    follower->set_follows(
        {.parents = {kParent}, .on = SagaState::kCompleted, .reasons = {}, .type = nullptr, .place = ""});
    follower_ = follower;
    EXPECT_TRUE(catalog_.Add(parent_).ok());
    EXPECT_TRUE(catalog_.Add(follower_).ok());
    EXPECT_TRUE(store_.PutDefinition({kFollower, 1, "h", "y", "d"}).ok());
    EXPECT_TRUE(store_.PutFollowers(0, {Row()}).ok());
    Live();
  }

  Follower Row() const {
    Follower row;
    row.parent = {kParent, 1};
    row.definition = {kFollower, 1};
    row.steps = static_cast<int>(follower_->plan().steps.size());
    return row;
  }

  // Another life of the process; calls of the follower are answered only if they may be.
  void Live(const std::string& instance = "one") {
    driver_ = nullptr;
    lease_ = *store_.Acquire(instance, "", absl::Seconds(15));
    driver_ = std::make_unique<Driver>(store_, participants_, catalog_, clock_, observer_, lease_,
                                       DriverOptions{.followers_max = 2, .seed = ++lives_});
    EXPECT_TRUE(driver_->ReadPauses().ok());
    EXPECT_TRUE(driver_->Recover().ok());
  }
  void Turns() {
    for (int n = 0; n < 100 && driver_->Turn(); ++n) continue;
  }
  void Accept(const std::string& key) {
    driver_->Accept({.definition = parent_, .key = key, .input = "", .input_hash = "h", .trace = {}},
                    absl::InfiniteFuture(), nullptr, [this](const Progress&) { ++answers_; });
  }
  void End(int parents) {
    for (int i = 0; i < parents; ++i) Accept(absl::StrCat("k", ++keys_));
    Turns();
  }
  Driver::Swept Start() {
    const auto started = driver_->StartFollowers();
    EXPECT_TRUE(started.ok()) << started.status();
    Turns();
    return started.value_or(Driver::Swept());
  }
  std::vector<Saga> Children() { return store_.List({.definition = kFollower, .limit = 1000})->sagas; }
  std::int64_t Unstarted() {
    const std::vector<Saga> children = Children();
    return std::count_if(children.begin(), children.end(), IsUnstarted);
  }
  std::int64_t In(SagaState state) {
    const std::vector<Saga> children = Children();
    return std::count_if(children.begin(), children.end(), [&](const Saga& saga) { return saga.state == state; });
  }
  // Its next reply is its last.
  static bool IsLastCall(const Saga& saga) { return saga.steps.back().state == StepState::kInFlight; }

  std::int64_t FirstCalls() {
    const std::vector<std::string> paths = participants_.paths();
    return std::count(paths.begin(), paths.end(), follower_->methods(0).action);
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  CountingObserver observer_;
  ManualClock clock_;
  bool follower_is_answered_ = true;
  std::shared_ptr<const Definition> parent_, follower_;
  ScriptedParticipants participants_{[this](const Call& call) -> std::optional<CallResult> {
    const bool is_followers = call.kind == StepKind::kRetriable;
    if (is_followers && !follower_is_answered_) return std::nullopt;
    return OkResult();
  }};
  std::uint64_t lives_ = 0;
  int keys_ = 0, answers_ = 0;
  Lease lease_;
  std::unique_ptr<Driver> driver_;
};

TEST_F(DriverFollowersTest, WhatFollowsIsStartedOnceItsTurnHasCome) {
  End(1);
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(Unstarted(), 1);
  EXPECT_EQ(FirstCalls(), 0);
  EXPECT_EQ(observer_.started, 1);
  EXPECT_EQ(Start().sagas, 1);
  EXPECT_EQ(In(SagaState::kCompleted), 1);
  EXPECT_EQ(FirstCalls(), 1);
  EXPECT_EQ(observer_.started, 2);
  EXPECT_EQ(observer_.recovered, 0) << "nothing of it was lost";
  EXPECT_EQ(Start().sagas, 0);
  EXPECT_EQ(driver_->in_flight(), 0u);
}

TEST_F(DriverFollowersTest, OnlySoManyAreDrivenAtATime) {
  follower_is_answered_ = false;
  End(5);
  EXPECT_EQ(Unstarted(), 5);
  EXPECT_TRUE(Start().may_be_more);
  EXPECT_EQ(Unstarted(), 3);
  EXPECT_EQ(Start().sagas, 0);
  EXPECT_EQ(Unstarted(), 3);
  EXPECT_EQ(driver_->in_flight(), 2u);
  follower_is_answered_ = true;
  Live();  // the calls that were out are made again
  Turns();
  EXPECT_EQ(In(SagaState::kCompleted), 2);
  while (Start().sagas > 0) continue;
  EXPECT_EQ(In(SagaState::kCompleted), 5);
  EXPECT_EQ(observer_.recovered, 2);
}

// Whatever stands still, of whatever definition, is looked for beside them.
TEST_F(DriverFollowersTest, WhatIsQuarantinedMakesNoRoom) {
  for (const char* key : {"s1", "s2", "s3"}) {
    store_.Refuse("none");
    Accept(key);
    driver_->Turn();
    store_.Refuse(key);
    Turns();
  }
  store_.Refuse("none");
  EXPECT_EQ(observer_.quarantined, 3);
  follower_is_answered_ = false;
  End(6);
  Start();
  EXPECT_EQ(Unstarted(), 4);
}

// One whose start the store refuses stands in nobody's way.
TEST_F(DriverFollowersTest, AChildThatIsQuarantinedLeavesTheOthersTheirTurn) {
  End(4);
  std::vector<Saga> children = Children();
  const auto is_older = [](const Saga& a, const Saga& b) { return a.id < b.id; };
  store_.Refuse(std::min_element(children.begin(), children.end(), is_older)->id);
  for (int n = 0; n < 10; ++n) Start();
  EXPECT_EQ(observer_.quarantined, 1);
  EXPECT_EQ(Unstarted(), 1);
  EXPECT_EQ(In(SagaState::kCompleted), 3);
}

// No mail brings a child to its shard; its owner finds it.
TEST_F(DriverFollowersTest, ARestartLeavesThemToTheirTurn) {
  End(3);
  Live();
  Turns();
  EXPECT_EQ(Unstarted(), 3);
  EXPECT_EQ(FirstCalls(), 0);
  while (Start().sagas > 0) continue;
  EXPECT_EQ(In(SagaState::kCompleted), 3);
  EXPECT_EQ(FirstCalls(), 3);
}

TEST_F(DriverFollowersTest, ATakeoverLeavesThemToTheirTurn) {
  End(3);
  ASSERT_TRUE(store_.Release(lease_).ok());
  Live("two");
  EXPECT_EQ(*driver_->Claim(10), 3);
  Turns();
  EXPECT_EQ(Unstarted(), 3);
  while (Start().sagas > 0) continue;
  EXPECT_EQ(In(SagaState::kCompleted), 3);
  EXPECT_EQ(FirstCalls(), 3);
}

// The clock of who ended the parent was ahead, or this one was set back since.
TEST_F(DriverFollowersTest, AClockThatIsBehindDelaysNobodysTurn) {
  End(1);
  clock_.Advance(-absl::Hours(1));
  EXPECT_EQ(Start().sagas, 1);
  EXPECT_EQ(In(SagaState::kCompleted), 1);
}

TEST_F(DriverFollowersTest, OfADefinitionThatIsPausedNoneIsStartedAndAllAreBorn) {
  ASSERT_TRUE(store_.PutPause(kFollower, "kim", "the books are closed").ok());
  ASSERT_TRUE(driver_->ReadPauses().ok());
  End(2);
  EXPECT_EQ(Start().sagas, 0);
  EXPECT_EQ(Unstarted(), 2);
  ASSERT_TRUE(store_.RemovePause(kFollower).ok());
  ASSERT_TRUE(driver_->ReadPauses().ok());
  EXPECT_EQ(Start().sagas, 2);
  EXPECT_EQ(In(SagaState::kCompleted), 2);
}

TEST_F(DriverFollowersTest, OneThatWaitsForItsTurnMayBeCancelled) {
  auto follower = std::make_shared<PlainDefinition>(Named(Sequence(), "undoable"));
  follower->set_follows(
      {.parents = {kParent}, .on = SagaState::kCompleted, .reasons = {}, .type = nullptr, .place = ""});
  ASSERT_TRUE(catalog_.Add(follower).ok());
  Follower row = Row();
  row.definition.name = "undoable";
  ASSERT_TRUE(store_.PutFollowers(1, {row}).ok());
  End(1);
  const std::string id = store_.List({.definition = "undoable"})->sagas.at(0).id;
  Progress told;
  driver_->Ask(id, CancelRequested{"kim", "not wanted"}, 0, [&](Progress progress) { told = std::move(progress); });
  Turns();
  EXPECT_EQ(told.saga.state, SagaState::kAborted);
  EXPECT_EQ(Start().sagas, 0);
}

// Without a step that can be undone a cancel is noted and changes nothing: it still waits for its turn.
TEST_F(DriverFollowersTest, ACancelWithoutPowerDoesNotLoseTheTurn) {
  End(1);
  Progress told;
  driver_->Ask(Children().at(0).id, CancelRequested{"kim", "not wanted"}, 0,
               [&](Progress progress) { told = std::move(progress); });
  Turns();
  EXPECT_TRUE(told.saga.cancel_requested);
  EXPECT_EQ(told.saga.version, 2);
  EXPECT_EQ(Start().sagas, 1);
  EXPECT_EQ(In(SagaState::kCompleted), 1);
  EXPECT_EQ(FirstCalls(), 1);
}

// Whatever becomes of the commit that ends the parent, it has one child.
TEST_F(DriverFollowersTest, AnEndWhoseCommitIsNotKnownHasOneChild) {
  using Fault = FaultyStore::Fault;
  for (const Fault fault : {Fault::kNotStored, Fault::kStoredButUnknown, Fault::kLandsLate}) {
    SCOPED_TRACE(static_cast<int>(fault));
    const std::size_t before = Children().size();
    Accept(absl::StrCat("fault", ++keys_));
    while (store_.List({.definition = kParent, .limit = 1})->sagas.empty() ||
           !IsLastCall(store_.List({.definition = kParent, .limit = 1})->sagas.at(0))) {
      ASSERT_TRUE(driver_->Turn());
    }
    store_.FailNextCommit(fault);
    for (int n = 0; n < 20; ++n) {
      clock_.Advance(absl::Seconds(3));
      driver_->Turn();
    }
    EXPECT_EQ(Children().size(), before + 1);
  }
  EXPECT_EQ(answers_, 3);
  while (Start().sagas > 0) continue;
  EXPECT_EQ(FirstCalls(), 3);
}

// A part that the store refuses is halved, and never between a parent and its child.
TEST_F(DriverFollowersTest, AnEndThatTheStoreRefusesHasNoChildAndTheOthersHaveTheirs) {
  for (int i = 0; i < 7; ++i) Accept(absl::StrCat("k", i));
  driver_->Turn();
  store_.Refuse("k3");
  Turns();
  EXPECT_EQ(observer_.quarantined, 1);
  EXPECT_THAT(Children(), SizeIs(6));
  for (const Saga& child : Children()) EXPECT_EQ(store_.Load(child.parent)->state, SagaState::kCompleted);
}

TEST_F(DriverFollowersTest, OneThatIsParkedGivesItsPlaceToTheNext) {
  Follower row = Row();
  row.why_not_built = "there is no step 'charge'";
  ASSERT_TRUE(store_.PutFollowers(1, {row}).ok());
  End(3);
  EXPECT_EQ(In(SagaState::kParked), 3);
  ASSERT_TRUE(store_.PutFollowers(2, {Row()}).ok());
  End(2);
  EXPECT_EQ(Start().sagas, 2);
  EXPECT_EQ(In(SagaState::kCompleted), 2);
  EXPECT_EQ(In(SagaState::kParked), 3);
}

TEST_F(DriverFollowersTest, WhileTheStoreIsAwayNothingIsLost) {
  End(2);
  store_.SetAway(true);
  EXPECT_TRUE(absl::IsUnavailable(driver_->StartFollowers().status()));
  store_.SetAway(false);
  ASSERT_TRUE(driver_->StartFollowers().ok());
  store_.SetAway(true);
  Turns();
  store_.SetAway(false);
  for (int n = 0; n < 20; ++n) {
    clock_.Advance(absl::Seconds(3));
    driver_->Turn();
  }
  EXPECT_EQ(In(SagaState::kCompleted), 2);
  EXPECT_EQ(FirstCalls(), 2);
}

// The rows that a look finds again, because their start is not stored yet, are started once all the same.
TEST_F(DriverFollowersTest, WhatIsFoundTwiceIsStartedOnce) {
  End(2);
  ASSERT_TRUE(driver_->StartFollowers().ok());
  EXPECT_EQ(driver_->StartFollowers()->sagas, 0) << "the first were not come to yet";
  driver_->Turn();
  EXPECT_EQ(FirstCalls(), 2);
  while (Start().sagas > 0) continue;
  EXPECT_EQ(FirstCalls(), 2);
}

TEST_F(DriverFollowersTest, AnInstanceWithoutFollowersAsksTheStoreNothing) {
  DefinitionCatalog catalog;
  ASSERT_TRUE(catalog.Add(parent_).ok());
  Driver driver(store_, participants_, catalog, clock_, observer_, lease_, DriverOptions{.seed = 1});
  const int looks = store_.due_looks();
  EXPECT_EQ(driver.StartFollowers()->sagas, 0);
  EXPECT_EQ(store_.due_looks(), looks);
}

}  // namespace
}  // namespace unwind
