#include "sagactl/times.h"

#include "gtest/gtest.h"

namespace unwind::sagactl {
namespace {

const absl::TimeZone kSeoul = absl::FixedTimeZone(9 * 3600), kUtc = absl::UTCTimeZone();
const absl::Time kNow = absl::FromUnixMillis(1'764'201'600'123);  // 2025-11-27T00:00:00.123Z

absl::Time Read(absl::string_view text) { return ReadTime(text, kNow, kSeoul).value_or(absl::InfinitePast()); }

TEST(TimesTest, ATimeSaysItsOffset) {
  EXPECT_EQ(ToSecond(kNow, kUtc), "2025-11-27 00:00:00Z");
  EXPECT_EQ(ToMillisecond(kNow, kUtc), "2025-11-27 00:00:00.123Z");
  EXPECT_EQ(ToSecond(kNow, kSeoul), "2025-11-27 09:00:00+09:00");
}

TEST(TimesTest, WhatIsPrintedOrWrittenByHandIsRead) {
  const absl::Time whole = absl::FromUnixSeconds(1'764'201'600);
  EXPECT_EQ(Read("2025-11-27T00:00:00Z"), whole);
  EXPECT_EQ(Read("2025-11-27T09:00:00+09:00"), whole);
  EXPECT_EQ(Read("2025-11-27 09:00:00"), whole);
  EXPECT_EQ(Read("2025-11-27 09:00"), whole);
  EXPECT_EQ(Read("2025-11-27"), whole - absl::Hours(9));
}

TEST(TimesTest, WhatIsPrintedIsReadAgain) {
  for (const absl::TimeZone zone : {kUtc, kSeoul}) {
    EXPECT_EQ(Read(ToSecond(kNow, zone)), absl::FromUnixSeconds(1'764'201'600));
    EXPECT_EQ(Read(ToMillisecond(kNow, zone)), kNow);
  }
}

TEST(TimesTest, ALengthIsAgo) {
  EXPECT_EQ(Read("90s"), kNow - absl::Seconds(90));
  EXPECT_EQ(Read("2h30m"), kNow - absl::Minutes(150));
  EXPECT_EQ(Read("7d"), kNow - absl::Hours(7 * 24));
}

TEST(TimesTest, AllElseIsNone) {
  for (const char* text : {"", "soon", "-1h", "-3d", "inf", "2025-13-01", "2025-11-27T00:00:00", "d"}) {
    EXPECT_FALSE(ReadTime(text, kNow, kSeoul).ok()) << text;
  }
}

TEST(TimesTest, ALengthIsRough) {
  EXPECT_EQ(Rough(-absl::Seconds(5)), "0s");
  EXPECT_EQ(Rough(absl::Milliseconds(45'900)), "45s");
  EXPECT_EQ(Rough(absl::Minutes(12) + absl::Seconds(59)), "12m");
  EXPECT_EQ(Rough(absl::Minutes(200)), "3h20m");
  EXPECT_EQ(Rough(absl::Hours(9 * 24 + 4)), "9d4h");
}

TEST(TimesTest, ATimestampAndBack) { EXPECT_EQ(TimeOf(TimestampOf(kNow)), kNow); }

}  // namespace
}  // namespace unwind::sagactl
