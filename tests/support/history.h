// What buyers were told, and whether it can have been true. Never overselling is easy for a shop that refuses
// everybody; so each refusal must be one that some order of events explains, and no answer may be taken back.
#ifndef UNWIND_TESTS_SUPPORT_HISTORY_H_
#define UNWIND_TESTS_SUPPORT_HISTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace unwind {

enum class Told : std::uint8_t { kPaid, kRefused, kNothing };

// One request_id of a buyer: from its first call to its answer, however often it was called in between.
struct Purchase {
  std::string request_id;
  int quantity = 1;
  absl::Time start;
  absl::Time end = absl::InfiniteFuture();
  Told told = Told::kNothing;
  std::string reason;    // of a refusal
  std::string order_id;  // of a paid order
};

// A refusal for lack of stock is legal only if at some instant within its call so much of the product could have been
// held that `quantity` was not available. Could have been: an upper bound, from the intervals alone. A purchase holds
// its pieces at most from its start on: for ever if it was paid or never answered, to its end if it was refused for
// another reason (the stock is back before the answer), never if it was refused for lack of stock. Violations, each a
// sentence.
std::vector<std::string> CheckRefusals(const std::vector<Purchase>& purchases, int pieces);

// `again`: what the same request_ids were told later. An answer once given stands.
std::vector<std::string> CheckAnswersStand(const std::vector<Purchase>& purchases, const std::vector<Purchase>& again);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_HISTORY_H_
