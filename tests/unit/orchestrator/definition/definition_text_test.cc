// What is wrong with a file before it is YAML, above all quotes that do not close.
#include "orchestrator/definition/definition_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/definition/definition.h"

namespace unwind {
namespace {

using testing::HasSubstr;

// The errors of a text, or its warnings if it has no errors; empty: it is good.
std::string Found(const std::string& yaml) {
  Findings findings("f", Origin::kFile);
  const bool is_good = CheckText(yaml, findings);
  EXPECT_EQ(is_good, !findings.has_errors()) << yaml;
  if (!is_good) return std::string(findings.ToStatus().message());
  return absl::StrJoin(findings.warnings(), "\n");
}

TEST(DefinitionText, QuotesThatClose) {
  for (const char* text : {
           "",
           "a: b",
           "a: \"b\"",
           "a: 'it''s'",
           "a: \"say \\\"yes\\\"\"",
           "a: \"ends in \\\\\"\nb: c",
           "a: it's\nb: don't, \"really\"",
           "a: b # it's\nc: d",
           "# it's\na: b",
           "a: [ \"x\", 'y', z's ]",
           "a: { b: 'x', \"c\":\"y\" }",
           "- \"x\"\n- 'y'\n-z'",
           "\"a\": 'b'\n'c': d",
           "a: &x \"b\"\nc: !!str 'd'",
           "a: |\n  it's \"\n   'more\n\nb: c",
           "a: >-\n  \"never closed\n",
           "s:\n  - t: |\n      'x\n    u: 'y'\n",
           "s:\n  - |\n   'x\n  - 'y'\n",
           "a: two lines\n  'of one plain text\nb: 'c'",
           "a: { b: two lines\n 'of one plain text, c: 'd' }",
           "a#b: c#'d",
       }) {
    EXPECT_EQ(Found(text), "") << text;
  }
}

TEST(DefinitionText, QuotesThatDoNot) {
  EXPECT_EQ(Found("a: \"b"), "f:1: the double quote that opens here is never closed; close it on this line");
  EXPECT_EQ(Found("a: b\nc: 'it''s\nd: e\n"),
            "f:2: the single quote that opens here is never closed; close it on this line");
  EXPECT_EQ(Found("a: [ x,\n  \"y ]\n"),
            "f:2: the double quote that opens here is never closed; close it on this line");
  EXPECT_EQ(Found("a: 'b\"\n"), "f:1: the single quote that opens here is never closed; close it on this line");
  EXPECT_EQ(Found("s:\n  - t: |\n      x\n    u: 'y\n"),
            "f:4: the single quote that opens here is never closed; close it on this line");
  EXPECT_EQ(Found("a: \"b\\\""), "f:1: the double quote that opens here is never closed; close it on this line");
  EXPECT_EQ(
      Found("a: 'b\nc: 'd\n"),
      "f:1: warning: the single quote that opens here is closed only on line 2; close it on this line, or write a "
      "long text after > or |");
}

TEST(DefinitionText, NamesTheLineOfBytesThatCannotStandThere) {
  EXPECT_EQ(Found("a: b\r\n\tc: \xEA\xB0\x80\n"), "");
  EXPECT_EQ(Found("a: b\nc: \xC0\xAF\n"), "f:2: the byte 0xc0 is not UTF-8; save the file as UTF-8");
  EXPECT_EQ(Found("a: b\n\nc: \x7F"), "f:3: the control character 0x7f cannot stand in YAML; take it out");
  EXPECT_EQ(Found(std::string("a\0b", 3)), "f:1: the control character 0x00 cannot stand in YAML; take it out");
  EXPECT_THAT(Found(std::string(kDefinitionBytesMax, '#')), "");
  EXPECT_THAT(Found(std::string(kDefinitionBytesMax + 1, '#')), HasSubstr("at most 1048576 are read"));
}

}  // namespace
}  // namespace unwind
