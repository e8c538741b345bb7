// The load of a chaos run: buyers who order, by card alone or by coupon, points and balance too, who let orders wait
// and pay them themselves, do not or end the wait, who charge their wallets and cancel; one call after the other, each
// insisting under one key until there is an answer. What they were told is held against what they are told later.
#ifndef UNWIND_TESTS_CHAOS_BUYERS_H_
#define UNWIND_TESTS_CHAOS_BUYERS_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/cluster.h"

namespace unwind {

struct Shelf {
  std::string product;
  std::int64_t pieces = 0;
};

// What the shop has for the buyers.
struct Offer {
  std::vector<Shelf> shelves;
  std::vector<std::string> campaigns;  // each has a coupon for every buyer
};

struct BuyersReport {
  struct Tally {
    int sent = 0;     // one key each
    int granted = 0;  // of those; of a checkout: it waits or is paid
  };
  std::map<std::string, Tally> tallies;  // by what was asked for
  int calls = 0;                         // of all, repeats too
  std::vector<std::string> untold;       // those that never got an answer, and what they were told last
  std::map<std::string, int> refusals;   // by reason
  std::vector<std::string> contradictions;
};

class Buyers {
 public:
  // Starts `count` buyers at the processes of `cluster`, each drawing from `seed` and its own number.
  Buyers(Cluster& cluster, int count, Offer offer, std::uint64_t seed);
  ~Buyers();

  // How many were sent until now.
  int orders() const { return orders_; }

  // Nobody begins anything new; returns when each has its answer, or has none after `patience`.
  void Finish(absl::Duration patience);

  // After Finish, in a shop at rest: everybody repeats every call of a saga, and must be told the same again; who was
  // told that he has paid must have his order, and who was told that he has not must have none.
  BuyersReport AskAgain();

 private:
  class Buyer;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  const Offer offer_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::int64_t> patience_end_ = kNever;  // unix milliseconds
  std::atomic<int> orders_ = 0;
  std::vector<std::unique_ptr<Buyer>> buyers_;
  std::vector<std::thread> threads_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CHAOS_BUYERS_H_
