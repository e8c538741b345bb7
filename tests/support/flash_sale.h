// A flash sale: many members want one scarce product at the same moment.
#ifndef UNWIND_TESTS_SUPPORT_FLASH_SALE_H_
#define UNWIND_TESTS_SUPPORT_FLASH_SALE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/shop.h"

namespace unwind {

struct FlashSaleOptions {
  std::string product;        // must have `pieces` available
  std::string member_prefix;  // members are <prefix>0, <prefix>1, ...
  int members = 1000;
  int pieces = 100;
  int channels = 4;  // the callers share so many connections
  bool come_back =
      false;  // a buyer without an order tries again, under a new request_id, while something is on the shelf
  absl::Duration patience = absl::Seconds(120);
};

struct FlashSaleResult {
  int paid = 0;                         // answers PAID
  int calls = 0;                        // calls of PlaceOrder
  int orders = 0;                       // different request_ids: one saga each
  std::map<std::string, int> refusals;  // answers that are not PAID, by reason
  std::vector<std::string> order_ids;   // of the paid orders
  absl::Duration first_to_last;         // from the first answer to the last
  absl::Duration whole;                 // from the first call to the last answer
  absl::Duration p50, p99, longest;     // from an order's first call to its answer
  double sagas_per_second = 0;
  std::vector<std::string> untrue;  // answers that cannot have been true or were taken back; see history.h
};

// In the end every buyer asks again under their request_id. DEADLINE_EXCEEDED if somebody has no answer within the
// patience.
absl::StatusOr<FlashSaleResult> RunFlashSale(Shop& shop, const FlashSaleOptions& options);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_FLASH_SALE_H_
