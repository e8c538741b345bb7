#include "orchestrator/host/saga_metrics.h"

#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace unwind {
namespace {

class SagaMetricsTest : public testing::Test {
 protected:
  static Plan MakePlan(bool resolve) {
    Plan plan;
    plan.name = "place-order";
    plan.steps.resize(1);
    plan.steps[0].name = "charge";
    plan.steps[0].kind = StepKind::kPivot;
    plan.steps[0].has_resolve = resolve;
    return plan;
  }

  bool Exports(const std::string& line) {
    const std::string text = prometheus::TextSerializer().Serialize(registry_.Collect());
    return text.find(line + "\n") != std::string::npos;
  }

  prometheus::Registry registry_;
  Plan first_ = MakePlan(false);
  Plan second_ = MakePlan(true);
  SagaMetrics metrics_{registry_, {&first_, &second_}};
};

TEST_F(SagaMetricsTest, EverySeriesIsThereFromTheStart) {
  EXPECT_TRUE(Exports("saga_started_total{saga=\"place-order\"} 0"));
  EXPECT_TRUE(Exports("saga_finished_total{outcome=\"aborted\",saga=\"place-order\"} 0"));
  EXPECT_TRUE(Exports("saga_parked_total{saga=\"place-order\",step=\"charge\"} 0"));
  EXPECT_TRUE(
      Exports("saga_step_attempts_total{phase=\"resolve\",result=\"ok\",saga=\"place-order\",step=\"charge\"} 0"));
  EXPECT_FALSE(
      Exports("saga_step_attempts_total{phase=\"compensation\",result=\"ok\",saga=\"place-order\",step=\"charge\"} 0"));
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
  metrics_.OnReplied(second_, reply, false);
  metrics_.OnReplied(second_, reply, true);
  metrics_.OnTurn(7, 3, absl::Milliseconds(2));
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
}

TEST_F(SagaMetricsTest, ASagaThatIsNotKnownIsNotCounted) {
  Saga saga;
  saga.definition = "unknown";
  metrics_.OnStarted(saga);
  metrics_.OnFinished(saga);
  metrics_.OnParked(saga, "charge");
  EXPECT_FALSE(Exports("saga_started_total{saga=\"unknown\"} 1"));
}

TEST(InFlightGaugeTest, IsReadWhenItIsScraped) {
  std::size_t count = 3;
  const InFlightGauge gauge([&count] { return count; });
  EXPECT_EQ(gauge.Collect().at(0).name, "saga_in_flight");
  count = 5;
  EXPECT_EQ(gauge.Collect().at(0).metric.at(0).gauge.value, 5);
}

}  // namespace
}  // namespace unwind
