#include "orchestrator/participants/held_back.h"

#include "gtest/gtest.h"

namespace unwind {
namespace {

using Say = HeldBack::Say;

TEST(HeldBackTest, EachChangeIsSaidOnce) {
  HeldBack notice;
  const absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(notice.Update(false, now), Say::kNothing);
  EXPECT_EQ(notice.Update(true, now), Say::kHeldBack);
  EXPECT_EQ(notice.Update(true, now + absl::Hours(1)), Say::kNothing);
  EXPECT_EQ(notice.since(), now);
  EXPECT_EQ(notice.Update(false, now + absl::Hours(2)), Say::kAnswersAgain);
  EXPECT_EQ(notice.Update(false, now + absl::Hours(3)), Say::kNothing);
  EXPECT_EQ(notice.Update(true, now + absl::Hours(4)), Say::kHeldBack);
}

TEST(HeldBackTest, WhatComesAndGoesIsSaidOnceInAWhile) {
  HeldBack notice;
  absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(notice.Update(true, now), Say::kHeldBack);
  EXPECT_EQ(notice.Update(false, now), Say::kAnswersAgain);
  for (int i = 0; i < 9; ++i) {
    now += absl::Seconds(1);
    EXPECT_EQ(notice.Update(true, now), Say::kNothing);
    EXPECT_TRUE(notice.held_back());
    EXPECT_EQ(notice.Update(false, now), Say::kNothing);
  }
  now += absl::Seconds(1);
  EXPECT_EQ(notice.Update(true, now), Say::kHeldBack);
}

}  // namespace
}  // namespace unwind
