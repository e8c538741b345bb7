#include "order_svc/cart.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::order {
namespace {

absl::Status CartFull() {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("the cart has ", kCartLinesMax, " products, the most that it may; take one out first"),
                   {"CART_FULL", std::string(kErrorDomain), {{"lines_max", absl::StrCat(kCartLinesMax)}}});
}

absl::Status LineFull(const Item& item, std::int64_t had) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("the cart has ", had, " of product ", item.product_id, ", and with ", item.quantity,
                                " more it would pass ", kLineQuantityMax, ", the most that it may have"),
                   {"CART_LINE_FULL",
                    std::string(kErrorDomain),
                    {{"product_id", item.product_id},
                     {"quantity", absl::StrCat(had)},
                     {"quantity_max", absl::StrCat(kLineQuantityMax)}}});
}

absl::Status LineNotFound(const std::string& product_id) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("product ", product_id, " is not in the cart; add it with AddItem"),
                   {"CART_LINE_NOT_FOUND", std::string(kErrorDomain), {{"product_id", product_id}}});
}

// Of too many times the two oldest become one, as if all had come at the later one: who ordered between the two keeps
// some pieces in the cart that he need not, and loses none.
void Append(CartLine& line, std::int64_t quantity, absl::Time now) {
  // A clock that was set back does not put them before those that came earlier.
  const absl::Time time = line.empty() ? now : std::max(now, line.back().time);
  if (!line.empty() && line.back().time == time) {
    line.back().quantity += quantity;
    return;
  }
  line.push_back({time, quantity});
  if (line.size() <= kLineAdditionsMax) return;
  line[1].quantity += line[0].quantity;
  line.erase(line.begin());
}

void TakeNewest(CartLine& line, std::int64_t quantity) {
  while (quantity > 0 && !line.empty()) {
    const std::int64_t taken = std::min(quantity, line.back().quantity);
    quantity -= taken;
    line.back().quantity -= taken;
    if (line.back().quantity == 0) line.pop_back();
  }
}

// Says how many there were.
std::int64_t TakeOldest(CartLine& line, std::int64_t quantity, absl::Time until) {
  std::int64_t taken = 0;
  for (Addition& addition : line) {
    if (addition.time > until) break;
    const std::int64_t part = std::min(quantity - taken, addition.quantity);
    addition.quantity -= part;
    taken += part;
  }
  std::erase_if(line, [](const Addition& addition) { return addition.quantity == 0; });
  return taken;
}

}  // namespace

std::int64_t QuantityOf(const CartLine& line) {
  std::int64_t quantity = 0;
  for (const Addition& addition : line) quantity += addition.quantity;
  return quantity;
}

absl::Status AddToCart(Cart& cart, const Item& item, absl::Time now) {
  const auto line = cart.find(item.product_id);
  if (line == cart.end() && cart.size() >= kCartLinesMax) return CartFull();
  const std::int64_t had = line == cart.end() ? 0 : QuantityOf(line->second);
  if (had + item.quantity > kLineQuantityMax) return LineFull(item, had);
  Append(cart[item.product_id], item.quantity, now);
  return absl::OkStatus();
}

absl::Status SetInCart(Cart& cart, const Item& item, absl::Time now) {
  const auto line = cart.find(item.product_id);
  if (line == cart.end()) return LineNotFound(item.product_id);
  const std::int64_t more = item.quantity - QuantityOf(line->second);
  if (more > 0) Append(line->second, more, now);
  if (more < 0) TakeNewest(line->second, -more);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Item>> TakeOrdered(Cart& cart, const Order& order) {
  if (!WasPaid(order.state)) return OrderNotPaid(order);
  std::vector<Item> removed;
  for (const Item& item : order.items) {
    const auto line = cart.find(item.product_id);
    if (line == cart.end()) continue;
    const std::int64_t taken = TakeOldest(line->second, item.quantity, order.create_time);
    if (taken > 0) removed.push_back({item.product_id, taken});
    if (line->second.empty()) cart.erase(line);
  }
  return removed;
}

}  // namespace unwind::order
