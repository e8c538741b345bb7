#include "common/base/utf8.h"

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
  EXPECT_EQ(CleanText("abc", 0), "");
  EXPECT_EQ(CleanText("\xF0\x9F\x98\x80", 4), "\xF0\x9F\x98\x80");
}

TEST(FindNotUtf8Test, NamesTheFirstBadByte) {
  EXPECT_EQ(FindNotUtf8(""), absl::string_view::npos);
  EXPECT_EQ(FindNotUtf8("재고 \xF0\x9F\x9B\x92"), absl::string_view::npos);
  EXPECT_EQ(FindNotUtf8("caf\xE9"), 3u);
  EXPECT_EQ(FindNotUtf8("재\xEA\xB3"), 3u) << "cut off";
}

// Against the definition: every code point but the surrogates, shortest form, and nothing else.
TEST(Utf8CharacterBytesTest, TakesWhatAnEncoderWrites) {
  EXPECT_EQ(Utf8CharacterBytes(""), 0u);
  for (unsigned point = 0; point <= 0x110000; point = point < 0x20000 ? point + 1 : point + 97) {
    std::string text;
    const auto tail = [&](unsigned shift) { text.push_back(static_cast<char>(0x80 | ((point >> shift) & 0x3F))); };
    if (point < 0x80) {
      text.push_back(static_cast<char>(point));
    } else if (point < 0x800) {
      text.push_back(static_cast<char>(0xC0 | (point >> 6)));
      tail(0);
    } else if (point < 0x10000) {
      text.push_back(static_cast<char>(0xE0 | (point >> 12)));
      tail(6);
      tail(0);
    } else {
      text.push_back(static_cast<char>(0xF0 | (point >> 18)));
      tail(12);
      tail(6);
      tail(0);
    }
    const bool is_character = point < 0xD800 || (point > 0xDFFF && point < 0x110000);
    ASSERT_EQ(Utf8CharacterBytes(text + "z"), is_character ? text.size() : 0u) << std::hex << point;
    ASSERT_EQ(Utf8CharacterBytes(text.substr(0, text.size() - 1)), 0u) << std::hex << point;
  }
}

TEST(IsPrintableTest, RefusesWhatControlsATerminalOrTurnsALine) {
  for (const char* const text :
       {"", "a b", "\xc2\xa0", "\xc3\xa9", "\xec\xa0\x84", "\xe2\x80\xa7", "\xe2\x80\xaf", "\xf0\x9f\x92\xb8"}) {
    EXPECT_TRUE(IsPrintable(text)) << text;
  }
  for (const char* const text :
       {"\n", "a\x1b[2J", "\x7f", "\xc2\x80", "\xc2\x9f", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6", "\xff"}) {
    EXPECT_FALSE(IsPrintable(text)) << text;
  }
}

}  // namespace
}  // namespace unwind
