#include "mock_pg/delay_queue.h"

#include <utility>

namespace unwind::pg {

DelayQueue::DelayQueue(std::size_t size_max) : size_max_(size_max), thread_([this] { Run(); }) {}

DelayQueue::~DelayQueue() { Stop(); }

bool DelayQueue::Push(std::chrono::milliseconds delay, Closure closure) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= size_max_) return false;
    waiting_.emplace(std::chrono::steady_clock::now() + delay, std::move(closure));
  }
  wake_.notify_one();
  return true;
}

void DelayQueue::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  std::lock_guard lock(mutex_);
  waiting_.clear();
}

void DelayQueue::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const Due due = waiting_.begin()->first;
    if (std::chrono::steady_clock::now() < due) {
      wake_.wait_until(lock, due);
      continue;
    }
    Closure closure = std::move(waiting_.extract(waiting_.begin()).mapped());
    lock.unlock();
    std::move(closure)();
    lock.lock();
  }
}

}  // namespace unwind::pg
