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
  std::atomic<bool> serving_ = true;
  LeaseRenewal renewal_{store_, lease_, kLength, [this](bool serving) {
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
  store_.SetAway(true);
  EXPECT_TRUE(Eventually(kPatience, [&] { return !serving_; }));
  store_.SetAway(false);
  EXPECT_TRUE(Eventually(kPatience, [&] { return serving_.load(); }));
  EXPECT_FALSE(renewal_.lost());
  renewal_.Stop();
  EXPECT_GE(told_, 2);
}

}  // namespace
}  // namespace unwind
