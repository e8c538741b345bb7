#include "common/base/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Lines(const Findings& findings) { return absl::StrSplit(findings.ToStatus().message(), '\n'); }

TEST(Findings, AreSortedByLine) {
  Findings findings("f.yaml", Origin::kFile);
  EXPECT_TRUE(findings.ToStatus().ok());
  findings.Warn(2, "b", "do");
  EXPECT_FALSE(findings.has_errors());
  EXPECT_TRUE(findings.ToStatus().ok());
  EXPECT_THAT(findings.warnings(), ElementsAre("f.yaml:2: warning: b; do"));
  findings.Add(3, "c", "do");
  findings.Add(1, "a", "do");
  EXPECT_TRUE(findings.has_errors());
  EXPECT_EQ(findings.ToStatus().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Lines(findings), ElementsAre("f.yaml:1: a; do", "f.yaml:2: warning: b; do", "f.yaml:3: c; do"));
}

TEST(Findings, OfAStoredDefinitionRefuseNothingThatRan) {
  Findings file("f", Origin::kFile);
  file.Refuse(1, "a", "do");
  EXPECT_THAT(Lines(file), ElementsAre("f:1: a; do"));
  EXPECT_THAT(file.warnings(), IsEmpty());
  Findings stored("f", Origin::kStored);
  stored.Refuse(1, "a", "do");
  EXPECT_TRUE(stored.ToStatus().ok());
  EXPECT_THAT(stored.warnings(), ElementsAre("f:1: warning: a; do"));
}

TEST(Findings, HoldNoRawControlCharacters) {
  Findings findings("a\nb", Origin::kFile);
  findings.Add(1, "\x1B[31m \t \x7F \xC2\x9B \xFF caf\xC3\xA9", "do\nmore");
  EXPECT_EQ(findings.ToStatus().message(),
            "a\\x0ab:1: \\x1b[31m \\x09 \\x7f \\xc2\\x9b \\xff caf\xC3\xA9; do\\x0amore");
}

TEST(Findings, AreCutInTheMiddle) {
  Findings findings("f", Origin::kFile);
  findings.Add(1, absl::StrCat("begin ", std::string(1 << 20, 'x'), " end"), "do");
  const std::string said(findings.ToStatus().message());
  EXPECT_LT(said.size(), 1000u);
  EXPECT_THAT(said, testing::StartsWith("f:1: begin xxx"));
  EXPECT_THAT(said, testing::EndsWith("xxx end; do"));
  EXPECT_THAT(said, testing::HasSubstr("x (1047986 bytes) x"));
  Findings characters("f", Origin::kFile);
  std::string three;
  for (int i = 0; i < 1000; ++i) three += "\xEA\xB0\x80";
  characters.Add(1, absl::StrCat("a", three), "do");
  EXPECT_THAT(characters.ToStatus().message(), testing::Not(testing::HasSubstr("\\x"))) << "between characters";
}

TEST(Findings, AreAtMostAHundredAndACount) {
  Findings findings("f", Origin::kFile);
  for (int i = 1; i <= 100; ++i) findings.Add(i, "a", "do");
  EXPECT_EQ(Lines(findings).size(), 100u);
  for (int i = 1; i <= 7; ++i) findings.Add(i, "a", "do");
  EXPECT_EQ(Lines(findings).size(), 101u);
  EXPECT_EQ(Lines(findings).back(), "f: and 7 more; correct these first");
  for (int i = 1; i <= 102; ++i) findings.Warn(i, "a", "do");
  EXPECT_EQ(findings.warnings().back(), "f: and 2 more warnings");
}

TEST(Suggest, NamesTheClosestIfItIsClose) {
  const Findings findings("f", Origin::kFile);
  EXPECT_EQ(findings.Suggest("requst", {"request", "retry"}, "no"), "did you mean 'request'?");
  EXPECT_EQ(findings.Suggest("zzz", {"request", "retry"}, "no"), "no");
  EXPECT_EQ(findings.Suggest("", {}, "no"), "no");
  EXPECT_EQ(findings.Suggest(std::string(65, 'a'), {std::string(64, 'a')}, "no"), "no");
}

}  // namespace
}  // namespace unwind
