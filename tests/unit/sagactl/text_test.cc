#include "sagactl/text.h"

#include <clocale>
#include <sstream>

#include "gtest/gtest.h"

namespace unwind::sagactl {
namespace {

constexpr char kKorean[] = "\xec\xa0\x84\xed\x99\x94";  // two characters of two columns each

class TextTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

TEST_F(TextTest, WhatWouldMoveTheCursorOrTurnTheLineIsWrittenOut) {
  EXPECT_EQ(Escaped("plain \xc3\xa9"), "plain \xc3\xa9");
  EXPECT_EQ(Escaped("a\nb\x1b[2J\x7f"), "a\\nb\\x1b[2J\\x7f");
  EXPECT_EQ(Escaped("a\xe2\x80\xae"
                    "b"),
            "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(Escaped("\xff!"), "\\xff!");
}

TEST_F(TextTest, WidthCountsColumns) {
  EXPECT_EQ(Width("abc"), 3u);
  EXPECT_EQ(Width("\xc3\xa9"), 1u);
  EXPECT_EQ(Width(kKorean), 4u);
}

TEST_F(TextTest, CutEndsWithAnEllipsisWithinTheColumns) {
  EXPECT_EQ(Cut("abcdef", 6), "abcdef");
  EXPECT_EQ(Cut("abcdef", 4), "abc\xe2\x80\xa6");
  EXPECT_EQ(Cut(kKorean, 3), "\xec\xa0\x84\xe2\x80\xa6");
  EXPECT_EQ(Cut(kKorean, 2), "\xe2\x80\xa6");
}

TEST_F(TextTest, ATableIsAlignedAndItsLinesDoNotWrap) {
  Table table({"A", "B"});
  EXPECT_TRUE(table.empty());
  table.Add({kKorean, "1\n2"});
  table.Add({"x", ""});
  EXPECT_FALSE(table.empty());
  std::ostringstream out;
  table.Print(out, 0);
  EXPECT_EQ(out.str(), std::string("A     B\n") + kKorean + "  1\\n2\nx\n");
  std::ostringstream narrow;
  table.Print(narrow, 8);
  EXPECT_EQ(narrow.str(), std::string("A     B\n") + kKorean + "  1\xe2\x80\xa6\nx\n");
}

TEST_F(TextTest, ACellHasABound) {
  Table table({"A"});
  table.Add({std::string(1000, 'x')});
  std::ostringstream out;
  table.Print(out, 0);
  EXPECT_EQ(out.str(), "A\n" + std::string(Table::kCellMax - 1, 'x') + "\xe2\x80\xa6\n");
}

}  // namespace
}  // namespace unwind::sagactl
