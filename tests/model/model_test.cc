// The small configurations close without a violation, and each seeded bug is found by its shortest trace.
#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/configurations.h"
#include "tests/model/search.h"
#include "tests/model/story.h"

namespace unwind::model {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kWorldsMax = 20'000'000;

TEST(ModelTest, TheNamedConfigurationsCloseWithoutAViolation) {
  std::fputs(TableHead().c_str(), stdout);
  for (const Configuration& configuration : SmallConfigurations()) {
    const Found found = Search(configuration.model, kWorldsMax);
    std::fputs(TableRow(configuration, found).c_str(), stdout);
    EXPECT_EQ(Judge(configuration, found), "");
  }
}

TEST(ModelTest, EverySeededBugIsFound) {
  for (const SeededBug& bug : SeededBugs()) {
    const Found found = Search(bug.model, kWorldsMax);
    std::fputs(Story(bug.model, found).c_str(), stdout);
    EXPECT_NE(found.broken, "") << bug.model.name << " was not found in " << found.worlds << " states";
    EXPECT_EQ(found.trace.size(), bug.events) << bug.model.name;
  }
}

TEST(ModelTest, ASearchOfNextToNothingIsAFailure) {
  Configuration configuration = SmallConfigurations().front();
  EXPECT_THAT(Judge(configuration, Search(configuration.model, 1'000)), HasSubstr("not closed after"));
  Found found;
  found.closed = true;
  found.worlds = 2;
  EXPECT_THAT(Judge(configuration, found), HasSubstr("only 2 states"));
  found.worlds = configuration.worlds_least;
  EXPECT_THAT(Judge(configuration, found), HasSubstr("\"completed\" never occurred"));
}

}  // namespace
}  // namespace unwind::model
