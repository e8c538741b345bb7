// Every bad/NAME.yaml is refused with exactly the lines of bad/NAME.txt. With UNWIND_UPDATE_GOLDEN=1 in the environment
// the .txt files are written anew: read the difference before you commit it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

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

TEST(BadFiles, TooLongToRead) {
  const auto loaded = LoadDefinition("long.yaml", std::string((1 << 20) + 1, '#'), AllDescriptors());
  EXPECT_EQ(loaded.status(),
            absl::InvalidArgumentError("long.yaml:1: the file has 1048577 bytes; at most 1048576 are read"));
}

}  // namespace
}  // namespace unwind
