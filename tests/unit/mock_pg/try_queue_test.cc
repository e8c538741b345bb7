#include "mock_pg/try_queue.h"

#include <string>

#include "gtest/gtest.h"

namespace unwind::pg {
namespace {

TEST(TryQueue, FirstTriesComeBeforeRepeats) {
  TryQueue<std::string> queue(10);
  EXPECT_TRUE(queue.Push("repeat 1", false));
  EXPECT_TRUE(queue.Push("first 1", true));
  EXPECT_TRUE(queue.Push("repeat 2", false));
  EXPECT_TRUE(queue.Push("first 2", true));
  for (const char* const next : {"first 1", "first 2", "repeat 1", "repeat 2"}) EXPECT_EQ(queue.Pop(), next);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(TryQueue, TakesNoMoreThanItMay) {
  TryQueue<int> queue(2);
  EXPECT_TRUE(queue.Push(1, false));
  EXPECT_TRUE(queue.Push(2, true));
  EXPECT_FALSE(queue.Push(3, true));
  EXPECT_FALSE(queue.Push(4, false));
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_TRUE(queue.Push(5, false)) << "once there is room";
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 5);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

}  // namespace
}  // namespace unwind::pg
