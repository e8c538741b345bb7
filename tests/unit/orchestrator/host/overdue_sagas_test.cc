#include "orchestrator/host/overdue_sagas.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/memory_saga_store.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kOld = absl::Hours(30), kOlder = absl::Hours(40);

class NoonClock final : public Clock {
 public:
  absl::Time Now() const override { return kNoon; }
};

class OverdueSagasTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto driven = std::make_shared<FakeDefinition>();
    driven->plan_.version = 1;
    ASSERT_TRUE(catalog_.Add(driven).ok());
    ASSERT_TRUE(catalog_.Serve(driven).ok());
  }

  static Saga Of(const std::string& id, absl::Duration age) {
    Saga saga;
    saga.id = saga.key = id;
    saga.definition = "place-order";
    saga.definition_version = 1;
    saga.version = 1;
    saga.create_time = kNoon - age;
    saga.steps.resize(1);
    saga.steps[0].state = StepState::kInFlight;
    return saga;
  }

  static Saga Waiting(const std::string& id, absl::Duration age, absl::Time wait_until) {
    Saga saga = Of(id, age);
    saga.steps[0].state = StepState::kWaiting;
    saga.steps[0].wait_until = wait_until;
    return saga;
  }

  void Store(Saga saga) {
    const std::int64_t seen = saga.version - 1;
    const auto results =
        store_.Commit(lease_, {{.seen_version = seen, .saga = std::move(saga), .next_run_at = kNoon, .events = {}}});
    ASSERT_TRUE(results.ok()) << results.status();
  }

  void End(Saga saga) {
    saga.version = 2;
    saga.state = SagaState::kCompleted;
    Store(std::move(saga));
  }

  // -1: there is no such series.
  static double Age(const OverdueSagas& overdue) {
    for (const prometheus::MetricFamily& family : overdue.Collect()) {
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (metric.label.at(0).value == "place-order") return metric.gauge.value;
      }
    }
    return -1;
  }

  double Age() const { return Age(overdue_); }

  MemorySagaStore store_;
  const Lease lease_ = store_.Acquire("me", "host:1", absl::Hours(1)).value();
  const NoonClock clock_{};
  DefinitionCatalog catalog_;
  OverdueSagas overdue_{clock_, catalog_};
};

TEST_F(OverdueSagasTest, OfWhatIsServedThereIsASeriesBeforeTheFirstSaga) { EXPECT_EQ(Age(), 0); }

TEST_F(OverdueSagasTest, TellsTheAgeOfTheOldestUntilItHasEnded) {
  Store(Of("a", kOlder));
  Store(Of("b", kOld));
  Store(Of("c", absl::Hours(23)));
  EXPECT_EQ(overdue_.LookAgain(store_, "me"), kOverdueRoundPause);
  EXPECT_EQ(Age(), absl::ToDoubleSeconds(kOlder));
  End(Of("a", kOlder));
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), absl::ToDoubleSeconds(kOld));
  End(Of("b", kOld));
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), 0);
}

TEST_F(OverdueSagasTest, LeavesTheSagasOfOthersToThem) {
  Store(Of("a", kOld));
  overdue_.LookAgain(store_, "other");
  EXPECT_EQ(Age(), 0);
}

TEST_F(OverdueSagasTest, PassesOverWhatWaitsByRight) {
  Store(Waiting("a", kOlder, absl::InfiniteFuture()));
  Store(Waiting("b", kOlder, kNoon + absl::Seconds(1)));
  Saga compensating = Waiting("c", kOlder, kNoon - absl::Hours(20));
  compensating.steps[0].phase = Phase::kCompensation;
  Store(compensating);
  Saga settling = Waiting("d", kOlder, kNoon - absl::Hours(20));
  settling.steps[0].phase = Phase::kResolve;
  Store(settling);
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), 0);
  Store(Of("e", kOld));
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), absl::ToDoubleSeconds(kOld));
}

TEST_F(OverdueSagasTest, WhatWaitsBeyondItsTimeOrForAPersonDoesNotWaitByRight) {
  Store(Waiting("a", kOld, kNoon));
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), absl::ToDoubleSeconds(kOld));
  End(Of("a", kOld));
  Saga parked = Waiting("b", kOlder, absl::InfiniteFuture());
  parked.state = SagaState::kParked;
  parked.steps[0].parked = true;
  Store(parked);
  overdue_.LookAgain(store_, "me");
  EXPECT_EQ(Age(), absl::ToDoubleSeconds(kOlder));
}

TEST_F(OverdueSagasTest, FindsOneBehindManyThatWait) {
  OverdueSagas by_two(clock_, catalog_, 2);
  for (const char* id : {"a", "b", "c"}) Store(Waiting(id, kOlder, absl::InfiniteFuture()));
  Store(Of("d", kOld));
  Store(Of("e", absl::Hours(1)));
  EXPECT_EQ(by_two.LookAgain(store_, "me"), kOverduePagePause);
  EXPECT_EQ(Age(by_two), 0);
  EXPECT_EQ(by_two.LookAgain(store_, "me"), kOverduePagePause);
  EXPECT_EQ(Age(by_two), absl::ToDoubleSeconds(kOld)) << "it is told before the round is over";
  EXPECT_EQ(by_two.LookAgain(store_, "me"), kOverdueRoundPause);
  EXPECT_EQ(Age(by_two), absl::ToDoubleSeconds(kOld));
  End(Of("d", kOld));
  by_two.LookAgain(store_, "me");
  EXPECT_EQ(Age(by_two), absl::ToDoubleSeconds(kOld)) << "the round is not over";
  by_two.LookAgain(store_, "me");
  EXPECT_EQ(Age(by_two), 0);
}

}  // namespace
}  // namespace unwind
