#include "orchestrator/participants/text.h"

#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(CleanTextTest, KeepsWhatIsWellFormed) {
  EXPECT_EQ(CleanText("", 10), "");
  EXPECT_EQ(CleanText("재고 부족 \xF0\x9F\x9B\x92", 100), "재고 부족 \xF0\x9F\x9B\x92");
}

TEST(CleanTextTest, ReplacesWhatIsNot) {
  EXPECT_EQ(CleanText("a\xFF"
                      "b",
                      10),
            "a?b");
  EXPECT_EQ(CleanText("\xC0\xAF", 10), "??");            // overlong
  EXPECT_EQ(CleanText("\xED\xA0\x80", 10), "???");       // a surrogate
  EXPECT_EQ(CleanText("\xF4\x90\x80\x80", 10), "????");  // beyond U+10FFFF
  EXPECT_EQ(CleanText("\xEC\x9E", 10), "??");            // cut off
}

TEST(CleanTextTest, CutsBetweenCharacters) {
  EXPECT_EQ(CleanText("abcdef", 3), "abc");
  EXPECT_EQ(CleanText("재고", 5), "재");
}

}  // namespace
}  // namespace unwind
