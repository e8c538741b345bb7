// Every bad/NAME.yaml is refused with exactly the lines of bad/NAME.txt. With UNWIND_UPDATE_GOLDEN=1 in the environment
// the .txt files are written anew: read the difference before you commit it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

std::vector<std::string> BadFiles() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(BAD_FILES)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

constexpr char kStep[] = "  - name: make\n    action: lab.v1.Parts/Copy\n    compensation: none\n";

class BadFile : public testing::TestWithParam<std::string> {};

TEST_P(BadFile, IsRefusedWithTheseWords) {
  const std::string path = absl::StrCat(BAD_FILES, "/", GetParam());
  const auto loaded = LoadDefinition(GetParam() + ".yaml", ReadWhole(path + ".yaml"), AllDescriptors());
  ASSERT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string said = absl::StrCat(loaded.status().message(), "\n");
  if (std::getenv("UNWIND_UPDATE_GOLDEN") != nullptr) std::ofstream(path + ".txt", std::ios::binary) << said;
  EXPECT_EQ(said, ReadWhole(path + ".txt"));
}

INSTANTIATE_TEST_SUITE_P(All, BadFile, testing::ValuesIn(BadFiles()), [](const auto& each) { return each.param; });

TEST(BadFiles, AreMany) { EXPECT_GE(BadFiles().size(), 50u); }  // or the folder was not found

// A file that is small to send and large to read: every alias stands for a list of 4,000.
std::string Bomb(const std::string& key, const std::string& list, const std::string& alias_each) {
  std::string yaml =
      absl::StrCat("saga: t\nversion: 1\nserves: lab.v1.Lab/Run\nsteps:\n", kStep, "    ", key, ": &l ", list, "\n");
  for (int i = 0; i < 4000; ++i) absl::StrAppend(&yaml, absl::StrReplaceAll(alias_each, {{"%", absl::StrCat(i)}}));
  return absl::StrCat(yaml, "response: {}\n");
}

TEST(BadFiles, AliasesAreCountedAsOftenAsTheyAreUsed) {
  const std::string steps = "  - name: s%\n    action: lab.v1.Parts/Copy\n    compensation: none\n";
  const std::string many = absl::StrCat("[", absl::StrJoin(std::vector<std::string>(4000, "make"), ","), "]");
  std::string outcomes;
  for (int i = 0; i < 4000; ++i) absl::StrAppend(&outcomes, outcomes.empty() ? "" : ", ", "C", i, ": REFUSED");
  for (const std::string& bomb :
       {Bomb("after", many, steps + "    after: *l\n"),
        Bomb("outcomes", absl::StrCat("{", outcomes, "}"), steps + "    outcomes: *l\n"),
        Bomb("request", absl::StrCat("{ text: { first_of: &m ", many, " } }\n    compensation_request:"),
             "      f%: { first_of: *m }\n"),
        Bomb("when", absl::StrCat("\"", std::string(500'000, 'x'), "\""), steps + "    when: *l\n")}) {
    const auto loaded = LoadDefinition("bomb.yaml", bomb, AllDescriptors());
    EXPECT_THAT(loaded.status().message(),
                testing::HasSubstr("more than 20000 entries or 4194304 bytes; make it smaller"));
    EXPECT_LT(loaded.status().message().size(), 100'000u);
  }
}

// Ten lists of 4,000 that have few bytes.
TEST(BadFiles, TheElementsOfAListAreEntries) {
  std::string yaml = absl::StrCat("saga: t\nversion: 1\nserves: lab.v1.Lab/Run\nsteps:\n", kStep,
                                  "    request:\n      text: { first_of: &m [",
                                  absl::StrJoin(std::vector<std::string>(4000, "make"), ","), "] }\n");
  for (int i = 0; i < 9; ++i) absl::StrAppend(&yaml, "      f", i, ": { first_of: *m }\n");
  const auto loaded = LoadDefinition("lists.yaml", yaml + "response: {}\n", AllDescriptors());
  EXPECT_THAT(loaded.status().message(), testing::HasSubstr("more than 20000 entries"));
}

TEST(BadFiles, TooLongToRead) {
  const auto loaded = LoadDefinition("long.yaml", std::string((1 << 20) + 1, '#'), AllDescriptors());
  EXPECT_EQ(loaded.status(),
            absl::InvalidArgumentError("long.yaml:1: the file has 1048577 bytes; at most 1048576 are read"));
}

}  // namespace
}  // namespace unwind
