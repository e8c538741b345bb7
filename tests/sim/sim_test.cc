// Holds the simulator to what it promises: the same seed is the same world, a story that reads, and bugs that it finds.
#include <string>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/simulation.h"

ABSL_DECLARE_FLAG(std::string, log_level);

namespace unwind::sim {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Within how many seeds `bug` must be found. Few worlds pause a definition just while a commit is under way.
std::uint64_t SeedsOf(Bug bug) {
  if (bug == Bug::kPauseNotHeld) return 600;
  return bug == Bug::kSettlingLost ? 200 : 25;
}

class Quiet : public testing::Environment {
 public:
  void SetUp() override {
    absl::SetFlag(&FLAGS_log_level, "none");
    InitLog("sim_test");
  }
};
const auto* const kQuiet = testing::AddGlobalTestEnvironment(new Quiet);

Shop& TheShop() {
  static auto* const shop = new Shop;
  return *shop;
}

SimulationResult Play(std::uint64_t seed, bool tells = false, Bug bug = Bug::kNone) {
  return Simulate(TheShop(), {.seed = seed, .sagas = 20, .tells = tells, .bug = bug});
}

TEST(Simulation, TheSameSeedIsTheSameWorld) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const SimulationResult first = Play(seed);
    Play(seed + 100);  // what another seed leaves behind must not matter
    const SimulationResult again = Play(seed);
    EXPECT_EQ(first.hash, again.hash) << "seed " << seed;
    EXPECT_EQ(first.tally.events, again.tally.events) << "seed " << seed;
    EXPECT_EQ(first.hash, Play(seed, /*tells=*/true).hash) << "seed " << seed << " is another when it is told";
  }
}

TEST(Simulation, OtherSeedsAreOtherWorlds) { EXPECT_NE(Play(1).hash, Play(2).hash); }

TEST(Simulation, TheStorySaysWhenWhoAndWhat) {
  const SimulationResult result = Play(1, /*tells=*/true);
  EXPECT_THAT(result.violations, IsEmpty());
  for (const char* const line :
       {"orchestrator-a gets PlaceOrder", "stores started of saga", "order_svc      gets CreateOrder",
        "payment_svc    answers", "mock_pg        writes a capture", "buyers         hear", "world          heals",
        "world          delivers every old message once more"}) {
    EXPECT_THAT(result.story, HasSubstr(line));
  }
}

class Bugs : public testing::TestWithParam<Bug> {};

TEST_P(Bugs, AreFound) {
  for (std::uint64_t seed = 1; seed <= SeedsOf(GetParam()); ++seed) {
    const SimulationResult result = Play(seed, /*tells=*/false, GetParam());
    if (result.violations.empty()) continue;
    std::printf("found with seed %d: %s\n", static_cast<int>(seed), result.violations.front().c_str());
    return;
  }
  FAIL() << "no seed of 1.." << SeedsOf(GetParam()) << " found it";
}

INSTANTIATE_TEST_SUITE_P(Simulation, Bugs, testing::ValuesIn(kBugs), [](const auto& bug) {
  std::string name = NameOf(bug.param);
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace unwind::sim
