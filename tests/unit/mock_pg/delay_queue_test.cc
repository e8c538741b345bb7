#include "mock_pg/delay_queue.h"

#include <future>
#include <string>

#include "gtest/gtest.h"

namespace unwind::pg {
namespace {

using std::chrono::milliseconds;

TEST(DelayQueue, RunsInTheOrderOfTheirTime) {
  DelayQueue queue(10);
  std::promise<void> done;
  std::string order;
  ASSERT_TRUE(queue.Push(milliseconds(60), [&] {
    order += 'c';
    done.set_value();
  }));
  ASSERT_TRUE(queue.Push(milliseconds(30), [&] { order += 'b'; }));
  ASSERT_TRUE(queue.Push(milliseconds(0), [&] { order += 'a'; }));
  const auto began = std::chrono::steady_clock::now();
  done.get_future().get();
  EXPECT_EQ(order, "abc");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(DelayQueue, RefusesMoreThanItsSize) {
  DelayQueue queue(1);
  EXPECT_TRUE(queue.Push(std::chrono::hours(1), [] {}));
  EXPECT_FALSE(queue.Push(std::chrono::hours(1), [] {}));
}

TEST(DelayQueue, StopDropsWhatWaits) {
  auto held = std::make_shared<int>(0);
  bool ran = false;
  DelayQueue queue(10);
  ASSERT_TRUE(queue.Push(std::chrono::hours(1), [held, &ran] { ran = true; }));
  EXPECT_EQ(held.use_count(), 2);
  queue.Stop();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(queue.Push(milliseconds(0), [] {}));
}

}  // namespace
}  // namespace unwind::pg
