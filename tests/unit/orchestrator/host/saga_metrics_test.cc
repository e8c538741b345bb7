#include "orchestrator/host/saga_metrics.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace unwind {
namespace {

class SagaMetricsTest : public testing::Test {
 protected:
  static Plan MakePlan() {
    Plan plan;
    plan.name = "place-order";
    plan.steps.resize(1);
    plan.steps[0].name = "charge";
    plan.steps[0].kind = StepKind::kPivot;
    plan.steps[0].has_resolve = true;
    return plan;
  }

  std::string Text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }
  bool Exports(const std::string& line) { return Text().find(line + "\n") != std::string::npos; }

  prometheus::Registry registry_;
  const Plan plan_ = MakePlan();
  SagaMetrics metrics_{registry_};
};

TEST_F(SagaMetricsTest, ASeriesIsMadeWhenItFirstCounts) {
  EXPECT_THAT(Text(), testing::Not(testing::HasSubstr("place-order")));
  EXPECT_TRUE(Exports("saga_stale_replies_total 0"));
}

// An alert on a rise does not see a series that begins with 1.
TEST_F(SagaMetricsTest, WhatIsCountedByDefinitionBeginsWithZero) {
  metrics_.Declare(plan_);
  EXPECT_TRUE(Exports("saga_started_total{saga=\"place-order\"} 0"));
  EXPECT_TRUE(Exports("saga_finished_total{outcome=\"aborted\",saga=\"place-order\"} 0"));
  EXPECT_TRUE(Exports("saga_finished_total{outcome=\"completed\",saga=\"place-order\"} 0"));
  EXPECT_TRUE(Exports("saga_parked_total{saga=\"place-order\",step=\"charge\"} 0"));
}

// Each is scraped again and again, whether it ever counts or not.
TEST_F(SagaMetricsTest, OfManyDefinitionsThereAreFewSeriesBeforeTheFirstSaga) {
  constexpr std::size_t kDefinitions = 300, kSteps = 20;
  Plan plan;
  plan.steps.resize(kSteps);
  for (std::size_t step = 0; step < kSteps; ++step) plan.steps[step].name = absl::StrCat("step", step);
  for (std::size_t i = 0; i < kDefinitions; ++i) {
    plan.name = absl::StrCat("definition", i);
    metrics_.Declare(plan);
  }
  std::size_t series = 0;
  for (const auto& family : registry_.Collect()) series += family.metric.size();
  EXPECT_LE(series, kDefinitions * (kSteps + 3) + 20);
}

TEST_F(SagaMetricsTest, CountsWhatTheDriverTells) {
  Saga saga;
  saga.definition = "place-order";
  saga.state = SagaState::kCompleted;
  saga.update_time = saga.create_time + absl::Seconds(2);
  metrics_.OnStarted(saga);
  metrics_.OnFinished(saga);
  metrics_.OnParked(saga, "charge");
  Replied reply;
  reply.phase = Phase::kResolve;
  reply.outcome = Outcome::kUnknown;
  reply.elapsed = absl::Milliseconds(500);
  metrics_.OnReplied(plan_, reply, false);
  metrics_.OnReplied(plan_, reply, true);
  metrics_.OnTurn(7, 3, absl::Milliseconds(2));
  metrics_.OnCommitFailed();
  metrics_.OnRecovered(plan_, saga);
  metrics_.OnTakenOver(4, 1);
  EXPECT_TRUE(Exports("saga_started_total{saga=\"place-order\"} 1"));
  EXPECT_TRUE(Exports("saga_finished_total{outcome=\"completed\",saga=\"place-order\"} 1"));
  EXPECT_TRUE(Exports("saga_duration_seconds_sum{outcome=\"completed\",saga=\"place-order\"} 2"));
  EXPECT_TRUE(Exports("saga_parked_total{saga=\"place-order\",step=\"charge\"} 1"));
  EXPECT_TRUE(
      Exports("saga_step_attempts_total{phase=\"resolve\",result=\"unknown\",saga=\"place-order\",step=\"charge\"} 1"));
  EXPECT_TRUE(Exports("saga_step_duration_seconds_sum{phase=\"resolve\",saga=\"place-order\",step=\"charge\"} 0.5"));
  EXPECT_TRUE(Exports("saga_stale_replies_total 1"));
  EXPECT_TRUE(Exports("saga_turn_events_sum 7"));
  EXPECT_TRUE(Exports("saga_turn_sagas_sum 3"));
  EXPECT_TRUE(Exports("saga_commit_seconds_sum 0.002"));
  EXPECT_TRUE(Exports("saga_commit_failures_total 1"));
  EXPECT_TRUE(Exports("saga_recovered_total 1"));
  EXPECT_TRUE(Exports("saga_taken_over_total{lease=\"expired\"} 3"));
  EXPECT_TRUE(Exports("saga_taken_over_total{lease=\"released\"} 1"));
}

TEST_F(SagaMetricsTest, ARepeatIsCountedAndAFirstCallIsNot) {
  Replied reply;
  reply.attempt = 1;
  metrics_.OnReplied(plan_, reply, false);
  EXPECT_THAT(Text(), testing::Not(testing::HasSubstr("saga_step_retries_total{")));
  reply.attempt = 2;
  metrics_.OnReplied(plan_, reply, false);
  EXPECT_TRUE(Exports("saga_step_retries_total{phase=\"action\",saga=\"place-order\",step=\"charge\"} 1"));
}

TEST_F(SagaMetricsTest, AnAbortedSagaIsCountedByItsReasonAndACompletedOneIsNot) {
  Saga saga;
  saga.definition = "place-order";
  saga.state = SagaState::kAborted;
  saga.failure.reason = "PAYMENT_FAILED";
  metrics_.OnFinished(saga);
  metrics_.OnFinished(saga);
  saga.state = SagaState::kCompleted;
  metrics_.OnFinished(saga);
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"PAYMENT_FAILED\",saga=\"place-order\"} 2"));
}

// A participant chooses its reasons, and may choose a new one each time.
TEST_F(SagaMetricsTest, ReasonsAreSoManyAndNoTextsOfTheirParticipants) {
  Saga saga;
  saga.state = SagaState::kAborted;
  for (const char* name : {"a", "b"}) {
    saga.definition = name;
    for (int i = 0; i < 60; ++i) {
      saga.failure.reason = absl::StrCat("REASON_", i);
      metrics_.OnFinished(saga);
    }
  }
  saga.failure.reason = "REASON_0";  // one of the first goes on being counted
  metrics_.OnFinished(saga);
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"REASON_49\",saga=\"a\"} 1"));
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"OTHER\",saga=\"a\"} 10"));
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"REASON_0\",saga=\"b\"} 2"));
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"OTHER\",saga=\"b\"} 10"));

  saga.definition = "c";
  for (const std::string& reason : {std::string(), std::string("frame 10 is not sold"), std::string(64, 'A')}) {
    saga.failure.reason = reason;
    metrics_.OnFinished(saga);
  }
  EXPECT_TRUE(Exports("saga_aborted_total{reason=\"OTHER\",saga=\"c\"} 3"));
}

TEST(GaugeBySagaTest, HasASeriesForEachDefinition) {
  const GaugeBySaga gauge("saga_stuck", "Sagas.", [] {
    return std::map<std::string, std::size_t>{{"cancel-order", 0}, {"place-order", 7}};
  });
  const std::string text = prometheus::TextSerializer().Serialize(gauge.Collect());
  EXPECT_THAT(text, testing::HasSubstr("saga_stuck{saga=\"cancel-order\"} 0\n"));
  EXPECT_THAT(text, testing::HasSubstr("saga_stuck{saga=\"place-order\"} 7\n"));
}

}  // namespace
}  // namespace unwind
