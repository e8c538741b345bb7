// Letting a batch grow.
#ifndef UNWIND_COMMON_BASE_GATHER_H_
#define UNWIND_COMMON_BASE_GATHER_H_

#include <cstddef>
#include <mutex>
#include <thread>

namespace unwind {

// Lets those who bring work run first, as long as each time they do there is more of it, up to `enough`. `size()` says
// how much there is, under `lock`, which is let go meanwhile. On an idle machine it is over at once; on a busy one
// batches grow, and what a batch costs is shared by more.
template <class Size>
void Gather(std::unique_lock<std::mutex>& lock, std::size_t enough, Size size) {
  for (std::size_t before = 0, now = size(); before < now && now < enough; now = size()) {
    before = now;
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_GATHER_H_
