// A member's cart and the decisions over it, without I/O. It remembers when pieces were added, so that an order takes
// out what was ordered of what was there when it was made, and leaves what was added since. Where the clocks of two
// copies of the service are apart, pieces that were ordered sooner than that after they were added stay.
#ifndef UNWIND_ORDER_SVC_CART_H_
#define UNWIND_ORDER_SVC_CART_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "order_svc/order.h"

namespace unwind::order {

inline constexpr std::size_t kCartLinesMax = 100;       // products in a cart; an order has as many at most
inline constexpr std::int64_t kLineQuantityMax = 1000;  // pieces of one; so has a line of an order
inline constexpr std::size_t kLineAdditionsMax = 16;    // of one, that are remembered apart

// Pieces that came into a cart at one time.
struct Addition {
  absl::Time time;
  std::int64_t quantity = 0;

  bool operator==(const Addition&) const = default;
};

// The pieces of one product: at least one, oldest first.
using CartLine = std::vector<Addition>;

// The lines by product.
using Cart = std::map<std::string, CartLine>;

std::int64_t QuantityOf(const CartLine& line);

// CART_FULL or CART_LINE_FULL, and nothing is added.
absl::Status AddToCart(Cart& cart, const Item& item, absl::Time now);

// Pieces that are too many go in the reverse of the order in which they came. CART_LINE_NOT_FOUND without a line.
absl::Status SetInCart(Cart& cart, const Item& item, absl::Time now);

// Takes out what was ordered, of the pieces that were in the cart when the order was made, and says what went.
// ORDER_NOT_PAID of an order that is not, or not yet: nothing goes.
absl::StatusOr<std::vector<Item>> TakeOrdered(Cart& cart, const Order& order);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_CART_H_
