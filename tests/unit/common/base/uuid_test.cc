#include "common/base/uuid.h"

#include <random>
#include <set>

#include "absl/time/clock.h"
#include "common/base/system_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(UuidTest, IdsOfTheSystemsRandomSourceHaveTheShapeOfVersionSevenAndDiffer) {
  constexpr std::size_t kIds = 1000;
  const absl::Time now = absl::Now();  // the same for all: only chance tells them apart
  const SystemRandom random;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < kIds; ++i) {
    const std::string id = MakeUuidV7(now, random);
    EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), kIds);
}

TEST(UuidTest, OneSeedGivesOneId) {
  std::mt19937_64 one(7), same(7);
  EXPECT_EQ(MakeUuidV7(absl::UnixEpoch(), one), MakeUuidV7(absl::UnixEpoch(), same));
}

}  // namespace
}  // namespace unwind
