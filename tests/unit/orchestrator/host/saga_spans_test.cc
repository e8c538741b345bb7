#include "orchestrator/host/saga_spans.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "orchestrator/engine/saga_trace.h"
#include "prometheus/registry.h"
#include "tests/support/keeping_tracer.h"

namespace unwind {
namespace {

constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
constexpr absl::Time kAccepted = absl::FromUnixSeconds(1000);
constexpr absl::Time kNow = absl::FromUnixSeconds(1009);

class StandingClock final : public Clock {
 public:
  absl::Time Now() const override { return kNow; }
};

class SagaSpansTest : public testing::Test {
 protected:
  Saga SampleSaga() {
    Saga saga;
    saga.id = "0192f0c0-d5e9-7abc-8000-000000000001";
    saga.definition = "place-order";
    saga.definition_version = 2;
    saga.create_time = kAccepted;
    saga.update_time = kAccepted + absl::Seconds(2);
    saga.steps.resize(2);
    return saga;
  }
  Plan SamplePlan() {
    Plan plan;
    plan.name = "place-order";
    plan.steps.resize(2);
    plan.steps[0].name = "reserve_stock";
    plan.steps[1].name = "charge";
    return plan;
  }
  SagaSpans& Observer(double ratio = 1) {
    observer_ = std::make_unique<SagaSpans>(registry_, clock_, ratio);
    return *observer_;
  }

  prometheus::Registry registry_{prometheus::Registry::InsertBehavior::Merge};
  StandingClock clock_;
  std::unique_ptr<SagaSpans> observer_;
  std::vector<Span> spans_;
  TracingScope tracing_{std::make_unique<KeepingTracer>(spans_)};
};

TEST_F(SagaSpansTest, AFinishedSagaIsASpanFromItsAcceptanceToItsEnd) {
  Saga saga = SampleSaga();
  saga.state = SagaState::kCompleted;
  Observer().OnFinished(saga);
  ASSERT_EQ(spans_.size(), 1u);
  EXPECT_EQ(spans_[0].ids, *SpanOfSaga(saga.id, {}, 1));
  EXPECT_EQ(spans_[0].name, "place-order");
  EXPECT_EQ(spans_[0].start, saga.create_time);
  EXPECT_EQ(spans_[0].end, saga.update_time);
  EXPECT_EQ(spans_[0].error, "");
}

TEST_F(SagaSpansTest, AnUndoneSagaSaysWhy) {
  Saga saga = SampleSaga();
  saga.state = SagaState::kAborted;
  saga.failure.reason = "PAYMENT_FAILED";
  Observer().OnFinished(saga);
  ASSERT_EQ(spans_.size(), 1u);
  EXPECT_EQ(spans_[0].error, "PAYMENT_FAILED");
}

TEST_F(SagaSpansTest, OfARecoveredSagaEachCallThatIsOutIsASpanAsItsSenderWouldHaveMadeIt) {
  Saga saga = SampleSaga();
  saga.steps[0].sends = {1, 0, 0, 0};
  saga.steps[1].awaiting = true;
  saga.steps[1].sends[static_cast<std::size_t>(Phase::kAction)] = 3;
  saga.steps[1].first_send_time = kAccepted + absl::Seconds(1);
  Observer().OnRecovered(SamplePlan(), saga);
  ASSERT_EQ(spans_.size(), 1u);
  EXPECT_EQ(spans_[0].ids, SpanOfAttempt(*SpanOfSaga(saga.id, {}, 1), "charge", Phase::kAction, 3));
  EXPECT_EQ(spans_[0].start, saga.steps[1].first_send_time);
  EXPECT_EQ(spans_[0].end, kNow);
  EXPECT_EQ(spans_[0].error, "PROCESS_LOST");
}

TEST_F(SagaSpansTest, WhatIsNotSampledHasNone) {
  Saga saga = SampleSaga();
  saga.state = SagaState::kCompleted;
  saga.steps[1].awaiting = true;
  SagaSpans& none = Observer(0);
  none.OnFinished(saga);
  none.OnRecovered(SamplePlan(), saga);
  saga.trace.traceparent = kNotSampled;
  SagaSpans& all = Observer(1);
  all.OnFinished(saga);
  all.OnRecovered(SamplePlan(), saga);
  EXPECT_TRUE(spans_.empty());
}

}  // namespace
}  // namespace unwind
