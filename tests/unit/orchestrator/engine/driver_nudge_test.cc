// What a nudge does to a saga, of this instance and of another (S14).
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/driver.h"
#include "tests/unit/orchestrator/core/shapes.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::SizeIs;

// Driven by hand, on a clock of its own: nothing happens by itself.
class DriverNudgeTest : public testing::Test {
 protected:
  struct Instance {
    Instance(DriverNudgeTest& test, const std::string& name)
        : participants([&test](const Call& call) { return test.Answer(call); }),
          driver(test.store_, participants, test.catalog_, test.clock_, test.observer_,
                 *test.store_.Acquire(name, "", absl::Hours(1)), {.seed = ++test.lives_}) {}

    void Run() {
      while (driver.Turn()) continue;
    }
    // The reason; "": it was heeded.
    std::string Nudge(const std::string& saga_id, const std::string& step) {
      std::optional<absl::Status> answer;
      driver.Nudge(saga_id, step, [&answer](absl::Status status) { answer = std::move(status); });
      Run();
      if (!answer.has_value()) return "it is not answered";
      return answer->ok() ? "" : GetErrorInfo(*answer).reason;
    }

    ScriptedParticipants participants;
    Driver driver;
  };

  void SetUp() override {
    definition_ = std::make_shared<PlainDefinition>(WaitingPivot());
    ASSERT_TRUE(catalog_.Add(definition_).ok());
  }

  std::optional<CallResult> Answer(const Call& call) {
    if (call.step != "pivot") return OkResult();
    if (is_silent_) return std::nullopt;
    CallResult result = OkResult();
    result.pending = !is_paid_;
    return result;
  }

  // Its id. It waits for its customer.
  std::string Start(Instance& instance) {
    std::string id;
    instance.driver.Accept(
        {.definition = definition_, .key = "k", .input = "input", .input_hash = "h", .trace = {}},
        absl::InfiniteFuture(), [&id](const std::string& accepted) { id = accepted; }, [](const Progress&) {});
    instance.Run();
    EXPECT_EQ(store_.Load(id)->steps[1].awaiting, is_silent_);
    return id;
  }
  static std::size_t Asked(const Instance& instance) {
    std::size_t asked = 0;
    for (const std::string& path : instance.participants.paths()) asked += path == "/test/pivot.action" ? 1 : 0;
    return asked;
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  CountingObserver observer_;
  ManualClock clock_;
  std::uint64_t lives_ = 0;
  std::shared_ptr<const Definition> definition_;
  bool is_silent_ = false;
  bool is_paid_ = false;
};

TEST_F(DriverNudgeTest, AStepThatWaitsIsAskedAtOnce) {
  Instance one(*this, "one");
  const std::string id = Start(one);
  is_paid_ = true;
  one.Run();
  EXPECT_EQ(store_.Load(id)->state, SagaState::kRunning) << "nobody asks before the poll";
  EXPECT_EQ(one.Nudge(id, "pivot"), "");
  EXPECT_EQ(store_.Load(id)->state, SagaState::kCompleted);
  EXPECT_EQ(Asked(one), 2u);
  EXPECT_EQ(one.Nudge(id, "pivot"), "SAGA_FINISHED");
}

TEST_F(DriverNudgeTest, WhatItIsNotForIsRefused) {
  Instance one(*this, "one");
  const std::string id = Start(one);
  EXPECT_EQ(one.Nudge("nobody", "pivot"), "SAGA_NOT_FOUND");
  EXPECT_EQ(one.Nudge(id, "nobody"), "STEP_NOT_FOUND");
  EXPECT_EQ(one.Nudge(id, "a"), "STEP_NOT_WAITING");
  EXPECT_EQ(one.Nudge(id, "r"), "STEP_NOT_WAITING");
  EXPECT_EQ(Asked(one), 1u);
}

// Also where something else is decided about the saga in the same turn.
TEST_F(DriverNudgeTest, WhatItIsNotForIsRefusedBesideWhatIsStored) {
  Instance one(*this, "one");
  one.driver.Accept({.definition = definition_, .key = "k", .input = "input", .input_hash = "h", .trace = {}},
                    absl::InfiniteFuture(), nullptr, [](const Progress&) {});
  ASSERT_TRUE(one.driver.Turn());  // it is stored, and the answer of its first step waits for the next turn
  const std::string id = store_.List({})->sagas.at(0).id;
  EXPECT_EQ(one.Nudge(id, "nobody"), "STEP_NOT_FOUND");
  EXPECT_EQ(store_.Load(id)->steps[1].state, StepState::kWaiting);
}

// Behind a balancer it comes to any instance.
TEST_F(DriverNudgeTest, ItNeverTakesASagaFromItsOwner) {
  Instance one(*this, "one");
  Instance other(*this, "other");
  const std::string id = Start(one);
  const std::int64_t version = store_.Load(id)->version;
  for (int n = 0; n < 3; ++n) EXPECT_EQ(other.Nudge(id, "pivot"), "SAGA_ELSEWHERE");
  EXPECT_EQ(store_.Load(id)->owner, "one");
  EXPECT_EQ(store_.Load(id)->version, version);
  is_paid_ = true;
  EXPECT_EQ(one.Nudge(id, "pivot"), "");
  EXPECT_EQ(store_.Load(id)->state, SagaState::kCompleted);
  EXPECT_EQ(Asked(other), 0u);
}

TEST_F(DriverNudgeTest, AFloodCostsNoMoreThanTwoCommitsASecond) {
  Instance one(*this, "one");
  const std::string id = Start(one);
  store_.ForgetParts();
  for (int n = 0; n < 1000; ++n) EXPECT_EQ(one.Nudge(id, "pivot"), "");
  EXPECT_EQ(Asked(one), 2u);
  EXPECT_LE(store_.parts().size(), 3u);  // the send, its answer, and when the next may be
  clock_.Advance(absl::Seconds(1));
  one.Run();
  EXPECT_EQ(Asked(one), 3u) << "the last nudge is not lost";
}

TEST_F(DriverNudgeTest, WhileACallIsOutItIsRememberedAndStored) {
  is_silent_ = true;
  Instance one(*this, "one");
  const std::string id = Start(one);
  EXPECT_EQ(one.Nudge(id, "pivot"), "");
  EXPECT_TRUE(store_.Load(id)->steps[1].nudged);
  EXPECT_EQ(Asked(one), 1u);
}

// Its payload is dropped from memory, or its owner was started again and has not come to it.
TEST_F(DriverNudgeTest, ItFindsASagaThatIsNotInMemory) {
  std::string id;
  {
    Instance one(*this, "one");
    id = Start(one);
  }
  Instance one(*this, "one");
  is_paid_ = true;
  EXPECT_EQ(one.Nudge(id, "pivot"), "");
  EXPECT_EQ(store_.Load(id)->state, SagaState::kCompleted);
}

TEST_F(DriverNudgeTest, WhileTheStoreIsAwayNothingIsPromised) {
  Instance one(*this, "one");
  Start(one);
  store_.SetAway(true);
  std::optional<absl::Status> answer;
  one.driver.Nudge("elsewhere", "pivot", [&answer](absl::Status status) { answer = std::move(status); });
  one.driver.Turn();
  clock_.Advance(absl::Seconds(11));
  one.driver.Turn();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(GetErrorInfo(*answer).reason, "STORE_UNAVAILABLE");
}

}  // namespace
}  // namespace unwind
