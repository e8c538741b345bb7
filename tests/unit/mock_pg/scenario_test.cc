#include "mock_pg/scenario.h"

#include <string>

#include "gtest/gtest.h"

namespace unwind::pg {
namespace {

std::string Key(int i) { return "key-" + std::to_string(i); }

int CountDrawn(std::int64_t seed, absl::string_view lot, int percent) {
  int drawn = 0;
  for (int i = 0; i < 10000; ++i) drawn += IsDrawn(seed, lot, Key(i), percent) ? 1 : 0;
  return drawn;
}

TEST(IsDrawn, PicksAboutThePercentage) {
  EXPECT_EQ(CountDrawn(1, "fail", 0), 0);
  EXPECT_EQ(CountDrawn(1, "fail", 100), 10000);
  EXPECT_NEAR(CountDrawn(1, "fail", 30), 3000, 200);
  EXPECT_NEAR(CountDrawn(-7, "hang", 5), 500, 100);
}

TEST(IsDrawn, IsAFunctionOfSeedLotAndKey) {
  int by_seed = 0, by_lot = 0;
  for (int i = 0; i < 1000; ++i) {
    const bool drawn = IsDrawn(1, "fail", Key(i), 50);
    EXPECT_EQ(drawn, IsDrawn(1, "fail", Key(i), 50));
    by_seed += drawn != IsDrawn(2, "fail", Key(i), 50) ? 1 : 0;
    by_lot += drawn != IsDrawn(1, "hang", Key(i), 50) ? 1 : 0;
  }
  EXPECT_NEAR(by_seed, 500, 100);
  EXPECT_NEAR(by_lot, 500, 100);
}

TEST(IsDrawn, AKeyThatFailsAtAPercentageFailsAtEveryHigherOne) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LE(IsDrawn(3, "fail", Key(i), 20), IsDrawn(3, "fail", Key(i), 40));
  }
}

// The very keys are fixed: a seed that is written down in a report must play the same a year later.
TEST(IsDrawn, NeverChanges) {
  std::string drawn;
  for (int i = 0; i < 20; ++i) drawn += IsDrawn(42, "fail", Key(i), 50) ? '1' : '0';
  EXPECT_EQ(drawn, "10010110111111110100");
}

TEST(DrawFate, HasNoFaultsByDefault) {
  Scenario scenario;
  const Fate fate = DrawFate(scenario, "k", 1'000'000);
  EXPECT_EQ(fate.decline_reason, "");
  EXPECT_FALSE(fate.hang);
  EXPECT_EQ(scenario, Scenario());
}

TEST(DrawFate, RefusesAmountsFromTheLimitOn) {
  Scenario scenario;
  scenario.refuse_amount_minor = 100'000;
  EXPECT_EQ(DrawFate(scenario, "k", 99'999).decline_reason, "");
  EXPECT_EQ(DrawFate(scenario, "k", 100'000).decline_reason, kAmountRefused);
  EXPECT_EQ(DrawFate(scenario, "k", std::nullopt).decline_reason, "");
}

TEST(DrawFate, DeclinesTheFirst) {
  Scenario scenario;
  scenario.fail_first = 2;
  EXPECT_EQ(DrawFate(scenario, "a", 1).decline_reason, kCardDeclined);
  EXPECT_EQ(DrawFate(scenario, "b", std::nullopt).decline_reason, kCardDeclined);
  EXPECT_EQ(DrawFate(scenario, "c", 1).decline_reason, "");
  EXPECT_EQ(scenario.fail_first, 0);
}

TEST(DrawFate, HangsTheFirst) {
  Scenario scenario;
  scenario.hang_first = 1;
  EXPECT_TRUE(DrawFate(scenario, "a", 1).hang);
  EXPECT_FALSE(DrawFate(scenario, "b", 1).hang);
}

TEST(DrawFate, Composes) {
  Scenario scenario;
  scenario.refuse_amount_minor = 10;
  scenario.fail_first = 1;
  scenario.fail_percent = 100;
  scenario.hang_percent = 100;
  const Fate refused = DrawFate(scenario, "a", 10);
  EXPECT_EQ(refused.decline_reason, kAmountRefused);
  EXPECT_TRUE(refused.hang);
  EXPECT_EQ(scenario.fail_first, 1) << "a refused amount uses up no decline";
  EXPECT_EQ(DrawFate(scenario, "b", 9).decline_reason, kCardDeclined);
  EXPECT_EQ(scenario.fail_first, 0);
  EXPECT_EQ(DrawFate(scenario, "c", 9).decline_reason, kCardDeclined) << "by percentage";
}

TEST(DrawFate, PutsCapturesOffAndSaysHowTheirEndIsTold) {
  Scenario scenario;
  scenario.async_first = 1;
  scenario.async_delay = absl::Seconds(3);
  scenario.webhook_delay = absl::Seconds(4);
  scenario.webhook_lost_percent = 100;
  scenario.webhook_twice_percent = 100;
  scenario.webhook_forged_percent = 100;
  EXPECT_EQ(DrawFate(scenario, "refund", std::nullopt).later, std::nullopt);
  const std::optional<Later> later = DrawFate(scenario, "a", 1).later;
  ASSERT_TRUE(later);
  EXPECT_EQ(later->delay, absl::Seconds(3));
  EXPECT_EQ(later->webhook, (Webhook{.delay = absl::Seconds(4), .lost = true, .twice = true, .forged = true}));
  EXPECT_FALSE(later->early);
  EXPECT_FALSE(later->survives_fence);
  EXPECT_EQ(DrawFate(scenario, "b", 1).later, std::nullopt);
}

// Each by a lot of its own: of the keys that are put off some are early, some lost, some both.
TEST(DrawFate, DrawsEachEndIndependently) {
  Scenario scenario;
  scenario.seed = 9;
  scenario.async_percent = 50;
  scenario.webhook_early_percent = 50;
  scenario.webhook_lost_percent = 50;
  scenario.after_fence_percent = 50;
  int later = 0, early = 0, lost = 0, survives = 0, all = 0;
  for (int i = 0; i < 2000; ++i) {
    const Fate fate = DrawFate(scenario, Key(i), 1);
    if (!fate.later) continue;
    ++later;
    early += fate.later->early ? 1 : 0;
    lost += fate.later->webhook.lost ? 1 : 0;
    survives += fate.later->survives_fence ? 1 : 0;
    all += fate.later->early && fate.later->webhook.lost && fate.later->survives_fence ? 1 : 0;
  }
  EXPECT_NEAR(later, 1000, 100);
  EXPECT_NEAR(early, 500, 80);
  EXPECT_NEAR(lost, 500, 80);
  EXPECT_NEAR(survives, 500, 80);
  EXPECT_NEAR(all, 125, 50);
}

}  // namespace
}  // namespace unwind::pg
