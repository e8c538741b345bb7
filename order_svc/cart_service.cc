#include "order_svc/cart_service.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "order_svc/cart_store.h"
#include "order_svc/timestamp.h"
#include "shop/order/v1/cart_service.grpc.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;

// Whose it is, the rules of the request's field have judged.
absl::Status ListCart(soci::session& session, const v1::ListCartRequest& request, v1::ListCartResponse& response) {
  const Cart cart = FindCart(session, request.member_id());
  std::vector<Cart::const_iterator> lines;
  for (auto line = cart.begin(); line != cart.end(); ++line) lines.push_back(line);
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a->second.front().time < b->second.front().time; });
  for (const auto& line : lines) {
    auto* to = response.add_lines();
    to->set_product_id(line->first);
    to->set_quantity(static_cast<std::int32_t>(QuantityOf(line->second)));
    WriteTime(line->second.front().time, *to->mutable_add_time());
  }
  return absl::OkStatus();
}

}  // namespace

ServiceTable CartTable() {
  return {.name = v1::CartService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("ListCart", &ListCart)}};
}

}  // namespace unwind::order
