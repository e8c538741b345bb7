#include "common/observe/otlp_exporter.h"

#include <memory>

#include "common/metrics/registry.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/poll.h"
#include "tests/support/span_collector.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

Span Sample(const std::string& name) {
  return {.ids = {.trace_id = "0af7651916cd43dd8448eb211c80319c",
                  .span_id = "00f067aa0ba902b7",
                  .parent_id = "b7ad6b7169203331"},
          .kind = SpanKind::kClient,
          .name = name,
          .start = absl::FromUnixSeconds(1),
          .end = absl::FromUnixSeconds(2),
          .error = "NO",
          .attributes = {{"text", "a"}, {"number", std::int64_t{7}}}};
}

double CounterOf(const std::string& name) {
  double sum = 0;
  for (const auto& family : ProcessRegistry()->Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) sum += metric.counter.value;
  }
  return sum;
}

TEST(OtlpExporter, ASpanArrivesAsItIs) {
  SpanCollector collector;
  const double before = CounterOf("trace_spans_exported_total");
  OtlpExporter exporter(NewChannel(collector.target()), "stock_svc");
  exporter.Export(Sample("a call"));
  ASSERT_TRUE(Eventually(kPatience, [&] { return collector.All().size() == 1; }));
  const CollectedSpan span = collector.All()[0];
  EXPECT_EQ(span.service, "stock_svc");
  EXPECT_EQ(span.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(span.span_id, "00f067aa0ba902b7");
  EXPECT_EQ(span.parent_id, "b7ad6b7169203331");
  EXPECT_EQ(span.name, "a call");
  EXPECT_EQ(span.kind, SpanKind::kClient);
  EXPECT_EQ(span.error, "NO");
  EXPECT_THAT(span.attributes, testing::UnorderedElementsAre(testing::Pair("text", "a"), testing::Pair("number", "7")));
  EXPECT_TRUE(Eventually(kPatience, [&] { return CounterOf("trace_spans_exported_total") == before + 1; }));
}

TEST(OtlpExporter, WhatWaitsIsSentBeforeItEnds) {
  SpanCollector collector;
  {
    OtlpExporter exporter(NewChannel(collector.target()), "stock_svc");
    for (int i = 0; i < 1000; ++i) exporter.Export(Sample("a call"));
  }
  EXPECT_EQ(collector.All().size(), 1000u);
}

TEST(OtlpExporter, ACollectorThatIsAwayCostsTheSpansAndTheyAreCounted) {
  std::string nobody;
  {
    const SpanCollector gone;
    nobody = gone.target();
  }
  const double before = CounterOf("trace_spans_dropped_total");
  constexpr int kSpans = 3 * static_cast<int>(OtlpExporter::kWaitingMax);
  {
    OtlpExporter exporter(NewChannel(nobody), "stock_svc");
    for (int i = 0; i < kSpans; ++i) exporter.Export(Sample("a call"));
  }
  EXPECT_EQ(CounterOf("trace_spans_dropped_total"), before + kSpans);
}

}  // namespace
}  // namespace unwind
