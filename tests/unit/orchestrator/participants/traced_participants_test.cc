#include "orchestrator/participants/traced_participants.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/observe/tracer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/saga_trace.h"
#include "tests/support/keeping_tracer.h"

namespace unwind {
namespace {

constexpr char kSaga[] = "0192f0c0-d5e9-7abc-8000-000000000001";
constexpr char kSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class AnsweringParticipants final : public Participants {
 public:
  void Invoke(Call call, std::function<void(CallResult)> done) override {
    calls.push_back(std::move(call));
    done(result);
  }
  std::vector<Call> calls;
  CallResult result;
};

class TracedParticipantsTest : public testing::Test {
 protected:
  Call CallWith(const std::string& traceparent, int attempt = 1) {
    Call call;
    call.method = "/shop.stock.v1.StockService/Reserve";
    call.saga_id = kSaga;
    call.step = "reserve_stock";
    call.attempt = attempt;
    call.trace = {.traceparent = traceparent, .tracestate = "", .baggage = "tenant=a"};
    return call;
  }
  void Invoke(Call call, double ratio = 1) {
    TracedParticipants(below_, ratio).Invoke(std::move(call), [](const CallResult&) {});
  }

  std::vector<Span> spans_;
  AnsweringParticipants below_;
  std::unique_ptr<TracingScope> tracing_ = std::make_unique<TracingScope>(std::make_unique<KeepingTracer>(spans_));
};

TEST_F(TracedParticipantsTest, TheParticipantIsToldOfTheAttemptsSpan) {
  Invoke(CallWith(kSampled));
  const SpanIds saga = *SpanOfSaga(kSaga, below_.calls[0].trace, 0);
  ASSERT_EQ(spans_.size(), 1u);
  EXPECT_EQ(below_.calls[0].trace.traceparent, "00-0af7651916cd43dd8448eb211c80319c-" + spans_[0].ids.span_id + "-01");
  EXPECT_EQ(below_.calls[0].trace.baggage, "tenant=a");
  EXPECT_EQ(spans_[0].ids.parent_id, saga.span_id);
  EXPECT_EQ(spans_[0].name, "shop.stock.v1.StockService/Reserve");
  EXPECT_EQ(spans_[0].error, "");
}

TEST_F(TracedParticipantsTest, WithoutACallersTraceItsIdIsTheSagas) {
  Invoke(CallWith(""));
  ASSERT_EQ(spans_.size(), 1u);
  EXPECT_EQ(spans_[0].ids.trace_id, "0192f0c0d5e97abc8000000000000001");
  EXPECT_EQ(SpanOfSaga(kSaga, {}, 1)->parent_id, "");
}

TEST_F(TracedParticipantsTest, AnAttemptHasTheSameIdInEveryProcessAndAnotherAttemptHasNot) {
  Invoke(CallWith(kSampled));
  Invoke(CallWith(kSampled));
  Invoke(CallWith(kSampled, 2));
  ASSERT_EQ(spans_.size(), 3u);
  EXPECT_EQ(spans_[0].ids, spans_[1].ids);
  EXPECT_NE(spans_[0].ids, spans_[2].ids);
}

TEST_F(TracedParticipantsTest, WhatIsNotSampledGoesOutAsItCame) {
  Invoke(CallWith(kNotSampled));
  Invoke(CallWith(""), 0);
  EXPECT_EQ(below_.calls[0].trace.traceparent, kNotSampled);
  EXPECT_EQ(below_.calls[1].trace.traceparent, "");
  EXPECT_TRUE(spans_.empty());
}

TEST_F(TracedParticipantsTest, WithoutATracerTheCallersTraceIsPassedOn) {
  tracing_ = nullptr;
  Invoke(CallWith(kSampled));
  EXPECT_EQ(below_.calls[0].trace.traceparent, kSampled);
}

TEST_F(TracedParticipantsTest, AnErrorIsToldByItsReasonOrElseItsCode) {
  below_.result.failure.code = 9;
  below_.result.failure.reason = "STOCK_NOT_ENOUGH";
  Invoke(CallWith(kSampled));
  below_.result.failure = {};
  below_.result.failure.code = 14;
  Invoke(CallWith(kSampled));
  ASSERT_EQ(spans_.size(), 2u);
  EXPECT_EQ(spans_[0].error, "STOCK_NOT_ENOUGH");
  EXPECT_EQ(spans_[1].error, "UNAVAILABLE");
}

}  // namespace
}  // namespace unwind
