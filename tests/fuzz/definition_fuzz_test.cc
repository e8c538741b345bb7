// Every good definition file of the project, broken at random. Whatever comes of it, loading it neither crashes nor
// takes long; what is accepted runs, now and as it is stored; what is refused is refused by words that name the file,
// the line and what is wrong there.
//   UNWIND_FUZZ_MUTATIONS=100000 build/dev/tests/definition_fuzz_test    many
//   UNWIND_FUZZ_SEED=4711 UNWIND_FUZZ_MUTATIONS=1 ...                    one again
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/host/check.h"
#include "orchestrator/host/definition_files.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/walk.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

constexpr std::uint64_t kMutations = 500;
constexpr absl::Duration kLoadMax = absl::Seconds(20);  // on a machine that does other things too
constexpr int kFailuresMax = 10;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  std::uint64_t number = otherwise;
  EXPECT_TRUE(text == nullptr || absl::SimpleAtoi(text, &number)) << name << " must be a number";
  return number;
}

std::string ReadWhole(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Of orchestrator/sagas and of all tests, but those that are bad on purpose.
std::vector<std::string> GoodFiles() {
  std::vector<std::string> files;
  for (const absl::string_view folder : absl::StrSplit(DEFINITION_FOLDERS, ',')) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(folder))) {
      const std::string path = entry.path().string();
      if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() == "bad") continue;
      if (absl::StrContains(absl::StrCat("\n", ReadWhole(path)), "\nsaga: ")) files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// "FILE:LINE: what; what to do", which names what it is about: in quotes, or by its key.
bool IsFinding(const std::string& file, const std::string& text) {
  static const auto* const kAbout = new std::regex(
      "'|not YAML|quote|UTF-8|control character|the file|entries|"
      "\\b(steps?|definition|saga|request|response|metadata|retry|outcomes|errors|answer|key|nothing says what)\\b");
  if (!absl::StartsWith(text, absl::StrCat(file, ":"))) return false;
  const std::string rest = text.substr(file.size() + 1);
  std::size_t digits = 0;
  while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
  if (digits == 0) return absl::StartsWith(rest, " and ");  // "FILE: and 17 more"
  return absl::StartsWith(rest.substr(digits), ": ") && absl::StrContains(rest, "; ") &&
         std::regex_search(rest, *kAbout);
}

class DefinitionFuzz : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto sets = LoadDescriptors(absl::StrSplit(FOREIGN_SETS, ','), UNWIND_PROTOSET);
    ASSERT_TRUE(sets.ok()) << sets.status();
    sets_ = new DescriptorSets(*sets);
  }

  // What is wrong with how `yaml` is treated; empty: nothing.
  std::string Try(const std::string& yaml, Draws& draws) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << yaml;
    const absl::Time began = absl::Now();
    const auto loaded = LoadDefinitionFiles({path_}, *sets_);
    if (absl::Now() - began > kLoadMax) return absl::StrCat("it took ", absl::FormatDuration(absl::Now() - began));
    std::ostringstream out;
    const absl::Status checked = CheckDefinitions({path_}, *sets_, out);
    if (!loaded.ok()) {
      if (checked.ok()) return "`check` lets it pass, and it does not load";
      return TryWords(loaded.status());
    }
    ++accepted_;
    const Definition& definition = *loaded->front();
    if (const std::string wrong = TryStored(definition); !wrong.empty()) return wrong;
    return Walk(definition, draws);
  }

  std::string TryWords(const absl::Status& status) const {
    if (!absl::IsInvalidArgument(status)) return absl::StrCat("it is refused as ", status.ToString());
    for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
      if (!IsFinding(path_, std::string(line))) return absl::StrCat("this says too little: ", line);
    }
    return "";
  }

  // It goes on to mean the same once it is stored.
  static std::string TryStored(const Definition& definition) {
    const Plan& plan = definition.plan();
    const auto stored =
        LoadStoredDefinition({plan.name, plan.version, definition.hash(), definition.yaml(), definition.descriptors()});
    if (!stored.ok()) return absl::StrCat("as it is stored it does not load: ", stored.status().ToString());
    return (*stored)->hash() == definition.hash() ? "" : "as it is stored it has another hash";
  }

  inline static const DescriptorSets* sets_ = nullptr;
  const TempDir folder_;
  const std::string path_ = folder_.File("mutated.yaml");
  std::uint64_t accepted_ = 0;
};

TEST_F(DefinitionFuzz, BrokenFilesAreRefusedByNameAndTheOthersRun) {
  const std::vector<std::string> files = GoodFiles();
  ASSERT_GE(files.size(), 6u);
  std::vector<std::string> texts, words;
  std::size_t alone = 0;
  for (const std::string& file : files) {
    texts.push_back(ReadWhole(file));
    alone += absl::StrContains(texts.back(), "\nfollows: ") ? 0 : 1;  // what follows another does not load without it
    for (std::string& word : WordsOf(texts.back())) words.push_back(std::move(word));
    Draws draws(1);
    EXPECT_EQ(Try(texts.back(), draws), "") << file << ", as it is";
  }
  ASSERT_EQ(accepted_, alone);
  accepted_ = 0;
  const std::uint64_t first = FromEnvironment("UNWIND_FUZZ_SEED", 1);
  const std::uint64_t count = FromEnvironment("UNWIND_FUZZ_MUTATIONS", kMutations);
  std::printf("seeds %llu to %llu; the file at hand is %s\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1), path_.c_str());
  std::fflush(stdout);
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < kFailuresMax; ++seed) {
    Draws draws(seed);
    const std::size_t which = draws.Below(files.size());
    const std::string yaml = Mutate(texts[which], words, draws);
    const std::string wrong = Try(yaml, draws);
    if (wrong.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ", of " << files[which] << ": " << wrong << "\n----\n" << yaml << "\n----";
  }
  std::printf("%llu of %llu were accepted\n", static_cast<unsigned long long>(accepted_),
              static_cast<unsigned long long>(count));
  const bool is_telling = count >= kMutations;
  EXPECT_TRUE(!is_telling || accepted_ > count / 50) << "hardly any was good enough to run";
}

}  // namespace
}  // namespace unwind
