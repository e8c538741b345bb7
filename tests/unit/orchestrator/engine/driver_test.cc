// The driver over an in-memory world: every fault of the store and of its own process that its turn has to survive.
#include "orchestrator/engine/driver.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/outcome.h"
#include "tests/support/poll.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

// Above the longest pause before a store that was away is asked again.
constexpr absl::Duration kStorePauseMax = absl::Seconds(3);

// Collects answers; Await returns once `n` have come or fails after a minute.
class Answers {
 public:
  std::function<void(Progress)> Taker() {
    return [this](Progress progress) {
      std::lock_guard lock(mutex_);
      answers_.push_back(std::move(progress));
      changed_.notify_all();
    };
  }
  std::vector<Progress> Await(std::size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [&] { return answers_.size() >= n; }));
    return answers_;
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return answers_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Progress> answers_;
};

class DriverTest : public testing::Test {
 protected:
  // Plays one life of the driver; the store outlives it.
  struct Life {
    Life(DriverTest& test, ScriptedParticipants::Behaviour behave, const Clock& clock, std::size_t shards = 1,
         std::size_t in_flight_max = 1000)
        : participants(std::move(behave)),
          driver(test.store_, participants, test.catalog_, clock, test.observer_,
                 *test.store_.Acquire(test.instance_, "", absl::Seconds(15)),
                 {.shards = shards, .batch_max = 64, .in_flight_max = in_flight_max, .seed = ++test.lives_}) {
      driver.Start();
      EXPECT_TRUE(driver.Recover().ok());
    }
    ScriptedParticipants participants;
    Driver driver;
  };

  // The same, driven by Turn() and a clock of its own: nothing happens by itself.
  struct ByHand {
    ByHand(DriverTest& test, ScriptedParticipants::Behaviour behave)
        : participants(std::move(behave)),
          driver(test.store_, participants, test.catalog_, clock, test.observer_,
                 *test.store_.Acquire(test.instance_, "", absl::Seconds(15)), {.seed = ++test.lives_}) {}
    ManualClock clock;
    ScriptedParticipants participants;
    Driver driver;
  };

  void Know(Plan plan, std::optional<Phase> unbuildable = std::nullopt) {
    definition_ = std::make_shared<PlainDefinition>(std::move(plan), unbuildable);
    ASSERT_TRUE(catalog_.Add(definition_).ok());
  }
  NewSaga Request(const std::string& key, const std::string& hash = "h") {
    return {.definition = definition_, .key = key, .input = "input", .input_hash = hash, .trace = {}};
  }
  // The same key of one who is told apart from others.
  void AcceptOf(Driver& driver, const std::string& key_scope, const std::string& key, Answers& answers,
                const std::string& hash = "h") {
    NewSaga saga = Request(key, hash);
    saga.key_scope = key_scope;
    driver.Accept(std::move(saga), absl::InfiniteFuture(), nullptr, answers.Taker());
  }
  void Accept(Driver& driver, const std::string& key, Answers& answers, const std::string& hash = "h",
              absl::Time answer_by = absl::InfiniteFuture()) {
    driver.Accept(Request(key, hash), answer_by, nullptr, answers.Taker());
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  CountingObserver observer_;
  std::string instance_ = "one";  // of the next life
  std::uint64_t lives_ = 0;       // each life draws other ids, as in production
  SystemClock clock_;
  std::shared_ptr<const Definition> definition_;
};

TEST_F(DriverTest, RunsASagaToItsEnd) {
  Know(PivotInTheMiddle(true));
  Life life(
      *this, [](const Call&) { return OkResult(); }, clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Progress progress = answers.Await(1)[0];
  EXPECT_EQ(progress.saga.state, SagaState::kCompleted);
  EXPECT_THAT(life.participants.paths(), ElementsAre("/test/a.action", "/test/pivot.action", "/test/r.action"));
  EXPECT_EQ(life.driver.in_flight(), 0u);
}

TEST_F(DriverTest, WhoIsToldThatItsSagaIsOverFindsRoomForAnother) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  std::optional<std::size_t> in_flight;
  driver.Accept(Request("k"), absl::InfiniteFuture(), nullptr,
                [&](const Progress&) { in_flight = driver.in_flight(); });
  while (driver.Turn()) continue;
  EXPECT_EQ(in_flight, 0u);
}

class PausedDriverTest : public DriverTest {
 protected:
  PausedDriverTest() {
    Know(Sequence());
    EXPECT_TRUE(store_.PutDefinition({.name = name(), .version = 1, .hash = {}, .yaml = {}, .descriptors = {}}).ok());
  }
  const std::string& name() const { return definition_->plan().name; }
  void Pause() { ASSERT_TRUE(store_.PutPause(name(), "kim", "sales go on at ten").ok()); }
  void TurnToTheEnd() {
    while (driver_.Turn()) continue;
  }
  std::function<void(absl::Status)> Held() {
    return [this](absl::Status status) { held_ = std::move(status); };
  }

  ManualClock manual_;
  ScriptedParticipants participants_{[](const Call&) { return OkResult(); }};
  Driver driver_{store_,
                 participants_,
                 catalog_,
                 manual_,
                 observer_,
                 *store_.Acquire("one", "", absl::Seconds(15)),
                 {.shards = 2, .seed = 1}};
  Answers answers_;
  std::optional<absl::Status> held_;
};

TEST_F(PausedDriverTest, NoSagaStartsAndThoseThatHaveStartedGoOnAndAreAnswered) {
  Accept(driver_, "ended", answers_);
  TurnToTheEnd();
  Accept(driver_, "running", answers_);
  driver_.Turn();
  ASSERT_EQ(observer_.started, 2);
  Pause();
  ASSERT_TRUE(driver_.ReadPauses().ok());
  TurnToTheEnd();
  Accept(driver_, "new", answers_);
  TurnToTheEnd();
  Accept(driver_, "ended", answers_);
  TurnToTheEnd();
  Accept(driver_, "ended", answers_, "another request");
  TurnToTheEnd();
  const std::vector<Progress> told = answers_.Await(5);
  EXPECT_EQ(told[1].saga.key, "running");
  EXPECT_EQ(told[1].saga.state, SagaState::kCompleted);
  EXPECT_EQ(told[2].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(told[2].status).reason, "DEFINITION_PAUSED");
  EXPECT_EQ(GetErrorInfo(told[2].status).metadata["definition"], name());
  EXPECT_THAT(std::string(told[2].status.message()), HasSubstr("sales go on at ten"));
  EXPECT_TRUE(told[2].status.GetPayload("type.googleapis.com/google.rpc.RetryInfo"));
  EXPECT_EQ(told[3].saga.key, "ended");
  EXPECT_EQ(GetErrorInfo(told[4].status).reason, "KEY_REUSED");
  EXPECT_EQ(observer_.started, 2);
  EXPECT_EQ(driver_.in_flight(), 0u);
  EXPECT_EQ(driver_.paused().at(name()), 1u);

  ASSERT_TRUE(store_.RemovePause(name()).ok());
  ASSERT_TRUE(driver_.ReadPauses().ok());
  Accept(driver_, "new", answers_);
  TurnToTheEnd();
  EXPECT_EQ(answers_.Await(6)[5].saga.state, SagaState::kCompleted);
}

TEST_F(PausedDriverTest, WhoWaitedBeforeThePauseStartsNoSagaEither) {
  for (const char* key : {"a", "b", "c", "d"}) Accept(driver_, key, answers_);
  Pause();
  driver_.HoldPauses(Held());
  EXPECT_FALSE(held_.has_value());
  TurnToTheEnd();
  EXPECT_EQ(held_, absl::OkStatus());
  for (const Progress& told : answers_.Await(4)) EXPECT_EQ(GetErrorInfo(told.status).reason, "DEFINITION_PAUSED");
  EXPECT_EQ(observer_.started, 0);
  EXPECT_EQ(driver_.in_flight(), 0u);
}

TEST_F(PausedDriverTest, WhoFindsNoRoomIsToldOfThePause) {
  Driver full(store_, participants_, catalog_, manual_, observer_, *store_.Acquire("two", "", absl::Seconds(15)),
              {.in_flight_max = 0, .seed = 1});
  Pause();
  ASSERT_TRUE(full.ReadPauses().ok());
  Accept(full, "new", answers_);
  EXPECT_EQ(GetErrorInfo(answers_.Await(1)[0].status).reason, "DEFINITION_PAUSED");
}

// Nobody knows whether the saga is stored until its commit is repeated. It is not started after the pause holds.
TEST_F(PausedDriverTest, APauseHoldsOnlyOnceWhatWasDecidedBeforeIsStored) {
  Driver one(store_, participants_, catalog_, manual_, observer_, *store_.Acquire("two", "", absl::Seconds(15)),
             {.seed = 1});
  store_.FailNextCommit(FaultyStore::Fault::kNotStored);
  Accept(one, "k", answers_);
  one.Turn();
  Pause();
  int started_before = -1;
  one.HoldPauses([&](const absl::Status& status) {
    EXPECT_TRUE(status.ok());
    started_before = observer_.started;
  });
  one.Turn();
  EXPECT_EQ(started_before, -1);
  manual_.Advance(absl::Seconds(3));
  while (one.Turn()) continue;
  EXPECT_EQ(started_before, 1);
  EXPECT_EQ(answers_.Await(1)[0].saga.state, SagaState::kCompleted);
}

// The seeds give ids of either shard.
TEST_F(PausedDriverTest, APauseHoldsOnlyOnceEveryShardHasStoredWhatItDecided) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Driver two(store_, participants_, catalog_, manual_, observer_, *store_.Acquire("two", "", absl::Seconds(15)),
               {.shards = 2, .seed = seed});
    ASSERT_TRUE(store_.RemovePause(name()).ok());
    store_.FailNextCommit(FaultyStore::Fault::kNotStored);
    Accept(two, absl::StrCat("k", seed), answers_);
    two.Turn();
    Pause();
    held_.reset();
    two.HoldPauses(Held());
    two.Turn();
    EXPECT_FALSE(held_.has_value()) << seed;
    manual_.Advance(absl::Seconds(3));
    while (two.Turn()) continue;
    EXPECT_EQ(held_, absl::OkStatus()) << seed;
  }
}

TEST_F(PausedDriverTest, WhereTheStoreIsSilentItIsNotKnownWhetherThePauseHolds) {
  store_.SetAway(true);
  driver_.HoldPauses(Held());
  ASSERT_TRUE(held_.has_value());
  EXPECT_EQ(GetErrorInfo(*std::exchange(held_, std::nullopt)).reason, "STORE_UNAVAILABLE");
  store_.SetAway(false);
  driver_.HoldPauses(Held());
  manual_.Advance(absl::Seconds(11));
  TurnToTheEnd();
  ASSERT_TRUE(held_.has_value());
  EXPECT_EQ(GetErrorInfo(*held_).reason, "STORE_UNAVAILABLE");
}

TEST_F(DriverTest, WhatWasRecoveredIsNotRecoveredAgainBeforeItIsDriven) {
  Know(Sequence());
  Answers answers;
  {
    Life life(
        *this, [](const Call&) { return std::nullopt; }, clock_);
    Accept(life.driver, "k", answers);
    EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return !life.participants.paths().empty(); }));
  }
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  store_.SetClaimsAreSilent(true);
  const int before = store_.pages();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(driver.Claim(10).ok());
  EXPECT_LE(store_.pages() - before, 2) << "a page with the saga, and one without";
  while (driver.Turn()) continue;
  EXPECT_FALSE(driver.Claim(10).ok());
  EXPECT_GT(store_.pages() - before, 2) << "then it may own more";
}

TEST_F(DriverTest, ATurnAsksAStoreNothingMoreThatWasLateToSayThatItIsAway) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  store_.SetAway(true);
  store_.SetDelay([&clock] { clock.Advance(absl::Seconds(3)); });
  Answers answers;
  driver.Ask("one that must be loaded", CancelRequested{}, 0, answers.Taker());
  Accept(driver, "k", answers);
  const int before = store_.calls();
  driver.Turn();
  EXPECT_EQ(store_.calls() - before, 1);
}

TEST_F(DriverTest, NothingIsSentThatIsNotStoredFirst) {
  Know(Sequence());
  const auto check = [this](const Call& call) -> std::optional<CallResult> {
    const absl::StatusOr<Saga> stored = store_.Load(call.saga_id);
    EXPECT_TRUE(stored.ok()) << stored.status();
    bool awaited = false;
    for (const Send& send : stored.ok() ? Outstanding(*stored) : std::vector<Send>()) {
      awaited |= call.attempt == send.attempt && call.phase == send.phase &&
                 call.step == definition_->plan().steps[static_cast<std::size_t>(send.step)].name;
    }
    EXPECT_TRUE(awaited) << call.method << " was sent before the row said so";
    return call.method == "/test/c.action" ? RefusedResult() : OkResult();
  };
  Life life(*this, check, clock_);
  Answers answers;
  for (int i = 0; i < 20; ++i) Accept(life.driver, absl::StrCat("k", i), answers);
  for (const Progress& progress : answers.Await(20)) EXPECT_EQ(progress.saga.state, SagaState::kAborted);
}

TEST_F(DriverTest, ASendThatIsAbandonedInTheSameTurnIsNotSent) {
  Know(Sequence());
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  ASSERT_TRUE(driver.Recover().ok());
  Answers answers, cancelled;
  Accept(driver, "k", answers);
  driver.Turn();  // sends a, whose answer waits for the next turn, in which it comes before the cancel
  driver.Ask(store_.List({}).value().sagas.at(0).id, CancelRequested{"ann", "changed her mind"}, 0, cancelled.Taker());
  while (driver.Turn()) continue;
  EXPECT_THAT(participants.paths(), ElementsAre("/test/a.action", "/test/b.compensation", "/test/a.compensation"));
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kAborted);
}

TEST_F(DriverTest, HistoryFoldsToTheRow) {
  Know(Sequence());
  Life life(
      *this, [](const Call& call) { return call.method == "/test/c.action" ? RefusedResult() : OkResult(); }, clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Saga told = answers.Await(1)[0].saga;
  const Saga stored = *store_.Load(told.id);
  Saga folded = stored;
  folded.version = 0;
  folded.state = SagaState::kRunning;
  folded.backward = false;
  folded.failure = {};
  folded.create_time = folded.update_time = absl::Time();
  folded.deadline = absl::InfiniteFuture();
  folded.steps.assign(3, Step());
  const std::vector<HistoryEvent> history = *store_.History(stored.id, 0, 100);
  for (std::size_t i = 0; i < history.size(); ++i) {
    EXPECT_EQ(history[i].seq, static_cast<std::int64_t>(i) + 1);
    Decision decision = Advance(definition_->plan(), folded, history[i].event, history[i].moment);
    EXPECT_EQ(decision.sends, history[i].sends);
    folded = std::move(decision.next);
  }
  EXPECT_TRUE(folded == stored);
}

TEST_F(DriverTest, OneKeyStartsOneSagaAndAnotherInputIsRefused) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return OkResult(); }, clock_, 4);
  Answers same;
  for (int i = 0; i < 50; ++i) Accept(life.driver, "k", same);
  const std::vector<Progress> answers = same.Await(50);
  for (const Progress& progress : answers) EXPECT_EQ(progress.saga.id, answers[0].saga.id);
  EXPECT_EQ(observer_.started, 1);
  Answers other;
  Accept(life.driver, "k", other, "another input");
  const absl::Status refused = other.Await(1)[0].status;
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(refused).reason, kReasonKeyReused);
}

TEST_F(DriverTest, ACommitThatFailsIsRepeatedAndOneThatLandedUnseenIsNot) {
  Know(Sequence());
  for (const FaultyStore::Fault fault : {FaultyStore::Fault::kNotStored, FaultyStore::Fault::kStoredButUnknown}) {
    for (int skip = 0; skip < 4; ++skip) {
      int calls = 0;
      const auto behave = [&](const Call&) {
        if (calls++ == skip) store_.FailNextCommit(fault);
        return OkResult();
      };
      Life life(*this, behave, clock_);
      Answers answers;
      if (skip == 3) store_.FailNextCommit(fault);  // of the insert
      Accept(life.driver, absl::StrCat("k", static_cast<int>(fault), skip), answers);
      EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kCompleted);
      EXPECT_EQ(life.participants.paths().size(), 3u) << "a step was sent twice";
    }
  }
}

TEST_F(DriverTest, ASagaWhoseInsertLandsLateIsDrivenWhoeverWaits) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  Answers stays, leaves;
  int accepted = 0;
  store_.FailNextCommit(FaultyStore::Fault::kLandsLate);
  Accept(driver, "leaves", leaves, "h", clock.Now() + absl::Seconds(1));
  driver.Accept(
      Request("stays"), absl::InfiniteFuture(), [&](const std::string&) { ++accepted; }, stays.Taker());
  driver.Turn();
  clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(driver.Turn());
  EXPECT_EQ(GetErrorInfo(leaves.Await(1)[0].status).reason, "STORE_UNAVAILABLE");
  while (driver.Turn()) continue;
  ASSERT_EQ(stays.size(), 1u);
  EXPECT_EQ(stays.Await(1)[0].saga.state, SagaState::kCompleted);
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(store_.LoadByKey("shape", "", "leaves")->state, SagaState::kCompleted);
  EXPECT_EQ(observer_.started, 2);
  EXPECT_EQ(driver.in_flight(), 0u);
}

TEST_F(DriverTest, WhileTheStoreIsAwayCallersAreAnsweredAndNothingUnstoredIsSaid) {
  Know(Sequence());
  bool was_away = false;
  const auto behave = [&](const Call& call) {
    // Its reply ends the saga, which cannot be stored.
    if (call.method == "/test/c.action" && !std::exchange(was_away, true)) store_.SetAway(true);
    return OkResult();
  };
  ByHand hand(*this, behave);
  Answers early, unstored, late;
  Accept(hand.driver, "k", early, "h", hand.clock.Now() + absl::Seconds(1));
  while (!was_away) hand.driver.Turn();
  hand.driver.Turn();
  EXPECT_TRUE(hand.driver.commits_fail());
  EXPECT_EQ(early.size(), 0u);
  Accept(hand.driver, "other", unstored, "h", hand.clock.Now() + absl::Seconds(1));
  hand.clock.Advance(absl::Seconds(1));
  hand.driver.Turn();
  for (Answers* answers : {&early, &unstored}) {
    EXPECT_EQ(GetErrorInfo(answers->Await(1)[0].status).reason, "STORE_UNAVAILABLE");
  }
  store_.SetAway(false);
  Accept(hand.driver, "k", late);
  hand.clock.Advance(kStorePauseMax);
  while (hand.driver.Turn()) continue;
  EXPECT_EQ(late.Await(1)[0].saga.state, SagaState::kCompleted);
  EXPECT_FALSE(hand.driver.commits_fail());
  EXPECT_EQ(early.size(), 1u);
  EXPECT_EQ(unstored.size(), 1u);
}

TEST_F(DriverTest, ARowThatMovedIsLoadedAgainBeforeAnythingIsDecidedOnIt) {
  Know(Sequence());
  const auto behave = [this](const Call& call) {
    if (call.method != "/test/b.action") return OkResult();
    // As another instance's cancel would: the version moves, the owner does not.
    Saga saga = *store_.LoadByKey("shape", "", "k");
    const std::int64_t seen = saga.version++;
    saga.cancel_requested = true;
    EXPECT_EQ(
        store_.Commit({.instance = "one", .epoch = 1}, {{.seen_version = seen, .saga = saga, .events = {}}})->at(0),
        WriteResult::kStored);
    store_.FailNextCommit(FaultyStore::Fault::kNotStored);
    return OkResult();
  };
  Life life(*this, behave, clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kAborted);
  EXPECT_THAT(life.participants.paths(), Not(Contains("/test/c.action")));
}

TEST_F(DriverTest, ACallerThatWaitsToBeHeardWhileTheStoreIsAwayIsAnsweredAndStartsNothing) {
  Know(Sequence());
  ByHand hand(*this, [](const Call&) { return OkResult(); });
  store_.SetAway(true);
  Answers first, queued;
  Accept(hand.driver, "k", first, "h", hand.clock.Now() + absl::Seconds(1));
  hand.driver.Turn();
  Accept(hand.driver, "queued", queued, "h", hand.clock.Now() + absl::Seconds(1));  // the first one's commit blocks it
  hand.clock.Advance(absl::Seconds(1));
  hand.driver.Turn();
  for (Answers* answers : {&first, &queued}) {
    EXPECT_EQ(GetErrorInfo(answers->Await(1)[0].status).reason, "STORE_UNAVAILABLE");
  }
  store_.SetAway(false);
  hand.clock.Advance(kStorePauseMax);
  while (hand.driver.Turn()) continue;
  EXPECT_EQ(hand.driver.in_flight(), 0u);
  EXPECT_TRUE(absl::IsNotFound(store_.LoadByKey("shape", "", "queued").status()));
  EXPECT_TRUE(store_.LoadByKey("shape", "", "k").ok());
}

TEST_F(DriverTest, AnAnswerThatDoesNotParseIsUnknownAndNeverStored) {
  Know(Sequence());
  std::atomic<int> calls = 0;
  Life life(
      *this,
      [&](const Call&) {
        CallResult result = OkResult();
        if (++calls == 1) result.reply = "not a reply";
        return result;
      },
      clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Saga saga = answers.Await(1)[0].saga;
  EXPECT_EQ(saga.state, SagaState::kCompleted);
  EXPECT_EQ(saga.steps[0].attempt(), 2);
  EXPECT_NE(saga.steps[0].reply, "not a reply");
}

TEST_F(DriverTest, ACompensationsAnswerThatDoesNotParseIsNoAnswer) {
  Know(Sequence());
  std::atomic<int> undone = 0;
  Life life(
      *this,
      [&](const Call& call) {
        if (call.method == "/test/b.action") return RefusedResult();
        CallResult result = OkResult();
        if (call.method == "/test/a.compensation" && ++undone == 1) result.reply = "not a reply";
        return result;
      },
      clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kAborted);
  EXPECT_EQ(undone, 2);
}

TEST_F(DriverTest, ACallWhoseConnectionEndedGoesAloneWithoutSpendingAnAttempt) {
  Know(Sequence());
  std::mutex mutex;
  std::vector<bool> alone;
  Life life(
      *this,
      [&](const Call& call) {
        if (call.method != "/test/a.action") return OkResult();
        std::lock_guard lock(mutex);
        alone.push_back(call.alone);
        if (alone.size() > 1) return OkResult();
        CallResult cut = UnavailableResult();
        cut.failure.reason = kReasonConnectionEnded;
        cut.is_answered = false;
        cut.by_transport = true;
        return cut;
      },
      clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Saga saga = answers.Await(1)[0].saga;
  EXPECT_EQ(saga.state, SagaState::kCompleted);
  EXPECT_EQ(saga.steps[0].unknowns, 0);
  EXPECT_THAT(alone, ElementsAre(false, true));
}

TEST_F(DriverTest, AResolvesAnswerThatDoesNotParseIsNotThePivotsReply) {
  Know(PivotInTheMiddle(true));
  std::atomic<int> asked = 0;
  Life life(
      *this,
      [&](const Call& call) {
        if (call.method == "/test/pivot.action") return UnavailableResult();
        CallResult result = OkResult();
        if (call.method == "/test/pivot.resolve" && ++asked == 1) result.reply = "not a reply";
        return result;
      },
      clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Saga saga = answers.Await(1)[0].saga;
  EXPECT_EQ(saga.state, SagaState::kCompleted);
  EXPECT_EQ(saga.steps[1].reply, "reply");
}

// Its pivot may wait for so long.
Plan WaitingFor(absl::Duration wait) {
  Plan plan = PivotInTheMiddle(true);
  plan.steps[1].pending = PendingPolicy{absl::Milliseconds(2), absl::Milliseconds(4), wait};
  plan.steps[1].retry.backoff = absl::Milliseconds(1);
  return plan;
}

// A customer pays after two lives of his saga; once its participant is away, and once the answer is lost.
TEST_F(DriverTest, AStepThatWaitsIsAskedAgainUntilItIsFinished) {
  Know(WaitingFor(absl::Hours(1)));
  Answers left, answers;
  std::atomic<int> asked = 0;
  const auto wait = [&asked](const Call& call) -> std::optional<CallResult> {
    EXPECT_EQ(call.accepts_pending, call.step == "pivot");
    if (call.step != "pivot") return OkResult();
    EXPECT_EQ(call.phase, Phase::kAction);
    const int attempt = ++asked;
    if (attempt == 3) return UnavailableResult();
    CallResult pending = OkResult();
    pending.pending = true;
    return pending;
  };
  absl::Time wait_until;
  {
    Life life(*this, wait, clock_);
    Accept(life.driver, "k", left);
    EXPECT_TRUE(Eventually(absl::Minutes(1), [&] { return asked >= 5; }));
    life.driver.Stop();
    const Saga saga = *store_.LoadByKey("shape", "", "k");
    EXPECT_EQ(saga.steps[1].state, StepState::kWaiting);
    EXPECT_EQ(saga.steps[1].pending_reply, "reply");
    wait_until = saga.steps[1].wait_until;
  }
  const auto pay = [&](const Call& call) { return asked < 8 ? wait(call) : OkResult(); };
  Life life(*this, pay, clock_);
  Accept(life.driver, "k", answers);
  const Progress progress = answers.Await(1)[0];
  EXPECT_EQ(progress.saga.state, SagaState::kCompleted);
  EXPECT_EQ(progress.saga.steps[1].wait_until, wait_until);
  EXPECT_EQ(progress.saga.steps[1].phase, Phase::kAction);
}

// S16: he is told where to pay, as often as he asks, and in the end that he has paid.
TEST_F(DriverTest, TheFirstPendingAnswerAnswersForNow) {
  Plan plan = WaitingFor(absl::Hours(1));
  plan.answer_after = 1;
  Know(std::move(plan));
  std::atomic<bool> paid = false;
  const auto behave = [&paid](const Call& call) {
    CallResult result = OkResult();
    result.pending = call.step == "pivot" && !paid;
    return result;
  };
  Life life(*this, behave, clock_);
  for (const char* call : {"first", "again"}) {
    SCOPED_TRACE(call);
    Answers answers;
    Accept(life.driver, "k", answers);
    const Saga told = answers.Await(1)[0].saga;
    EXPECT_EQ(told.state, SagaState::kRunning);
    EXPECT_EQ(told.steps[1].state, StepState::kWaiting);
    EXPECT_EQ(told.steps[1].pending_reply, "reply");
  }
  paid = true;
  EXPECT_TRUE(
      Eventually(absl::Minutes(1), [&] { return store_.LoadByKey("shape", "", "k")->state == SagaState::kCompleted; }));
}

TEST_F(DriverTest, AWaitWhoseTimeIsUpIsDecidedByTheParticipant) {
  Know(WaitingFor(absl::Milliseconds(20)));
  const auto behave = [](const Call& call) {
    if (call.step != "pivot") return OkResult();
    if (call.phase == Phase::kResolve) {
      EXPECT_TRUE(call.decides);
      CallResult never = RefusedResult();
      never.failure.reason = kReasonNeverHappened;
      never.failure.metadata["cause"] = "PAYMENT_EXPIRED";
      return never;
    }
    CallResult pending = OkResult();
    pending.pending = true;
    return pending;
  };
  Life life(*this, behave, clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  const Progress progress = answers.Await(1)[0];
  EXPECT_EQ(progress.saga.state, SagaState::kAborted);
  EXPECT_EQ(progress.saga.failure.reason, "PAYMENT_EXPIRED");
  EXPECT_THAT(life.participants.paths(), Contains("/test/pivot.resolve").Times(1));
}

TEST_F(DriverTest, WhatAParticipantSaysHadNoEffectIsNotUndone) {
  Know(Sequence());
  Life life(
      *this, [](const Call& call) { return call.method == "/test/b.action" ? RefusedResult() : OkResult(); }, clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kAborted);
  EXPECT_THAT(life.participants.paths(), ElementsAre("/test/a.action", "/test/b.action", "/test/a.compensation"));
}

// A participant refuses what was issued before it forgot the keys of that time, and keeps a saga's keys until it
// expires.
TEST_F(DriverTest, ACallSaysWhenItWasIssuedItselfAndWhenItsSagaExpires) {
  Know(Sequence());
  ManualClock clock;
  std::mutex mutex;
  std::vector<absl::Time> issued;
  std::set<absl::Time> expires;
  Life life(
      *this,
      [&](const Call& call) {
        std::lock_guard lock(mutex);
        issued.push_back(call.issued_at);
        expires.insert(call.expires_at);
        return issued.size() < 2 ? UnavailableResult() : OkResult();
      },
      clock);
  Answers answers;
  Accept(life.driver, "k", answers);
  while (answers.size() == 0) clock.Advance(absl::Milliseconds(10));
  const absl::Time began = answers.Await(1)[0].saga.create_time;
  ASSERT_GE(issued.size(), 2u);
  EXPECT_EQ(issued[0], began);
  EXPECT_GT(issued[1], issued[0]);
  EXPECT_THAT(expires, ElementsAre(began + Plan().age_max));
}

TEST_F(DriverTest, AResolveThatCannotBeBuiltSaysNothingOfThePivot) {
  Know(PivotInTheMiddle(true), Phase::kResolve);
  ByHand hand(*this,
              [](const Call& call) { return call.method == "/test/pivot.action" ? UnavailableResult() : OkResult(); });
  Answers answers;
  Accept(hand.driver, "k", answers, "h", hand.clock.Now() + absl::Minutes(1));
  while (answers.size() == 0) {
    hand.driver.Turn();
    hand.clock.Advance(absl::Milliseconds(100));
  }
  const Saga saga = answers.Await(1)[0].saga;
  EXPECT_EQ(saga.state, SagaState::kRunning);
  EXPECT_EQ(saga.steps[1].phase, Phase::kResolve);
}

TEST_F(DriverTest, AParkedSagaTakesNoRoomFromNewOnes) {
  Know(AllRetriable());
  Life life(
      *this, [](const Call&) { return RefusedResult(); }, clock_, 1, 1);
  Answers parked, next;
  Accept(life.driver, "k1", parked);
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return life.driver.in_flight() == 0; }));
  EXPECT_EQ(store_.LoadByKey("shape", "", "k1")->state, SagaState::kParked);
  Accept(life.driver, "k2", next);
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return store_.LoadByKey("shape", "", "k2").ok(); }));
}

TEST_F(DriverTest, ANewLifeSendsAgainWhatTheOldOneAwaited) {
  Know(Sequence());
  Answers answers;
  {
    Life first(
        *this,
        [](const Call& call) -> std::optional<CallResult> {
          return call.method == "/test/b.action" ? std::nullopt : std::optional(OkResult());
        },
        clock_);
    Accept(first.driver, "k", answers);
    while (first.participants.paths().size() < 2) std::this_thread::yield();
  }
  EXPECT_EQ(answers.size(), 0u);
  Life second(
      *this, [](const Call&) { return OkResult(); }, clock_);
  Accept(second.driver, "k", answers);
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kCompleted);
  EXPECT_THAT(second.participants.paths(), ElementsAre("/test/b.action", "/test/c.action"));
  EXPECT_EQ(answers.Await(1)[0].saga.steps[1].attempt(), 2);
}

TEST_F(DriverTest, AnOldLifeIsFencedByANewEpoch) {
  Know(Sequence());
  Life old(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  ASSERT_TRUE(store_.Acquire("one", "", absl::Seconds(15)).ok());
  Answers answers;
  Accept(old.driver, "k", answers);
  while (!old.driver.lease_lost()) std::this_thread::yield();
  EXPECT_TRUE(old.participants.paths().empty());
  EXPECT_TRUE(absl::IsNotFound(store_.LoadByKey("shape", "", "k").status()));
}

TEST_F(DriverTest, CallersAreAnsweredBeforeTheSagasAreRecovered) {
  Know(Sequence());
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.in_flight_max = 1, .seed = 1});
  driver.Start();
  Answers answers;
  for (int i = 0; i < 10; ++i) Accept(driver, absl::StrCat("k", i), answers);  // most of them find no room
  answers.Await(10);
}

TEST_F(DriverTest, UnknownOutcomesAreRetriedByTheClock) {
  Know(AllRetriable());
  ManualClock clock;
  std::atomic<int> calls = 0;
  Life life(
      *this, [&](const Call&) { return ++calls < 4 ? UnavailableResult() : OkResult(); }, clock);
  Answers answers;
  Accept(life.driver, "k", answers);
  while (answers.size() == 0) clock.Advance(absl::Milliseconds(10));
  EXPECT_EQ(answers.Await(1)[0].saga.steps[0].attempt(), 4);
}

TEST_F(DriverTest, AWaiterIsAnsweredAtItsTimeAndTheSagaGoesOn) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return std::nullopt; });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  Answers answers;
  Accept(driver, "k", answers, "h", clock.Now() + absl::Seconds(1));
  driver.Turn();
  EXPECT_EQ(answers.size(), 0u);
  EXPECT_EQ(driver.NextDue(), clock.Now() + absl::Seconds(1));
  clock.Advance(absl::Seconds(1));
  driver.Turn();
  const Progress progress = answers.Await(1)[0];
  EXPECT_TRUE(progress.status.ok());
  EXPECT_EQ(progress.saga.state, SagaState::kRunning);
  EXPECT_EQ(driver.in_flight(), 1u);
}

TEST_F(DriverTest, ACancelGoesBackAndIsAnsweredWithTheSagaAsItStands) {
  Know(Sequence());
  Life life(
      *this,
      [](const Call& call) -> std::optional<CallResult> {
        return call.method == "/test/b.action" ? std::nullopt : std::optional(OkResult());
      },
      clock_);
  Answers answers;
  Answers cancelled;
  std::mutex mutex;
  std::string id;
  life.driver.Accept(
      Request("k"), absl::InfiniteFuture(),
      [&](const std::string& saga_id) {
        std::lock_guard lock(mutex);
        id = saga_id;
      },
      answers.Taker());
  while (life.participants.paths().size() < 2) std::this_thread::yield();
  {
    std::lock_guard lock(mutex);
    life.driver.Ask(id, CancelRequested{"ann", "changed her mind"}, 0, cancelled.Taker());
  }
  EXPECT_EQ(cancelled.Await(1)[0].saga.state, SagaState::kCompensating);
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kAborted);
  EXPECT_EQ(answers.Await(1)[0].saga.failure.reason, "SAGA_CANCELLED");
  Answers unknown;
  life.driver.Ask("nobody", CancelRequested{}, 0, unknown.Taker());
  EXPECT_EQ(GetErrorInfo(unknown.Await(1)[0].status).reason, "SAGA_NOT_FOUND");
}

// The id of the one saga there is, once it waits for the answer of its first call.
std::string AwaitCall(SagaStore& store, const ScriptedParticipants& participants) {
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return !participants.paths().empty(); }));
  return store.List({}).value().sagas.at(0).id;
}

TEST_F(DriverTest, OneKeyOfTwoCallersIsTwoSagas) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return OkResult(); }, clock_);
  Answers mina, juno, again, reused;
  AcceptOf(life.driver, "member/mina", "k", mina);
  AcceptOf(life.driver, "member/juno", "k", juno, "another");
  const std::string minas = mina.Await(1)[0].saga.id;
  EXPECT_NE(juno.Await(1)[0].saga.id, minas);
  AcceptOf(life.driver, "member/mina", "k", again);
  EXPECT_EQ(again.Await(1)[0].saga.id, minas);
  AcceptOf(life.driver, "member/juno", "k", reused);
  EXPECT_EQ(GetErrorInfo(reused.Await(1)[0].status).reason, "KEY_REUSED");
  EXPECT_EQ(store_.LoadByKey("shape", "member/mina", "k")->key_scope, "member/mina");
  EXPECT_EQ(store_.List({})->sagas.size(), 2U);
}

// As when callers begin to be told apart, and after a restart, which changes nothing of it.
TEST_F(DriverTest, AKeyFromBeforeCallersWereToldApartStartsNothingAgain) {
  Know(Sequence());
  std::string id;
  {
    Life life(
        *this, [](const Call&) { return OkResult(); }, clock_);
    Answers before;
    Accept(life.driver, "k", before);
    id = before.Await(1)[0].saga.id;
  }
  Life life(
      *this, [](const Call&) { return OkResult(); }, clock_);
  Answers mina, reused;
  AcceptOf(life.driver, "member/mina", "k", mina);
  EXPECT_EQ(mina.Await(1)[0].saga.id, id);
  AcceptOf(life.driver, "member/mina", "k", reused, "another");
  EXPECT_EQ(GetErrorInfo(reused.Await(1)[0].status).reason, "KEY_REUSED");
  EXPECT_EQ(store_.List({})->sagas.size(), 1U);
}

// Who finds no room is attached to its own saga, never to another caller's.
TEST_F(DriverTest, WithoutRoomAKeyIsStillItsCallersOwn) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_, /*shards=*/1, /*in_flight_max=*/1);
  Answers mina, again, juno;
  AcceptOf(life.driver, "member/mina", "k", mina);
  AwaitCall(store_, life.participants);
  AcceptOf(life.driver, "member/juno", "k", juno);
  EXPECT_EQ(GetErrorInfo(juno.Await(1)[0].status).reason, "OVERLOADED");
  NewSaga same = Request("k");
  same.key_scope = "member/mina";
  life.driver.Accept(std::move(same), clock_.Now() + absl::Seconds(1), nullptr, again.Taker());
  EXPECT_EQ(again.Await(1)[0].saga.key_scope, "member/mina");
}

TEST_F(DriverTest, ACallerIsAnsweredByAnyInstanceAndASagaIsFinishedByWhoClaimsIt) {
  Know(Sequence());
  auto one = std::make_unique<Life>(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  Answers at_one, at_two, in_a_hurry, other_input;
  Accept(one->driver, "k", at_one);
  const std::string id = AwaitCall(store_, one->participants);

  instance_ = "two";
  Life two(
      *this, [](const Call&) { return OkResult(); }, clock_);
  Accept(two.driver, "k", at_two);
  Accept(two.driver, "k", in_a_hurry, "h", clock_.Now() + absl::Seconds(1));
  Accept(two.driver, "k", other_input, "another");
  EXPECT_EQ(GetErrorInfo(other_input.Await(1)[0].status).reason, "KEY_REUSED");
  EXPECT_EQ(in_a_hurry.Await(1)[0].saga.state, SagaState::kRunning);
  EXPECT_EQ(*two.driver.Claim(10), 0);  // its owner lives
  EXPECT_EQ(two.driver.in_flight(), 0u);
  EXPECT_EQ(at_two.size(), 0u);
  EXPECT_EQ(observer_.taken_over, 0);

  one = nullptr;
  ASSERT_TRUE(store_.Release({.instance = "one", .epoch = 1}).ok());
  EXPECT_EQ(*two.driver.Claim(10), 1);
  const Saga told = at_two.Await(1)[0].saga;
  EXPECT_EQ(told.id, id);
  EXPECT_EQ(told.state, SagaState::kCompleted);
  EXPECT_EQ(told.owner, "two");
  EXPECT_EQ(two.driver.in_flight(), 0u);
  EXPECT_EQ(observer_.taken_over, 1);
  EXPECT_EQ(observer_.released, 1);
  EXPECT_EQ(observer_.recovered, 1);
}

TEST_F(DriverTest, WhoWaitsAtAnotherInstanceIsToldWhenTheOwnerFinishes) {
  Know(Sequence());
  std::atomic<bool> may_answer = false, is_watched = false;
  Life one(
      *this,
      [&](const Call&) {
        while (!may_answer) std::this_thread::yield();
        return OkResult();
      },
      clock_);
  Answers at_one, at_two;
  Accept(one.driver, "k", at_one);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return store_.List({}).value().rows() > 0; }));
  instance_ = "two";
  Life two(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  two.driver.Accept(
      Request("k"), absl::InfiniteFuture(), [&](const std::string&) { is_watched = true; }, at_two.Taker());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return is_watched.load(); }));
  may_answer = true;
  EXPECT_EQ(at_two.Await(1)[0].saga.state, SagaState::kCompleted);
  EXPECT_THAT(two.participants.paths(), testing::IsEmpty());
}

TEST_F(DriverTest, SagasThatWereClaimedUnlearntAreDrivenAllTheSame) {
  Know(Sequence());
  auto one = std::make_unique<Life>(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  Answers at_one;
  Accept(one->driver, "k", at_one);
  const std::string id = AwaitCall(store_, one->participants);
  one = nullptr;
  ASSERT_TRUE(store_.Release({.instance = "one", .epoch = 1}).ok());
  instance_ = "two";
  Life two(
      *this, [](const Call&) { return OkResult(); }, clock_);
  store_.SetClaimsAreSilent(true);
  EXPECT_TRUE(absl::IsUnavailable(two.driver.Claim(10).status()));
  EXPECT_EQ(store_.Load(id)->owner, "two");
  store_.SetClaimsAreSilent(false);
  EXPECT_EQ(*two.driver.Claim(10), 0);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.Load(id)->state); }));
}

TEST_F(DriverTest, WhatAPersonAsksOfAnotherInstancesSagaIsDoneAndItsOwnerLearnsOfIt) {
  Know(Sequence());
  Life one(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  Answers at_one, watching, seen_too_early, at_two, again;
  Accept(one.driver, "k", at_one);
  const std::string id = AwaitCall(store_, one.participants);

  instance_ = "two";
  Life two(
      *this, [](const Call&) { return OkResult(); }, clock_);
  std::atomic<bool> is_watched = false;
  two.driver.Accept(
      Request("k"), absl::InfiniteFuture(), [&](const std::string&) { is_watched = true; }, watching.Taker());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return is_watched.load(); }));
  two.driver.Ask(id, CancelRequested{"ann", "changed her mind"}, 77, seen_too_early.Taker());
  EXPECT_EQ(GetErrorInfo(seen_too_early.Await(1)[0].status).reason, "SAGA_MOVED");
  two.driver.Ask(id, CancelRequested{"ann", "changed her mind"}, 0, at_two.Taker());
  EXPECT_TRUE(at_two.Await(1)[0].status.ok()) << at_two.Await(1)[0].status;
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.Load(id)->state); }));

  one.driver.Ask(id, CancelRequested{"ben", "so did he"}, 0, again.Taker());
  EXPECT_TRUE(again.Await(1)[0].status.ok()) << again.Await(1)[0].status;
  EXPECT_EQ(again.Await(1)[0].saga, *store_.Load(id));
  const Saga told = at_one.Await(1)[0].saga;
  EXPECT_EQ(told, *store_.Load(id));
  EXPECT_EQ(watching.Await(1)[0].saga.id, id);
  EXPECT_EQ(one.driver.in_flight(), 0u);
}

TEST_F(DriverTest, AVerbIsOnlyForTheVersionThatThePersonSaw) {
  Know(AllRetriable());
  std::atomic<bool> is_mended = false;
  Life life(
      *this, [&](const Call&) { return is_mended ? OkResult() : RefusedResult(); }, clock_);
  Answers answers, of_an_older, of_this;
  Accept(life.driver, "k", answers);
  ASSERT_TRUE(Eventually(absl::Seconds(30), [&] {
    const auto saga = store_.LoadByKey("shape", "", "k");
    return saga.ok() && saga->state == SagaState::kParked;
  }));
  const Saga parked = *store_.LoadByKey("shape", "", "k");
  const Operated verb{Verb::kRetry, 0, "", "ann", "mended"};
  ASSERT_GT(parked.version, 1);
  life.driver.Ask(parked.id, verb, parked.version - 1, of_an_older.Taker());
  EXPECT_EQ(GetErrorInfo(of_an_older.Await(1)[0].status).reason, "SAGA_MOVED");
  EXPECT_EQ(store_.Load(parked.id)->version, parked.version);
  is_mended = true;
  life.driver.Ask(parked.id, verb, parked.version, of_this.Taker());
  EXPECT_TRUE(of_this.Await(1)[0].status.ok());
  EXPECT_EQ(answers.Await(1)[0].saga.state, SagaState::kCompleted);
}

TEST_F(DriverTest, ASagaThatWasLostAndComesBackUnnoticedIsDrivenAsItIsStored) {
  Plan plan = PivotInTheMiddle(true);
  plan.refusals_max = 1;
  Know(std::move(plan));
  std::atomic<bool> mended = false;
  Life one(
      *this,
      [&](const Call& call) { return call.method == "/test/r.action" && !mended ? RefusedResult() : OkResult(); },
      clock_);
  Answers at_one, at_two;
  Accept(one.driver, "k", at_one);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return observer_.parked > 0; }));
  const std::string id = store_.List({}).value().sagas.at(0).id;
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return store_.Load(id)->state == SagaState::kParked; }));

  instance_ = "two";
  auto two = std::make_unique<Life>(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  two->driver.Ask(id, Operated{Verb::kRetry, 2, "", "ann", "mended"}, 0, at_two.Taker());
  EXPECT_TRUE(at_two.Await(1)[0].status.ok()) << at_two.Await(1)[0].status;
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return !two->participants.paths().empty(); }));
  two = nullptr;
  ASSERT_TRUE(store_.Release({.instance = "two", .epoch = 1}).ok());

  mended = true;
  EXPECT_EQ(*one.driver.Claim(10), 1);
  EXPECT_EQ(at_one.Await(1)[0].saga.state, SagaState::kCompleted);
}

TEST_F(DriverTest, AFullHouseRefusesNewSagasButAnswersForItsOwn) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_, 1, 1);
  Answers first;
  Accept(life.driver, "k1", first);
  while (life.participants.paths().empty()) std::this_thread::yield();
  Answers refused;
  Accept(life.driver, "k2", refused);
  const absl::Status status = refused.Await(1)[0].status;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorInfo(status).reason, "OVERLOADED");
  EXPECT_THAT(status.message(), HasSubstr("nothing was started"));
  Answers again;
  Accept(life.driver, "k1", again, "h", clock_.Now() + absl::Seconds(1));
  EXPECT_EQ(again.Await(1)[0].saga.state, SagaState::kRunning);
}

TEST_F(DriverTest, WhatIsTakenUpGoesOnBeforeAllIsTakenUp) {
  Know(Sequence());
  {
    Life life(
        *this, [](const Call&) { return std::nullopt; }, clock_);
    Answers never;
    for (int i = 0; i < 8; ++i) Accept(life.driver, absl::StrCat("k", i), never);
    while (life.participants.paths().size() < 8) std::this_thread::yield();
  }
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.batch_max = 1, .seed = 1});
  ASSERT_TRUE(driver.Recover().ok());
  driver.Turn();  // one is recovered, and sends again
  driver.Turn();  // its answer is handled, and one more is recovered
  EXPECT_THAT(participants.paths(), ElementsAre("/test/a.action", "/test/b.action", "/test/a.action"));
}

TEST_F(DriverTest, WhileTheStoreBlocksEveryShardCallersAreAnsweredInTime) {
  Know(Sequence());
  ManualClock clock;
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock);
  Answers running, queued, unknown;
  const absl::Time by = clock.Now() + absl::Seconds(1);
  Accept(life.driver, "running", running, "h", by);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return !life.participants.paths().empty(); }));
  store_.SetCommitsWait(true);
  Accept(life.driver, "unknown", unknown, "h", by);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return store_.commit_waits(); }));
  Accept(life.driver, "queued", queued, "h", by);
  clock.Advance(absl::Seconds(2));
  for (Answers* answers : {&running, &queued, &unknown}) {
    EXPECT_EQ(GetErrorInfo(answers->Await(1)[0].status).reason, "STORE_UNAVAILABLE");
  }
  store_.SetCommitsWait(false);
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return store_.LoadByKey("shape", "", "unknown").ok(); }));
}

// Before nobody can be answered any more, as at the end of a drain.
TEST_F(DriverTest, WhoStillWaitsIsToldHowItsSagaStands) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_, 4);
  Answers waiting, later;
  const absl::Time by = clock_.Now() + absl::Hours(1);
  for (const char* key : {"k1", "k2", "k3"}) Accept(life.driver, key, waiting, "h", by);
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return store_.List({})->sagas.size() == 3; }));
  life.driver.AnswerWaiting();
  for (const Progress& progress : waiting.Await(3)) {
    EXPECT_TRUE(progress.status.ok()) << progress.status;
    EXPECT_EQ(progress.saga.state, SagaState::kRunning);
  }
  EXPECT_EQ(life.driver.in_flight(), 3u) << "the sagas go on";
  Accept(life.driver, "k1", later, "h", by);
  EXPECT_EQ(later.Await(1)[0].saga.state, SagaState::kRunning) << "nobody is let wait any more";
}

TEST_F(DriverTest, WhoStillWaitsWhileTheStoreBlocksIsToldThatItIsSilent) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  store_.SetCommitsWait(true);
  Answers waiting;
  Accept(life.driver, "k", waiting);
  life.driver.AnswerWaiting();
  EXPECT_EQ(GetErrorInfo(waiting.Await(1)[0].status).reason, "STORE_UNAVAILABLE");
  store_.SetCommitsWait(false);
}

TEST_F(DriverTest, WhoFindsNoPlaceInATurnIsToldThatTooMuchIsAskedNotThatTheStoreIsAway) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return std::nullopt; });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.seed = 1});
  Answers answers;
  Accept(driver, "k", answers, "h", clock.Now() + absl::Seconds(1));
  EXPECT_EQ(driver.in_flight(), 1u);
  clock.Advance(absl::Seconds(1));
  driver.Turn();
  const absl::Status told = answers.Await(1)[0].status;
  EXPECT_EQ(GetErrorInfo(told).reason, "OVERLOADED");
  EXPECT_THAT(told.message(), HasSubstr("may have: repeat it with the same key")) << "its key was not looked up";
  EXPECT_EQ(driver.in_flight(), 0u);
  EXPECT_TRUE(store_.List({}).value().sagas.empty());
}

TEST_F(DriverTest, AParkedSagaIsNotKeptInMemoryAndAnOperatorFindsItAllTheSame) {
  Know(AllRetriable());
  std::atomic<bool> is_mended = false;
  Life life(
      *this, [&](const Call&) { return is_mended ? OkResult() : RefusedResult(); }, clock_);
  Answers parked, verb;
  Accept(life.driver, "k", parked, "h", clock_.Now() + absl::Seconds(2));
  EXPECT_EQ(parked.Await(1)[0].saga.state, SagaState::kParked);
  const int before = store_.calls();
  const Saga stored = *store_.LoadByKey("shape", "", "k");
  is_mended = true;
  life.driver.Ask(stored.id, Operated{Verb::kRetry, 0, "", "ann", "mended"}, stored.version, verb.Taker());
  EXPECT_TRUE(verb.Await(1)[0].status.ok()) << verb.Await(1)[0].status;
  EXPECT_GT(store_.calls(), before + 2) << "it was still in memory";  // the look-up, the load, the commit
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.Load(stored.id)->state); }));
}

TEST_F(DriverTest, AnOperatorIsHeardThoughTooManyCallersWait) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return std::nullopt; });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.waiters_max = 1, .seed = 1});
  Answers waiting, refused, operators;
  Accept(driver, "k", waiting);
  driver.Turn();
  Accept(driver, "other", refused);
  EXPECT_EQ(GetErrorInfo(refused.Await(1)[0].status).reason, "OVERLOADED");
  const Saga saga = store_.List({}).value().sagas.at(0);
  driver.Ask(saga.id, CancelRequested{"ann", "changed her mind"}, saga.version, operators.Taker());
  driver.Turn();
  EXPECT_TRUE(operators.Await(1)[0].status.ok());
  driver.Ask(saga.id, CancelRequested{"ann", "changed her mind"}, 0, operators.Taker());
  clock.Advance(absl::Seconds(11));  // the store blocks its shard
  driver.Turn();
  EXPECT_EQ(GetErrorInfo(operators.Await(2)[1].status).reason, "STORE_UNAVAILABLE");
}

TEST_F(DriverTest, ARefusalWaitsForNoCommit) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_, 1, 1);
  store_.SetCommitsWait(true);
  Answers first, refused;
  Accept(life.driver, "k1", first);
  Accept(life.driver, "k2", refused);
  EXPECT_EQ(GetErrorInfo(refused.Await(1)[0].status).reason, "OVERLOADED");
  store_.SetCommitsWait(false);
}

TEST_F(DriverTest, ASagaWhoseWriteIsRefusedStandsStillAndAllOthersGoOn) {
  Know(Sequence());
  std::atomic<bool> is_refused = false;
  Life life(
      *this,
      [&](const Call& call) {
        if (call.step == "b" && store_.Load(call.saga_id)->key == "bad" && !is_refused.exchange(true)) {
          store_.Refuse(call.saga_id);
        }
        return OkResult();
      },
      clock_);
  Answers bad, good, again, verb, cancelled;
  Accept(life.driver, "bad", bad);
  for (int i = 0; i < 50; ++i) Accept(life.driver, absl::StrCat("k", i), good);
  for (const Progress& progress : good.Await(50)) EXPECT_EQ(progress.saga.state, SagaState::kCompleted);
  EXPECT_EQ(GetErrorInfo(bad.Await(1)[0].status).reason, "SAGA_QUARANTINED");
  EXPECT_EQ(observer_.quarantined, 1);
  EXPECT_THAT(life.driver.quarantined(), ElementsAre(Pair("shape", 1u)));
  EXPECT_FALSE(life.driver.lease_lost());
  EXPECT_EQ(life.driver.in_flight(), 0u);
  const Saga stored = *store_.LoadByKey("shape", "", "bad");
  EXPECT_EQ(stored.owner, "one");

  Accept(life.driver, "bad", again);
  EXPECT_EQ(GetErrorInfo(again.Await(1)[0].status).reason, "SAGA_QUARANTINED");
  life.driver.Ask(stored.id, CancelRequested{"ann", "stuck"}, 0, verb.Taker());
  EXPECT_EQ(GetErrorInfo(verb.Await(1)[0].status).reason, "SAGA_QUARANTINED");
  EXPECT_EQ(*store_.Load(stored.id), stored);
  EXPECT_THAT(life.driver.quarantined(), ElementsAre(Pair("shape", 1u)));

  store_.Refuse("none");  // the cause is mended
  life.driver.Ask(stored.id, CancelRequested{"ann", "stuck"}, 0, cancelled.Taker());
  EXPECT_TRUE(cancelled.Await(1)[0].status.ok());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.Load(stored.id)->state); }));
}

TEST_F(DriverTest, ANewSagaThatTheStoreRefusesIsRefused) {
  Know(Sequence());
  Life life(
      *this, [](const Call&) { return OkResult(); }, clock_);
  store_.Refuse("bad");
  Answers bad;
  Accept(life.driver, "bad", bad);
  EXPECT_EQ(GetErrorInfo(bad.Await(1)[0].status).reason, "STORE_FAILED");
  EXPECT_EQ(bad.Await(1)[0].status.message(), "the store refuses the saga; nothing was started");
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return life.driver.in_flight() == 0; }));
  EXPECT_EQ(observer_.quarantined, 0);
}

TEST_F(DriverTest, ARowThatCannotBeReadStopsNoOther) {
  Know(Sequence());
  {
    Life first(
        *this, [](const Call&) { return std::nullopt; }, clock_);
    Answers never;
    for (int i = 0; i < 3; ++i) Accept(first.driver, absl::StrCat("k", i), never);
    EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return first.participants.paths().size() == 3; }));
  }
  store_.SetDamaged("k1");
  Life second(
      *this, [](const Call&) { return OkResult(); }, clock_);
  for (const char* key : {"k0", "k2"}) {
    EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.LoadByKey("shape", "", key)->state); }));
  }
  EXPECT_FALSE(IsTerminal(store_.LoadByKey("shape", "", "k1")->state));
  EXPECT_EQ(observer_.unreadable, 1);
  second.driver.LookAgain();
  EXPECT_EQ(second.driver.unreadable(), 1u);

  store_.SetDamaged("none");  // it was mended
  second.driver.LookAgain();
  EXPECT_EQ(second.driver.unreadable(), 0u);
  ASSERT_TRUE(second.driver.Claim(10).ok());
  EXPECT_TRUE(Eventually(absl::Seconds(30), [&] { return IsTerminal(store_.LoadByKey("shape", "", "k1")->state); }));
}

TEST_F(DriverTest, NoMoreSagaStandsStillThatAnotherInstanceMovedOn) {
  Know(Sequence());
  Life life(
      *this,
      [&](const Call& call) {
        store_.Refuse(call.saga_id);
        return OkResult();
      },
      clock_);
  Answers answers;
  Accept(life.driver, "k", answers);
  EXPECT_EQ(GetErrorInfo(answers.Await(1)[0].status).reason, "SAGA_QUARANTINED");
  life.driver.LookAgain();
  EXPECT_THAT(life.driver.quarantined(), ElementsAre(Pair("shape", 1u)));

  store_.Refuse("none");
  const Lease two = *store_.Acquire("two", "", absl::Seconds(15));
  Saga moved = *store_.Take(two, store_.LoadByKey("shape", "", "k")->id);
  const std::int64_t seen = moved.version++;
  ASSERT_TRUE(store_.Commit(two, {{.seen_version = seen, .saga = moved, .events = {}}}).ok());
  life.driver.LookAgain();
  EXPECT_THAT(life.driver.quarantined(), IsEmpty());
}

TEST_F(DriverTest, WhereTheDefinitionSaysSoAFailureIsToldBeforeAllIsUndone) {
  for (const bool at_decided : {true, false}) {
    Plan plan = Sequence();
    plan.version = at_decided ? 1 : 2;
    plan.answer_at_decided = at_decided;
    Know(std::move(plan));
    Life life(
        *this,
        [](const Call& call) -> std::optional<CallResult> {
          if (call.method == "/test/a.compensation") return std::nullopt;
          return call.method == "/test/b.action" ? RefusedResult() : OkResult();
        },
        clock_);
    const std::string key = absl::StrCat("k", at_decided);
    Answers first, again;
    const absl::Duration patience = at_decided ? absl::Minutes(10) : absl::Seconds(1);
    Accept(life.driver, key, first, "h", clock_.Now() + patience);
    const Saga told = first.Await(1)[0].saga;
    EXPECT_EQ(told.state, SagaState::kCompensating);
    EXPECT_EQ(told.failure.reason, "NO");
    Accept(life.driver, key, again, "h", clock_.Now() + patience);
    EXPECT_EQ(again.Await(1)[0].saga.state, SagaState::kCompensating);
  }
}

// S16: the first caller and one who repeats the call are answered while the saga goes on, and at last by its end.
TEST_F(DriverTest, WhereTheDefinitionSaysSoAStepsSuccessAnswersForNow) {
  Plan plan = PivotInTheMiddle(true);
  plan.answer_after = 1;
  Know(std::move(plan));
  std::atomic<bool> ends = false;
  Life life(
      *this,
      [&](const Call& call) -> std::optional<CallResult> {
        return call.method != "/test/r.action" || ends ? std::optional(OkResult()) : UnavailableResult();
      },
      clock_);
  for (const char* call : {"first", "again"}) {
    SCOPED_TRACE(call);
    Answers answers;
    Accept(life.driver, "k", answers);
    const Saga told = answers.Await(1)[0].saga;
    EXPECT_EQ(told.state, SagaState::kRunning);
    EXPECT_EQ(told.steps[1].state, StepState::kSucceeded);
  }
  ends = true;
  EXPECT_TRUE(
      Eventually(absl::Minutes(1), [&] { return store_.LoadByKey("shape", "", "k")->state == SagaState::kCompleted; }));
  Answers last;
  Accept(life.driver, "k", last);
  EXPECT_EQ(last.Await(1)[0].saga.state, SagaState::kCompleted);
}

// Nobody is told to pay for what goes back.
TEST_F(DriverTest, ASagaThatGoesBackIsNotAnsweredForNow) {
  Plan plan = Sequence();
  plan.answer_after = 0;
  Know(std::move(plan));
  Life life(
      *this,
      [](const Call& call) -> std::optional<CallResult> {
        if (call.method == "/test/a.compensation") return std::nullopt;
        return call.method == "/test/b.action" ? RefusedResult() : OkResult();
      },
      clock_);
  Answers first;
  Accept(life.driver, "k", first);
  EXPECT_FALSE(first.Await(1)[0].saga.backward);
  ASSERT_TRUE(Eventually(absl::Minutes(1), [&] { return store_.LoadByKey("shape", "", "k")->backward; }));
  Answers again;
  Accept(life.driver, "k", again, "h", clock_.Now() + absl::Milliseconds(500));
  EXPECT_TRUE(again.Await(1)[0].saga.backward);
  EXPECT_EQ(again.Await(1)[0].saga.failure.reason, "NO");
}

// While the saga waits, the copy of who drove it meets no conflict. He tells what is stored all the same.
TEST_F(DriverTest, WhatAnotherInstanceHasTurnedBackIsNotAnsweredForNow) {
  Plan plan = Sequence();
  plan.answer_after = 0;
  Know(std::move(plan));
  const auto answer = [](const Call& call) -> std::optional<CallResult> {
    return call.method == "/test/a.action" ? std::optional(OkResult()) : std::nullopt;
  };
  Life one(*this, answer, clock_);
  Answers first, asked, again;
  Accept(one.driver, "k", first);
  const std::string id = first.Await(1)[0].saga.id;
  EXPECT_FALSE(first.Await(1)[0].saga.backward);

  instance_ = "two";
  Life two(*this, answer, clock_);
  two.driver.Ask(id, CancelRequested{"ann", "changed her mind"}, 0, asked.Taker());
  EXPECT_TRUE(asked.Await(1)[0].saga.backward) << asked.Await(1)[0].status;
  Accept(one.driver, "k", again, "h", clock_.Now() + absl::Milliseconds(500));
  EXPECT_TRUE(again.Await(1)[0].saga.backward) << again.Await(1)[0].status;
}

TEST_F(DriverTest, AThousandSagasOnFourShardsAllEnd) {
  Plan plan = DiamondBeforePivot();
  plan.refusals_max = 100;  // so that none parks
  Know(std::move(plan));
  std::atomic<unsigned> calls = 0;
  Life life(
      *this,
      [&](const Call&) {
        const unsigned n = ++calls;
        return n % 13 == 0 ? RefusedResult() : n % 7 == 0 ? UnavailableResult() : OkResult();
      },
      clock_, 4);
  Answers answers;
  for (int i = 0; i < 1000; ++i) Accept(life.driver, absl::StrCat("k", i), answers);
  for (const Progress& progress : answers.Await(1000)) EXPECT_TRUE(IsTerminal(progress.saga.state));
  EXPECT_EQ(observer_.finished, 1000);
  EXPECT_EQ(life.driver.in_flight(), 0u);
}

// ---- memory

TEST_F(DriverTest, WithoutMemoryForSagasEachGoesOnFromItsRow) {
  Know(PivotInTheMiddle(true));
  const auto behave = [](const Call& call) {
    return call.attempt == 1 && call.step == "r" ? UnavailableResult() : OkResult();
  };
  ScriptedParticipants participants(behave);
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.saga_memory_max = 0, .seed = 1});
  driver.Start();
  Answers answers;
  for (int i = 0; i < 20; ++i) Accept(driver, absl::StrCat("k", i), answers);
  for (const Progress& progress : answers.Await(20)) EXPECT_EQ(progress.saga.state, SagaState::kCompleted);
  EXPECT_EQ(participants.paths().size(), 80u);  // nothing is sent twice but what failed
  EXPECT_GE(observer_.shed, 20);
  EXPECT_EQ(driver.in_flight(), 0u);
}

TEST_F(DriverTest, OfAShedSagaACallerIsToldHowItStands) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return std::nullopt; });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.saga_memory_max = 0, .seed = 1});
  Answers answers;
  Accept(driver, "k", answers, "h", clock.Now() + absl::Seconds(1));
  while (driver.Turn()) continue;
  ASSERT_GE(observer_.shed, 1);
  clock.Advance(absl::Seconds(1));
  while (driver.Turn()) continue;
  const Progress progress = answers.Await(1)[0];
  EXPECT_TRUE(progress.status.ok()) << progress.status;
  EXPECT_EQ(progress.saga.state, SagaState::kRunning);
  EXPECT_FALSE(progress.saga.id.empty());
  driver.Ask(progress.saga.id, CancelRequested{}, progress.saga.version, answers.Taker());
  while (driver.Turn()) continue;
  EXPECT_TRUE(answers.Await(2)[1].saga.cancel_requested);
}

TEST_F(DriverTest, ARequestThatFindsNoRoomToWaitIsRefused) {
  Know(Sequence());
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.queue_memory_max = 1000, .seed = 1});
  Answers answers;
  for (const char* key : {"a", "b"}) Accept(driver, key, answers);
  EXPECT_EQ(GetErrorInfo(answers.Await(1)[0].status).reason, "OVERLOADED");
  EXPECT_EQ(driver.in_flight(), 1u);
  while (driver.Turn()) continue;
  Accept(driver, "b", answers);
  while (driver.Turn()) continue;
  EXPECT_EQ(answers.Await(3)[2].saga.state, SagaState::kCompleted);
}

TEST_F(DriverTest, AReplyThatFindsNoRoomIsAskedForAgainAndSpendsNoAttempt) {
  Know(Sequence());
  ManualClock clock;
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.queue_memory_max = 0, .seed = 1});
  Answers answers;
  Accept(driver, "first", answers);
  driver.Turn();  // its reply waits
  Accept(driver, "second", answers);
  driver.Turn();  // both make a call, and one reply is too many
  driver.Turn();
  int not_kept = 0;
  for (const char* key : {"first", "second"}) {
    const Saga stored = store_.LoadByKey(definition_->plan().name, "", key).value();
    for (const Step& step : stored.steps) {
      if (step.last_failure.reason != "REPLY_NOT_KEPT") continue;
      ++not_kept;
      EXPECT_EQ(step.unknowns, 0);
      EXPECT_EQ(step.wake_at, clock.Now() + absl::Seconds(1));
    }
  }
  EXPECT_EQ(not_kept, 1);
  for (int i = 0; i < 10; ++i) {
    while (driver.Turn()) continue;
    clock.Advance(absl::Seconds(1));
  }
  for (const Progress& progress : answers.Await(2)) EXPECT_EQ(progress.saga.state, SagaState::kCompleted);
}

TEST_F(DriverTest, ATurnTakesNoMoreSagasThanItsBytes) {
  Know(Sequence());
  ScriptedParticipants participants([](const Call&) { return OkResult(); });
  Driver driver(store_, participants, catalog_, clock_, observer_, *store_.Acquire("one", "", absl::Seconds(15)),
                {.turn_bytes_max = 20 << 10, .seed = 1});
  Answers answers;
  for (int i = 0; i < 10; ++i) {
    NewSaga saga = Request(absl::StrCat("k", i));
    saga.input.assign(10 << 10, 'x');
    driver.Accept(std::move(saga), absl::InfiniteFuture(), nullptr, answers.Taker());
  }
  while (driver.Turn()) {
    std::size_t writes = 0;
    for (const std::size_t part : store_.parts()) writes += part;
    EXPECT_LE(writes, 2u);
    store_.ForgetParts();
  }
  answers.Await(10);
}

TEST_F(DriverTest, RecoveryReadsNoMoreThanIsHandled) {
  Know(Sequence());
  {
    Life life(
        *this, [](const Call&) { return std::nullopt; }, clock_);
    Answers answers;
    for (int i = 0; i < 50; ++i) Accept(life.driver, absl::StrCat("k", i), answers);
    EXPECT_TRUE(Eventually(absl::Minutes(1), [&] { return life.participants.paths().size() == 50; }));
  }
  store_.SetPageBytesMax(1);
  Life life(
      *this, [](const Call&) { return std::nullopt; }, clock_);
  EXPECT_GE(life.driver.in_flight(), 48u);  // each page is handled before the next but one is read
}

}  // namespace
}  // namespace unwind
