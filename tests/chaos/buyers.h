// The load of a chaos run: buyers who place orders and cancel some, one call after the other, each insisting under one
// key until there is an answer. What they were told is held against what they are told later.
#ifndef UNWIND_TESTS_CHAOS_BUYERS_H_
#define UNWIND_TESTS_CHAOS_BUYERS_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace unwind {

struct Shelf {
  std::string product;
  std::int64_t pieces = 0;
};

struct BuyersReport {
  int orders = 0;   // sent: one request_id each
  int cancels = 0;  // likewise
  int paid = 0;
  int cancelled = 0;
  int calls = 0;                        // of both, repeats too
  std::vector<std::string> untold;      // those that never got an answer, and what they were told last
  std::map<std::string, int> refusals;  // by reason
  std::vector<std::string> contradictions;
};

class Buyers {
 public:
  // Starts `count` buyers at the orchestrator at `address`, each drawing from `seed` and its own number.
  Buyers(const std::string& address, int count, std::vector<Shelf> shelves, std::uint64_t seed);
  ~Buyers();

  // How many orders were sent until now.
  int orders() const { return orders_; }

  // Nobody begins anything new; returns when each has its answer, or has none after `patience`.
  void Finish(absl::Duration patience);

  // After Finish, in a shop at rest: everybody repeats every call and must be told the same again.
  BuyersReport AskAgain();

 private:
  class Buyer;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  const std::vector<Shelf> shelves_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::int64_t> patience_end_ = kNever;  // unix milliseconds
  std::atomic<int> orders_ = 0;
  std::vector<std::unique_ptr<Buyer>> buyers_;
  std::vector<std::thread> threads_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CHAOS_BUYERS_H_
