// The small configurations close without a violation, and each seeded bug is found by its shortest trace.
#include <cstdio>

#include "gtest/gtest.h"
#include "tests/model/configurations.h"
#include "tests/model/search.h"
#include "tests/model/story.h"

namespace unwind::model {
namespace {

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

}  // namespace
}  // namespace unwind::model
