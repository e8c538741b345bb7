// Bytes that many parts hold together, and their limit.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_MEMORY_BUDGET_H_
#define UNWIND_ORCHESTRATOR_ENGINE_MEMORY_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

namespace unwind {

// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  bool is_over() const { return bytes() > bytes_max_; }

 private:
  friend class MemoryHold;

  const std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_ = 0;
};

// Some bytes of a budget, which must outlive it; given back by its destructor. Not thread-safe.
class MemoryHold {
 public:
  MemoryHold() = default;
  // Holds them whether there is room or not.
  MemoryHold(MemoryBudget& budget, std::size_t bytes) : budget_(&budget) { Resize(bytes); }
  MemoryHold(MemoryHold&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryHold& operator=(MemoryHold&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MemoryHold() {
    if (budget_ != nullptr) budget_->bytes_.fetch_sub(bytes_, std::memory_order_relaxed);
  }

  // None if they do not fit. In an empty budget anything fits, so that nothing is refused for ever.
  static std::optional<MemoryHold> Try(MemoryBudget& budget, std::size_t bytes) {
    MemoryHold hold(budget, bytes);
    if (budget.is_over() && budget.bytes() > bytes) return std::nullopt;
    return hold;
  }

  // REQUIRES: made with a budget.
  void Resize(std::size_t bytes) {
    if (bytes == bytes_) return;
    budget_->bytes_.fetch_add(bytes - bytes_, std::memory_order_relaxed);  // modulo, as unsigned numbers are
    bytes_ = bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  MemoryBudget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_MEMORY_BUDGET_H_
