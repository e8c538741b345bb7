#include "common/base/trace_context.h"

#include <map>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr char kGood[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string ReadTraceparent(const std::string& value) { return MakeTraceContext({value}, {}, {}).traceparent; }

TEST(TraceContextTest, KeepsATraceparentOnlyIfItIsOne) {
  EXPECT_EQ(ReadTraceparent(kGood), kGood);
  EXPECT_EQ(ReadTraceparent(""), "");
  EXPECT_EQ(ReadTraceparent("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "");
  EXPECT_EQ(ReadTraceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01"), "");
  EXPECT_EQ(ReadTraceparent("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), "");
  EXPECT_EQ(ReadTraceparent(std::string(kGood) + "-x"), "");
  EXPECT_EQ(MakeTraceContext({kGood, kGood}, {}, {}).traceparent, "");
}

TEST(TraceContextTest, KeepsATracestateBesideATraceparent) {
  EXPECT_EQ(MakeTraceContext({kGood}, {"a=1", "b=2"}, {}).tracestate, "a=1,b=2");
  EXPECT_EQ(MakeTraceContext({}, {"a=1"}, {}).tracestate, "");
  EXPECT_EQ(MakeTraceContext({"nonsense"}, {"a=1"}, {}).tracestate, "");
}

TEST(TraceContextTest, DropsWholeWhatIsTooLong) {
  EXPECT_EQ(MakeTraceContext({kGood}, {std::string(512, 'a')}, {}).tracestate.size(), 512u);
  EXPECT_EQ(MakeTraceContext({kGood}, {std::string(513, 'a')}, {}).tracestate, "");
  EXPECT_EQ(MakeTraceContext({}, {}, {std::string(4000, 'a'), std::string(95, 'b')}).baggage.size(), 4096u);
  EXPECT_EQ(MakeTraceContext({}, {}, {std::string(4000, 'a'), std::string(96, 'b')}).baggage, "");
}

TEST(TraceContextTest, DropsWholeWhatCouldNotBeSentOn) {
  EXPECT_EQ(MakeTraceContext({kGood}, {"a=\xc3\xa9"}, {"b=\n"}), (TraceContext{kGood, "", ""}));
}

TEST(TraceContextTest, IsReadFromMetadataAndPassedOnAsIt) {
  const std::multimap<absl::string_view, absl::string_view> metadata = {
      {"baggage", "k=v"}, {"traceparent", kGood}, {"tracestate", "a=1"}, {"other", "x"}};
  EXPECT_THAT(MetadataOf(ReadTraceContext(metadata)),
              ElementsAre(Pair("traceparent", kGood), Pair("tracestate", "a=1"), Pair("baggage", "k=v")));
  EXPECT_THAT(MetadataOf(TraceContext()), IsEmpty());
}

}  // namespace
}  // namespace unwind
