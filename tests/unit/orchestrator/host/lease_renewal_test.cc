#include "orchestrator/host/lease_renewal.h"

#include "gtest/gtest.h"
#include "tests/support/poll.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

constexpr absl::Duration kLength = absl::Milliseconds(30);
constexpr absl::Duration kPatience = absl::Seconds(30);

class LeaseRenewalTest : public testing::Test {
 protected:
  FaultyStore store_;
  const Lease lease_ = *store_.Acquire("one", "", kLength);
  std::atomic<int> told_ = 0;
  std::atomic<bool> serving_ = true, commits_fail_ = false;
  LeaseRenewal renewal_{store_, lease_, kLength, [this] { return commits_fail_.load(); },
                        [this](bool serving) {
                          serving_ = serving;
                          ++told_;
                        }};
};

TEST_F(LeaseRenewalTest, TheLeaseIsLostToWhoAcquiresItUnderTheSameName) {
  EXPECT_FALSE(renewal_.lost());
  ASSERT_TRUE(store_.Acquire("one", "", kLength).ok());
  EXPECT_TRUE(Eventually(kPatience, [&] { return renewal_.lost(); }));
}

TEST_F(LeaseRenewalTest, HealthIsToldWhileTheStoreIsAwayForLongerThanTheLease) {
  renewal_.Tell();
  store_.SetAway(true);
  EXPECT_TRUE(Eventually(kPatience, [&] { return !serving_; }));
  store_.SetAway(false);
  EXPECT_TRUE(Eventually(kPatience, [&] { return serving_.load(); }));
  EXPECT_FALSE(renewal_.lost());
  renewal_.Stop();
  EXPECT_GE(told_, 3);
}

TEST_F(LeaseRenewalTest, ItsAgeGrowsWhileItIsNotRenewed) {
  store_.SetAway(true);
  EXPECT_TRUE(Eventually(kPatience, [&] { return renewal_.age() > 3 * kLength; }));
  store_.SetAway(false);
  EXPECT_TRUE(Eventually(kPatience, [&] { return renewal_.age() < 2 * kLength; }));
}

// A right may be missing on the sagas' table alone.
TEST_F(LeaseRenewalTest, HealthIsToldWhileSagasCannotBeStoredThoughTheLeaseIsRenewed) {
  renewal_.Tell();
  commits_fail_ = true;
  EXPECT_TRUE(Eventually(kPatience, [&] { return !serving_; }));
  commits_fail_ = false;
  EXPECT_TRUE(Eventually(kPatience, [&] { return serving_.load(); }));
}

TEST_F(LeaseRenewalTest, HealthIsToldOnceItIsAskedForAndThenHowItIs) {
  commits_fail_ = true;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    renewal_.Tell();
    return !serving_;
  }));
}

}  // namespace
}  // namespace unwind
