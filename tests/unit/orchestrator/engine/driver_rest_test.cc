// Sagas that rest: nobody has them in memory, and everything that is for them finds them.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/driver.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr absl::Duration kPoll = absl::Seconds(31);  // the first one has come, and not the second

// Driven by hand, on a clock of its own. The pivot waits for its customer, whose saga has 15 minutes.
class DriverRestTest : public testing::Test {
 protected:
  struct Instance {
    Instance(DriverRestTest& test, const std::string& name)
        : lease(*test.store_.Acquire(name, "", absl::Hours(1))),
          participants([&test](const Call& call) { return test.Answer(call); }),
          driver(test.store_, participants, test.catalog_, test.clock_, test.observer_, lease, test.Options()) {
      EXPECT_TRUE(driver.Recover().ok());
    }

    void Run() {
      for (int n = 0; n < 1000 && driver.Turn(); ++n) continue;
    }
    // How many were found.
    int Wake() {
      const auto swept = driver.WakeResting();
      EXPECT_TRUE(swept.ok()) << swept.status();
      Run();
      return swept.ok() ? swept->sagas : 0;
    }
    Progress Ask(const std::string& saga_id, Event event) {
      Progress told{.status = absl::UnknownError("not answered"), .saga = {}};
      driver.Ask(saga_id, std::move(event), 0, [&told](Progress progress) { told = std::move(progress); });
      Run();
      return told;
    }
    // Nothing is in memory that would do anything by itself.
    bool IsEmpty() const { return driver.in_flight() == 0 && driver.NextDue() == absl::InfiniteFuture(); }

    const Lease lease;
    ScriptedParticipants participants;
    Driver driver;
  };

  DriverRestTest() { Know(WaitingPivot()); }

  void Know(Plan plan) {
    definition_ = std::make_shared<PlainDefinition>(std::move(plan));
    EXPECT_TRUE(catalog_.Add(definition_).ok());
  }

  DriverOptions Options() {
    return {.in_flight_max = in_flight_max_,
            .waiting_max = waiting_max_,
            .poll_rate_max = poll_rate_max_,
            .seed = ++lives_};
  }

  std::optional<CallResult> Answer(const Call& call) {
    if (is_silent_) return std::nullopt;
    CallResult result = OkResult();
    result.pending = call.accepts_pending && !call.decides && !is_paid_;
    return result;
  }

  void Accept(Instance& instance, const std::string& key, absl::Time answer_by = absl::InfinitePast()) {
    const absl::Time by = answer_by == absl::InfinitePast() ? clock_.Now() + absl::Milliseconds(100) : answer_by;
    instance.driver.Accept({.definition = definition_, .key = key, .input = "input", .input_hash = "h", .trace = {}},
                           by, nullptr, [this, key](const Progress& progress) { told_[key] = progress; });
    instance.Run();
  }
  // So slowly that nobody is answered late.
  void Elapse(Instance& instance, absl::Duration time) {
    constexpr absl::Duration kStep = absl::Milliseconds(10);
    for (; time > absl::ZeroDuration(); time -= kStep) {
      clock_.Advance(kStep);
      instance.Run();
    }
  }
  // It waits for its customer, and its caller has left.
  std::string Start(Instance& instance, const std::string& key = "k") {
    Accept(instance, key);
    Elapse(instance, absl::Milliseconds(200));
    return Stored(key).id;
  }
  Saga Stored(const std::string& key = "k") { return *store_.LoadByKey(definition_->plan().name, "", key); }
  std::vector<std::string> Unpaid() {
    std::vector<std::string> keys;
    for (const Saga& saga : store_.List({.limit = 1000})->sagas) {
      if (!IsTerminal(saga.state)) keys.push_back(saga.key);
    }
    return keys;
  }
  static std::int64_t Asked(const Instance& instance, const std::string& path = "/test/pivot.action") {
    const std::vector<std::string> paths = instance.participants.paths();
    return std::count(paths.begin(), paths.end(), path);
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  CountingObserver observer_;
  ManualClock clock_;
  std::uint64_t lives_ = 0;
  std::size_t in_flight_max_ = 1000, waiting_max_ = 1000, poll_rate_max_ = 1000;
  bool is_paid_ = false, is_silent_ = false;
  std::map<std::string, Progress> told_;  // by key
  std::shared_ptr<const Definition> definition_;
};

TEST_F(DriverRestTest, WhatOnlyWaitsIsNotInMemoryAndIsAskedAgainWhenItIsDue) {
  Instance one(*this, "one");
  Start(one);
  EXPECT_TRUE(one.IsEmpty());
  EXPECT_EQ(one.Wake(), 0) << "it is too soon";
  clock_.Advance(kPoll);
  EXPECT_EQ(one.Wake(), 1);
  EXPECT_EQ(Asked(one), 2);
  EXPECT_TRUE(one.IsEmpty());
  EXPECT_EQ(one.Wake(), 0);
  is_paid_ = true;
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(one.Wake(), 1);
  EXPECT_EQ(Stored().state, SagaState::kCompleted);
  EXPECT_EQ(one.Wake(), 0);
  EXPECT_TRUE(one.IsEmpty());
  EXPECT_EQ(observer_.recovered, 0) << "nothing of it was lost";
}

TEST_F(DriverRestTest, ItIsCountedAmongThoseThatWait) {
  Instance one(*this, "one");
  Start(one, "a");
  Start(one, "b");
  EXPECT_THAT(one.driver.waiting(), Contains(Pair("shape", 0)));
  ASSERT_TRUE(one.driver.CountResting().ok());
  EXPECT_THAT(one.driver.waiting(), Contains(Pair("shape", 2)));
  EXPECT_THAT(one.driver.oldest_wait_seconds(), Contains(Pair("shape", 0))) << "its time ends it";
  is_silent_ = true;
  clock_.Advance(kPoll);
  EXPECT_EQ(one.Wake(), 2);
  ASSERT_TRUE(one.driver.CountResting().ok());
  EXPECT_THAT(one.driver.waiting(), Contains(Pair("shape", 2))) << "their questions are out";
  EXPECT_EQ(one.driver.in_flight(), 2u);
}

// A warehouse that confirms tomorrow: nothing but its answer ends it.
TEST_F(DriverRestTest, TheAgeOfAnEndlessWaitIsKnownWhileItRests) {
  Plan plan = WaitingRetriable();
  plan.name = "endless";
  Know(std::move(plan));
  Instance one(*this, "one");
  Start(one, "old");
  clock_.Advance(absl::Seconds(1000));
  Start(one, "new");
  EXPECT_THAT(one.driver.oldest_wait_seconds(), Contains(Pair("endless", 0)));
  for (int life = 0; life < 2; ++life) {
    Instance again(*this, "one");
    ASSERT_TRUE(again.driver.CountResting().ok());
    EXPECT_THAT(again.driver.oldest_wait_seconds(), Contains(Pair("endless", 1000)));
    EXPECT_THAT(again.driver.waiting(), Contains(Pair("endless", 2)));
    while (again.Wake() > 0) continue;
  }
}

TEST_F(DriverRestTest, ARestartLeavesItAtRest) {
  {
    Instance one(*this, "one");
    Start(one);
  }
  Instance again(*this, "one");
  again.Run();
  EXPECT_TRUE(again.IsEmpty());
  EXPECT_EQ(Asked(again), 0);
  clock_.Advance(kPoll);
  EXPECT_EQ(again.Wake(), 1);
  EXPECT_EQ(Asked(again), 1);
  EXPECT_EQ(observer_.recovered, 0);
}

// The owner dies while the question is out.
TEST_F(DriverRestTest, WhatWasWokenIsRecoveredAsAnyOther) {
  {
    Instance one(*this, "one");
    Start(one);
    is_silent_ = true;
    clock_.Advance(kPoll);
    EXPECT_EQ(one.Wake(), 1);
  }
  is_silent_ = false;
  Instance again(*this, "one");
  again.Run();
  EXPECT_EQ(Asked(again), 1);
  EXPECT_EQ(observer_.recovered, 1);
  EXPECT_TRUE(again.IsEmpty());
}

TEST_F(DriverRestTest, ATakeoverLeavesItAtRest) {
  Instance one(*this, "one");
  Start(one);
  ASSERT_TRUE(store_.Release(one.lease).ok());
  Instance two(*this, "two");
  EXPECT_EQ(*two.driver.Claim(10), 1);
  two.Run();
  EXPECT_TRUE(two.IsEmpty());
  clock_.Advance(kPoll);
  EXPECT_EQ(one.Wake(), 0);
  EXPECT_EQ(two.Wake(), 1);
  EXPECT_EQ(Asked(two), 1);
}

TEST_F(DriverRestTest, ACancelFindsItAlsoAtAnotherInstance) {
  Instance one(*this, "one");
  Instance two(*this, "two");
  const std::string first = Start(one, "a"), second = Start(one, "b");
  EXPECT_TRUE(one.Ask(first, CancelRequested{"kim", "no"}).saga.cancel_requested);
  EXPECT_TRUE(two.Ask(second, CancelRequested{"kim", "no"}).saga.cancel_requested);
  EXPECT_EQ(Asked(one, "/test/pivot.resolve"), 1);
  EXPECT_EQ(Asked(two, "/test/pivot.resolve"), 1);
  EXPECT_THAT(Unpaid(), IsEmpty());
}

TEST_F(DriverRestTest, AnOperatorsVerbsFindIt) {
  Instance one(*this, "one");
  const auto verb = [](Verb what) {
    return Operated{.verb = what, .step = 1, .reply = "paid", .actor = "kim", .reason = "seen"};
  };
  const std::string retried = Start(one, "a"), skipped = Start(one, "b"), resolved = Start(one, "c");
  EXPECT_EQ(Asked(one), 3);
  EXPECT_TRUE(one.Ask(retried, verb(Verb::kRetry)).status.ok());
  EXPECT_EQ(Asked(one), 4);
  EXPECT_TRUE(one.Ask(skipped, verb(Verb::kSkip)).status.ok());
  EXPECT_EQ(Stored("b").state, SagaState::kAborted);
  EXPECT_TRUE(one.Ask(resolved, verb(Verb::kResolve)).status.ok());
  EXPECT_EQ(Stored("c").state, SagaState::kCompleted);
  EXPECT_TRUE(one.IsEmpty());
}

// Who calls again with its key waits, and the saga is in memory for as long.
TEST_F(DriverRestTest, ARepeatedCallWaitsForIt) {
  Instance one(*this, "one");
  Start(one);
  Accept(one, "k", clock_.Now() + absl::Seconds(10));
  EXPECT_FALSE(one.IsEmpty());
  EXPECT_EQ(one.driver.in_flight(), 1u);
  Elapse(one, absl::Seconds(11));
  ASSERT_TRUE(told_["k"].status.ok()) << told_["k"].status;
  EXPECT_EQ(told_["k"].saga.steps[1].state, StepState::kWaiting);
  EXPECT_TRUE(one.IsEmpty());
  Accept(one, "k", clock_.Now() + absl::Hours(1));
  is_paid_ = true;
  clock_.Advance(kPoll);
  one.Run();  // without a sweep: its own timer
  EXPECT_EQ(told_["k"].saga.state, SagaState::kCompleted);
  EXPECT_EQ(Asked(one), 2);
}

TEST_F(DriverRestTest, ItRestsAgainThoughItsCallersHadMoreTime) {
  Instance one(*this, "one");
  Start(one);
  const NewSaga repeat = {.definition = definition_, .key = "k", .input = "input", .input_hash = "h", .trace = {}};
  const auto call = [&](int seconds) {
    const absl::Time by = clock_.Now() + absl::Seconds(seconds);
    auto leave = one.driver.Accept(repeat, by, nullptr, [this](const Progress& told) { told_["k"] = told; });
    one.Run();
    return leave;
  };
  const std::function<void()> first = call(600), second = call(600);
  EXPECT_EQ(one.driver.in_flight(), 1u);
  told_.clear();
  first();
  clock_.Advance(kPoll);
  one.Run();
  EXPECT_EQ(Asked(one), 2);
  EXPECT_EQ(one.driver.in_flight(), 1u) << "one still waits";
  second();
  clock_.Advance(2 * kPoll);
  one.Run();
  EXPECT_EQ(Asked(one), 3);
  EXPECT_TRUE(one.IsEmpty());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(DriverRestTest, SoManyPollsASecondAndNoMore) {
  poll_rate_max_ = 10;
  Instance one(*this, "one");
  for (int i = 0; i < 25; ++i) Start(one, absl::StrCat("k", i));
  clock_.Advance(absl::Minutes(2));
  is_paid_ = true;
  EXPECT_EQ(one.Wake(), 10);
  EXPECT_EQ(one.Wake(), 0);
  clock_.Advance(absl::Milliseconds(999));
  EXPECT_EQ(one.Wake(), 0);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(one.Wake(), 10);
  clock_.Advance(absl::Minutes(-1));  // a clock that is set back stops nothing
  EXPECT_EQ(one.Wake(), 5);
  EXPECT_THAT(Unpaid(), IsEmpty());
}

TEST_F(DriverRestTest, TheEndsOfWaitsAndNudgesAreNotHeldBack) {
  poll_rate_max_ = 1;
  Instance one(*this, "one");
  std::string last;
  for (int i = 0; i < 20; ++i) last = Start(one, absl::StrCat("k", i));
  clock_.Advance(absl::Minutes(14));
  EXPECT_EQ(one.Wake(), 1);
  one.driver.Nudge(last, "pivot", [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  one.Run();
  EXPECT_EQ(Asked(one), 22);
  clock_.Advance(absl::Minutes(2));
  EXPECT_GE(one.Wake(), 20);
  EXPECT_EQ(Asked(one, "/test/pivot.resolve"), 20);
  EXPECT_THAT(Unpaid(), IsEmpty());
}

TEST_F(DriverRestTest, TheEndsOfWaitsDoNotFillTheMemoryWhileAParticipantIsAway) {
  in_flight_max_ = 3;
  {
    Instance one(*this, "one");
    for (int i = 0; i < 20; ++i) Start(one, absl::StrCat("k", i));
    is_silent_ = true;
    clock_.Advance(absl::Minutes(16));
    while (one.Wake() > 0) continue;
    EXPECT_EQ(one.driver.in_flight(), 6u);
  }
  is_silent_ = false;
  Instance again(*this, "one");
  again.Run();
  while (again.Wake() > 0) continue;
  EXPECT_THAT(Unpaid(), IsEmpty());
  EXPECT_TRUE(again.IsEmpty());
}

TEST_F(DriverRestTest, OneDefinitionsPollsKeepNoOtherWaiting) {
  poll_rate_max_ = 2;
  Instance one(*this, "one");
  for (int i = 0; i < 20; ++i) Start(one, absl::StrCat("a", i));
  Plan other = WaitingPivot();
  other.name = "shape-two";  // after the other in any order of names
  Know(std::move(other));
  Start(one, "b");
  clock_.Advance(kPoll);
  is_paid_ = true;
  one.Wake();
  clock_.Advance(absl::Seconds(1));
  one.Wake();
  EXPECT_EQ(Stored("b").state, SagaState::kCompleted);
}

TEST_F(DriverRestTest, BeyondTheLimitNoneIsStartedThatMayWait) {
  waiting_max_ = 2;
  Instance one(*this, "one");
  Start(one, "a");
  Start(one, "b");
  ASSERT_TRUE(one.driver.CountResting().ok());
  Accept(one, "c");
  EXPECT_TRUE(absl::IsResourceExhausted(told_["c"].status));
  EXPECT_EQ(GetErrorInfo(told_["c"].status).reason, "OVERLOADED");
  EXPECT_TRUE(absl::StrContains(told_["c"].status.message(), "--waiting_max")) << told_["c"].status;
  EXPECT_THAT(Unpaid(), SizeIs(2));
  Accept(one, "a");
  Elapse(one, absl::Milliseconds(200));
  EXPECT_TRUE(told_["a"].status.ok()) << "its saga is there: " << told_["a"].status;
  Plan plain = Sequence();
  plain.name = "plain";
  Know(std::move(plain));
  Accept(one, "d");
  EXPECT_EQ(told_["d"].saga.state, SagaState::kCompleted) << "no step of it may wait";
}

TEST_F(DriverRestTest, WhileTheStoreIsAwayNothingIsLost) {
  Instance one(*this, "one");
  Start(one);
  clock_.Advance(kPoll);
  store_.SetAway(true);
  EXPECT_TRUE(absl::IsUnavailable(one.driver.WakeResting().status()));
  EXPECT_FALSE(one.driver.CountResting().ok());
  store_.SetAway(false);
  ASSERT_TRUE(one.driver.WakeResting().ok());
  store_.SetAway(true);
  one.Run();
  EXPECT_FALSE(one.driver.WakeResting().ok()) << "the shard holds it";
  store_.SetAway(false);
  clock_.Advance(absl::Seconds(3));
  one.Run();
  EXPECT_EQ(Asked(one), 2);
  EXPECT_TRUE(one.IsEmpty());
}

// Whatever becomes of the commit that lets it rest.
TEST_F(DriverRestTest, ARestWhoseCommitIsNotKnownIsNotForgotten) {
  using Fault = FaultyStore::Fault;
  Instance one(*this, "one");
  for (const Fault fault : {Fault::kNotStored, Fault::kStoredButUnknown, Fault::kLandsLate}) {
    SCOPED_TRACE(static_cast<int>(fault));
    const std::string key = absl::StrCat("fault", static_cast<int>(fault));
    Start(one, key);
    clock_.Advance(kPoll);
    ASSERT_TRUE(one.driver.WakeResting().ok());
    one.driver.Turn();
    store_.FailNextCommit(fault);
    for (int n = 0; n < 3; ++n) {
      clock_.Advance(absl::Seconds(3));
      one.Run();
    }
    EXPECT_TRUE(one.IsEmpty());
    const std::int64_t asked = Asked(one);
    clock_.Advance(absl::Minutes(5));
    EXPECT_GT(one.Wake(), 0);
    EXPECT_EQ(Asked(one), asked + static_cast<int>(Unpaid().size()));
    is_paid_ = true;
    clock_.Advance(absl::Minutes(5));
    one.Wake();
    EXPECT_EQ(Stored(key).state, SagaState::kCompleted);
    is_paid_ = false;
  }
}

// What the store refuses stands still, and takes nobody's poll.
TEST_F(DriverRestTest, WhatStandsStillTakesNoOthersPoll) {
  poll_rate_max_ = 1;
  Instance one(*this, "one");
  for (const char* key : {"a", "b", "c"}) Start(one, key);
  store_.Refuse("a");
  is_paid_ = true;
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(one.Wake(), 1);
  EXPECT_EQ(observer_.quarantined, 1);
  for (int n = 0; n < 2; ++n) {
    clock_.Advance(absl::Seconds(1));
    EXPECT_EQ(one.Wake(), 1);
  }
  EXPECT_THAT(Unpaid(), testing::ElementsAre("a"));
}

TEST_F(DriverRestTest, ARowThatCannotBeReadTakesNoOthersPoll) {
  poll_rate_max_ = 1;
  Instance one(*this, "one");
  for (const char* key : {"a", "b"}) Start(one, key);
  store_.SetDamaged("a");
  is_paid_ = true;
  clock_.Advance(absl::Minutes(1));
  one.Wake();
  clock_.Advance(absl::Seconds(1));
  one.Wake();
  EXPECT_THAT(Unpaid(), testing::ElementsAre("a"));
  EXPECT_EQ(observer_.unreadable, 1);
}

TEST_F(DriverRestTest, WhatIsFoundTwiceIsAskedOnce) {
  Instance one(*this, "one");
  Start(one);
  clock_.Advance(kPoll);
  ASSERT_TRUE(one.driver.WakeResting().ok());
  EXPECT_EQ(one.driver.WakeResting()->sagas, 0) << "the first was not come to yet";
  one.Run();
  EXPECT_EQ(Asked(one), 2);
}

TEST_F(DriverRestTest, AnInstanceWithoutStepsThatWaitAsksTheStoreNothing) {
  DefinitionCatalog catalog;
  ASSERT_TRUE(catalog.Add(std::make_shared<PlainDefinition>(Sequence())).ok());
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog, clock_, observer_, *store_.Acquire("one", "", absl::Hours(1)), {});
  const int looks = store_.due_looks();
  EXPECT_EQ(driver.WakeResting()->sagas, 0);
  EXPECT_EQ(store_.due_looks(), looks);
}

}  // namespace
}  // namespace unwind
