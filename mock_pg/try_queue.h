// What waits for its turn to be tried: first tries before repeats, each in the order they came.
#ifndef UNWIND_MOCK_PG_TRY_QUEUE_H_
#define UNWIND_MOCK_PG_TRY_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace unwind::pg {

// Not thread-safe.
template <class Item>
class TryQueue {
 public:
  explicit TryQueue(std::size_t size_max) : size_max_(size_max) {}

  // False, and not taken, if `size_max` wait already.
  bool Push(const Item& item, bool is_first) {
    if (first_.size() + repeats_.size() >= size_max_) return false;
    (is_first ? first_ : repeats_).push_back(item);
    return true;
  }

  // Nothing: none waits.
  std::optional<Item> Pop() {
    std::deque<Item>& next = first_.empty() ? repeats_ : first_;
    if (next.empty()) return std::nullopt;
    std::optional<Item> item(std::move(next.front()));
    next.pop_front();
    return item;
  }

 private:
  std::size_t size_max_;
  std::deque<Item> first_;
  std::deque<Item> repeats_;
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_TRY_QUEUE_H_
