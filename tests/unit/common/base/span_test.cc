#include "common/base/span.h"

#include "gtest/gtest.h"

namespace unwind {
namespace {

constexpr char kSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02";

TraceContext Trace(const std::string& traceparent) {
  return {.traceparent = traceparent, .tracestate = "a=b", .baggage = "c=d"};
}

TEST(Span, AChildIsOfItsParentsTrace) {
  const std::optional<SpanIds> child = ChildOf(Trace(kSampled), "00f067aa0ba902b7");
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(child->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(child->parent_id, "b7ad6b7169203331");
}

TEST(Span, WithoutASampledParentThereIsNoChild) {
  EXPECT_FALSE(ChildOf(Trace(kNotSampled), "00f067aa0ba902b7").has_value());
  EXPECT_FALSE(ChildOf(Trace(""), "00f067aa0ba902b7").has_value());
}

TEST(Span, WhatIsCalledFromWithinIsToldOfItAndOfNothingElse) {
  const SpanIds span = *ChildOf(Trace(kSampled), "00f067aa0ba902b7");
  const TraceContext within = Within(span, Trace(kSampled));
  EXPECT_EQ(within.traceparent, "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
  EXPECT_EQ(within.tracestate, "a=b");
  EXPECT_EQ(within.baggage, "c=d");
}

TEST(Span, IdsOfNamesAreTheSameEverywhereAndOthersAreNot) {
  EXPECT_EQ(SpanIdOf("saga/step/action/1"), SpanIdOf("saga/step/action/1"));
  EXPECT_NE(SpanIdOf("saga/step/action/1"), SpanIdOf("saga/step/action/2"));
  EXPECT_EQ(SpanIdOf("a").size(), 16u);
  EXPECT_EQ(RandomSpanId().size(), 16u);
  EXPECT_NE(RandomSpanId(), RandomSpanId());
}

TEST(Span, TheRatioIsTakenOfTheTracesDigits) {
  const std::string low = "0192f0c0d5e97abc8000000000000001";
  const std::string middle = "0192f0c0d5e97abc80087fffffffffff";
  const std::string high = "0192f0c0d5e97abc800fffffffffffff";
  for (const std::string& trace : {low, middle, high}) {
    EXPECT_TRUE(IsSampled(trace, 1.0)) << trace;
    EXPECT_FALSE(IsSampled(trace, 0.0)) << trace;
  }
  EXPECT_TRUE(IsSampled(low, 0.1));
  EXPECT_TRUE(IsSampled(middle, 0.6));
  EXPECT_FALSE(IsSampled(middle, 0.5));
  EXPECT_FALSE(IsSampled(high, 0.99));
  EXPECT_FALSE(IsSampled("no trace at all", 1.0));
}

}  // namespace
}  // namespace unwind
