#include "common/base/seldom.h"

#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(Seldom, SaysOnceInAWhileHowOftenItHappened) {
  const absl::Time start = absl::UnixEpoch();
  Seldom seldom(absl::Seconds(10));
  EXPECT_EQ(seldom.Happened(start), 1) << "the first is said at once";
  EXPECT_EQ(seldom.Happened(start + absl::Seconds(1)), 0);
  EXPECT_EQ(seldom.Happened(start + absl::Seconds(9)), 0);
  EXPECT_EQ(seldom.Happened(start + absl::Seconds(10)), 3);
  EXPECT_EQ(seldom.Happened(start + absl::Seconds(11)), 0);
  EXPECT_EQ(seldom.Happened(start + absl::Minutes(5)), 2);
}

}  // namespace
}  // namespace unwind
