#include "order_svc/order_service.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"
#include "order_svc/order_store.h"
#include "order_svc/timestamp.h"
#include "shop/order/v1/order_service.grpc.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;

v1::Order::State StateOf(const Order& order) {
  switch (order.state) {
    case State::kPending:
      return order.pays_later ? v1::Order::STATE_PAYMENT_PENDING : v1::Order::STATE_PENDING;
    case State::kPaid:
      return v1::Order::STATE_PAID;
    case State::kFailed:
      return v1::Order::STATE_FAILED;
    case State::kCancelling:
      return v1::Order::STATE_CANCELLING;
    case State::kCancelled:
      return v1::Order::STATE_CANCELLED;
  }
  return v1::Order::STATE_UNSPECIFIED;
}

void Write(const Order& from, v1::Order& to) {
  to.set_order_id(from.order_id);
  to.set_member_id(from.member_id);
  for (const Item& item : from.items) {
    auto* line = to.add_items();
    line->set_product_id(item.product_id);
    line->set_quantity(static_cast<std::int32_t>(item.quantity));
  }
  to.set_state(StateOf(from));
  if (!from.payment_id.empty()) {
    to.mutable_total()->set_minor_units(from.total.minor_units);
    to.mutable_total()->set_currency_code(from.total.currency_code);
  }
  to.set_payment_id(from.payment_id);
  if (!IsLive(from.state)) to.set_reason(from.reason);
  WriteTime(from.create_time, *to.mutable_create_time());
  WriteTime(from.update_time, *to.mutable_update_time());
}

// The filter of a list; a state that this program does not know is refused.
absl::StatusOr<OrderFilter> ReadFilter(const v1::ListOrdersRequest& request) {
  OrderFilter filter{.member_id = request.member_id(), .state = std::nullopt};
  switch (request.state()) {
    case v1::Order::STATE_UNSPECIFIED:
      return filter;
    case v1::Order::STATE_PENDING:
      filter.state = State::kPending;
      return filter;
    case v1::Order::STATE_PAYMENT_PENDING:
      filter.state = State::kPending;
      filter.pays_later = true;
      return filter;
    case v1::Order::STATE_PAID:
      filter.state = State::kPaid;
      return filter;
    case v1::Order::STATE_FAILED:
      filter.state = State::kFailed;
      return filter;
    case v1::Order::STATE_CANCELLING:
      filter.state = State::kCancelling;
      return filter;
    case v1::Order::STATE_CANCELLED:
      filter.state = State::kCancelled;
      return filter;
    case v1::Order_State_Order_State_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Order_State_Order_State_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return MakeBadRequest(kErrorDomain, {{"state", "must be one of Order.State"}});
}

std::vector<std::string> TokenFilters(const v1::ListOrdersRequest& request) {
  return {"orders", request.member_id(), absl::StrCat(static_cast<int>(request.state()))};
}

absl::StatusOr<OrderPosition> ReadPosition(const v1::ListOrdersRequest& request) {
  ASSIGN_OR_RETURN(const std::string position,
                   ReadPageToken(kErrorDomain, TokenFilters(request), request.page_token()));
  OrderPosition after;
  if (position.empty()) return after;
  const std::vector<std::string> parts = absl::StrSplit(position, ':');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &after.create_time_us)) return BadPageToken(kErrorDomain);
  after.order_id = parts[1];
  return after;
}

absl::Status ListOrders(soci::session& session, const v1::ListOrdersRequest& request,
                        v1::ListOrdersResponse& response) {
  ASSIGN_OR_RETURN(const OrderFilter filter, ReadFilter(request));
  ASSIGN_OR_RETURN(const OrderPosition after, ReadPosition(request));
  const std::int64_t page = PageSize(request.page_size());
  std::vector<Order> orders = FindOrders(session, filter, after, page + 1);  // one more tells whether there are more
  if (static_cast<std::int64_t>(orders.size()) > page) {
    orders.pop_back();
    const Order& last = orders.back();
    response.set_next_page_token(
        WritePageToken(TokenFilters(request), absl::StrCat(absl::ToUnixMicros(last.create_time), ":", last.order_id)));
  }
  for (const Order& order : orders) Write(order, *response.add_orders());
  return absl::OkStatus();
}

absl::Status GetOrder(soci::session& session, const Principal& principal, const v1::GetOrderRequest& request,
                      v1::Order& response) {
  const std::optional<Order> order = FindOrder(session, request.order_id());
  if (!order || !MayRead(principal, order->member_id)) return OrderNotFound(request.order_id());
  Write(*order, response);
  return absl::OkStatus();
}

}  // namespace

ServiceTable OrderTable() {
  return {.name = v1::OrderService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("GetOrder", &GetOrder), Reads("ListOrders", &ListOrders)}};
}

}  // namespace unwind::order
