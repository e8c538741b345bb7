#include "common/base/batch_writer.h"

#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace unwind {
namespace {

// Records the batches it gets; while closed, the first one waits.
class Gate {
 public:
  void Handle(std::vector<int> batch) {
    std::unique_lock lock(mutex_);
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitBatches(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= count; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::vector<std::vector<int>> batches() {
    std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<int>> batches_;
  bool open_ = false;
};

TEST(BatchWriterTest, WhatWaitsBecomesOneBatchInOrderUpToTheLimit) {
  Gate gate;
  BatchWriter<int> writer(3, 100, [&](std::vector<int> batch) { gate.Handle(std::move(batch)); });
  ASSERT_TRUE(writer.Push(0));
  gate.AwaitBatches(1);
  for (int i = 1; i <= 7; ++i) ASSERT_TRUE(writer.Push(int{i}));
  gate.Open();
  writer.Stop();
  EXPECT_EQ(gate.batches(), (std::vector<std::vector<int>>{{0}, {1, 2, 3}, {4, 5, 6}, {7}}));
}

TEST(BatchWriterTest, AFullQueueTakesNothing) {
  Gate gate;
  BatchWriter<int> writer(3, 2, [&](std::vector<int> batch) { gate.Handle(std::move(batch)); });
  ASSERT_TRUE(writer.Push(0));
  gate.AwaitBatches(1);
  EXPECT_TRUE(writer.Push(1));
  EXPECT_TRUE(writer.Push(2));
  EXPECT_FALSE(writer.Push(3));
  gate.Open();
  writer.Stop();
  EXPECT_EQ(gate.batches(), (std::vector<std::vector<int>>{{0}, {1, 2}}));
}

TEST(BatchWriterTest, StopHandlesWhatIsQueuedAndTakesNoMore) {
  int sum = 0;
  BatchWriter<int> writer(
      2, 100, [&](const std::vector<int>& batch) { sum = std::accumulate(batch.begin(), batch.end(), sum); });
  for (int i = 1; i <= 50; ++i) ASSERT_TRUE(writer.Push(int{i}));
  writer.Stop();
  EXPECT_EQ(sum, 50 * 51 / 2);
  EXPECT_FALSE(writer.Push(1));
  writer.Stop();
}

TEST(BatchWriterTest, ManyThreadsLoseNothing) {
  constexpr int kThreads = 8, kEach = 500;
  std::vector<int> seen(kThreads * kEach);
  BatchWriter<int> writer(64, kThreads * kEach, [&](const std::vector<int>& batch) {
    EXPECT_LE(batch.size(), 64u);
    for (const int job : batch) ++seen[static_cast<std::size_t>(job)];
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&writer, t] {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE(writer.Push(t * kEach + i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.Stop();
  EXPECT_EQ(seen, std::vector<int>(kThreads * kEach, 1));
}

}  // namespace
}  // namespace unwind
