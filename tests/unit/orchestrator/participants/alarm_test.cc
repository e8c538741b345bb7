#include "orchestrator/participants/alarm.h"

#include <atomic>
#include <chrono>
#include <future>

#include "common/base/clock.h"
#include "gtest/gtest.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

TEST(AlarmTest, RingsOnceAndNotBeforeItsTime) {
  std::promise<absl::Time> rung;
  Alarm alarm([&] { rung.set_value(SteadyNow()); });  // twice would throw
  const absl::Time when = SteadyNow() + absl::Milliseconds(20);
  alarm.Set(when);
  alarm.Set(when + absl::Milliseconds(1));
  alarm.Set(absl::InfiniteFuture());
  auto at = rung.get_future();
  ASSERT_EQ(at.wait_for(absl::ToChronoSeconds(kPatience)), std::future_status::ready);
  EXPECT_GE(at.get(), when);
  alarm.Stop();
}

TEST(AlarmTest, TheEarlierTimeCountsAndItCanBeSetAgainFromItsRing) {
  std::atomic<int> rings = 0;
  Alarm* self = nullptr;
  Alarm alarm([&] {
    if (++rings < 3) self->Set(SteadyNow());
  });
  self = &alarm;
  alarm.Set(SteadyNow() + absl::Hours(24));
  alarm.Set(SteadyNow() + absl::Milliseconds(1));
  EXPECT_TRUE(Eventually(kPatience, [&] { return rings == 3; }));
}

TEST(AlarmTest, ThatIsStoppedRingsNoMore) {
  std::atomic<int> rings = 0;
  Alarm alarm([&] { ++rings; });
  alarm.Set(SteadyNow() + absl::Hours(24));
  alarm.Stop();
  alarm.Stop();
  alarm.Set(SteadyNow());
  EXPECT_EQ(rings, 0);
}

}  // namespace
}  // namespace unwind
