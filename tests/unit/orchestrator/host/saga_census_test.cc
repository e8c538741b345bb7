#include "orchestrator/host/saga_census.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_saga_store.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);

class NoonClock final : public Clock {
 public:
  absl::Time Now() const override { return kNoon; }
};

class SagaCensusTest : public testing::Test {
 protected:
  void SetUp() override {
    auto driven = std::make_shared<FakeDefinition>();
    driven->plan_.version = 1;
    ASSERT_TRUE(catalog_.Add(driven).ok());
    ASSERT_TRUE(catalog_.Serve(driven).ok());
  }

  void Store(const std::string& id, SagaState state, absl::Duration age, std::int64_t seen_version = 0,
             int version = 1) {
    Saga saga;
    saga.id = saga.key = id;
    saga.definition = "place-order";
    saga.definition_version = version;
    saga.state = state;
    saga.version = seen_version + 1;
    saga.create_time = kNoon - age;
    const auto results =
        store_.Commit(lease_, {{.seen_version = seen_version, .saga = saga, .next_run_at = kNoon, .events = {}}});
    ASSERT_TRUE(results.ok()) << results.status();
  }

  // The value of `family` for sagas in `state`; -1 if there is none.
  double Value(const std::string& family, const std::string& state) {
    for (const prometheus::MetricFamily& each : census_.Collect()) {
      for (const prometheus::ClientMetric& metric : each.metric) {
        if (each.name == family && metric.label.at(0).value == "place-order" && metric.label.at(1).value == state) {
          return metric.gauge.value;
        }
      }
    }
    return -1;
  }

  MemorySagaStore store_;
  const Lease lease_ = store_.Acquire("me", "host:1", absl::Hours(1)).value();
  const NoonClock clock_{};
  DefinitionCatalog catalog_;
  SagaCensus census_{clock_, catalog_};
};

TEST_F(SagaCensusTest, TellsHowManyAndHowOldByState) {
  Store("a", SagaState::kRunning, absl::Seconds(3));
  Store("b", SagaState::kRunning, absl::Minutes(2));
  Store("c", SagaState::kParked, absl::Hours(1));
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_live", "running"), 2);
  EXPECT_EQ(Value("saga_oldest_age_seconds", "running"), 120);
  EXPECT_EQ(Value("saga_live", "parked"), 1);
  EXPECT_EQ(Value("saga_oldest_age_seconds", "parked"), 3600);
  EXPECT_EQ(Value("saga_live", "compensating"), 0);
  EXPECT_EQ(Value("saga_oldest_age_seconds", "compensating"), 0);
  EXPECT_EQ(census_.Sagas(SagaState::kRunning), 2);
  EXPECT_EQ(census_.Sagas(SagaState::kParked), 1);
}

TEST_F(SagaCensusTest, SaysZeroOnceAllHaveEnded) {
  Store("a", SagaState::kRunning, absl::Seconds(3));
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  Store("a", SagaState::kCompleted, absl::Seconds(3), 1);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_live", "running"), 0);
}

TEST_F(SagaCensusTest, LeavesTheSagasOfOthersToThem) {
  Store("a", SagaState::kRunning, absl::Seconds(3));
  ASSERT_TRUE(census_.Take(store_, "other").ok());
  EXPECT_EQ(Value("saga_live", "running"), 0);
}

// An alert must tell "none is parked" from "nobody counts".
TEST_F(SagaCensusTest, OfWhatIsServedThereAreSeriesBeforeTheFirstSaga) {
  EXPECT_EQ(Value("saga_live", "parked"), -1);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  for (const char* state : {"running", "compensating", "parked"}) {
    EXPECT_EQ(Value("saga_live", state), 0) << state;
    EXPECT_EQ(Value("saga_oldest_age_seconds", state), 0) << state;
  }
}

TEST_F(SagaCensusTest, AddsUpTheVersionsOfADefinition) {
  Store("a", SagaState::kRunning, absl::Seconds(3));
  Store("b", SagaState::kRunning, absl::Seconds(9), 0, 2);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_live", "running"), 2);
  EXPECT_EQ(Value("saga_oldest_age_seconds", "running"), 9);
}

TEST_F(SagaCensusTest, CountsWhatIsNotDrivenByDefinitionAndVersion) {
  Store("a", SagaState::kRunning, absl::Seconds(3));
  for (const char* id : {"b", "c"}) Store(id, SagaState::kRunning, absl::Seconds(3), 0, 2);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_undriven", "2"), 2);
  EXPECT_EQ(Value("saga_undriven", "1"), -1) << "it is driven";
  for (const char* id : {"b", "c"}) Store(id, SagaState::kCompleted, absl::Seconds(3), 1, 2);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_undriven", "2"), 0);
}

TEST_F(SagaCensusTest, CountsWhatNobodyHasTakenOverByDefinitionAndVersion) {
  for (const char* id : {"a", "b"}) Store(id, SagaState::kRunning, absl::Seconds(3), 0, 2);
  ASSERT_TRUE(census_.Take(store_, "other").ok());
  EXPECT_EQ(Value("saga_orphaned", "2"), -1) << "their owner lives";
  ASSERT_TRUE(store_.Renew(lease_, -absl::Hours(1)).ok());
  ASSERT_TRUE(census_.Take(store_, "other").ok());
  EXPECT_EQ(Value("saga_orphaned", "2"), 2);
  ASSERT_TRUE(census_.Take(store_, "me").ok());
  EXPECT_EQ(Value("saga_orphaned", "2"), 0) << "they are this instance's own";
}

std::string LogOf(SagaCensus& census, SagaStore& store) {
  testing::internal::CaptureStderr();
  census.TakeAgain(store, "me");
  return testing::internal::GetCapturedStderr();
}

TEST_F(SagaCensusTest, CountsMoreSeldomWhatTakesLong) {
  EXPECT_EQ(PauseAfter(absl::Milliseconds(100)), absl::Seconds(5));
  EXPECT_EQ(PauseAfter(absl::Seconds(2)), absl::Seconds(100));
}

TEST_F(SagaCensusTest, WarnsOfWhatIsNotDrivenAgainAndAgainAndWhy) {
  catalog_.GiveUp("place-order", 2, "no route for gift.v1.MailService");
  Store("a", SagaState::kRunning, absl::Seconds(3), 0, 2);
  SagaCensus often(clock_, catalog_, absl::ZeroDuration()), seldom(clock_, catalog_, absl::Hours(1));
  const auto warning =
      testing::AllOf(testing::HasSubstr("stand still"), testing::HasSubstr("\"sagas\":\"1\""),
                     testing::HasSubstr("\"version\":\"2\""), testing::HasSubstr("no route for gift.v1.MailService"));
  EXPECT_THAT(LogOf(often, store_), warning);
  EXPECT_THAT(LogOf(often, store_), warning);
  EXPECT_THAT(LogOf(seldom, store_), warning);
  EXPECT_EQ(LogOf(seldom, store_), "");
  Store("a", SagaState::kCompleted, absl::Seconds(3), 1, 2);
  EXPECT_EQ(LogOf(often, store_), "");
}

}  // namespace
}  // namespace unwind
