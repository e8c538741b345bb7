#include "order_svc/order_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/participant/serve.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_store.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using barrier::Phase;

void Write(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

v1::Order::State StateOf(State state) {
  switch (state) {
    case State::kPending:
      return v1::Order::STATE_PENDING;
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
  to.set_state(StateOf(from.state));
  if (!from.payment_id.empty()) {
    to.mutable_total()->set_minor_units(from.total.minor_units);
    to.mutable_total()->set_currency_code(from.total.currency_code);
  }
  to.set_payment_id(from.payment_id);
  if (!IsLive(from.state)) to.set_reason(from.reason);
  Write(from.create_time, *to.mutable_create_time());
  Write(from.update_time, *to.mutable_update_time());
}

// The filter of a list; a state that this program does not know is refused.
absl::StatusOr<OrderFilter> ReadFilter(const v1::ListOrdersRequest& request) {
  OrderFilter filter{request.member_id(), std::nullopt};
  switch (request.state()) {
    case v1::Order::STATE_UNSPECIFIED:
      return filter;
    case v1::Order::STATE_PENDING:
      filter.state = State::kPending;
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

absl::Status List(soci::session& session, const v1::ListOrdersRequest& request, v1::ListOrdersResponse& response) {
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

}  // namespace

grpc::ServerUnaryReactor* OrderService::CreateOrder(grpc::CallbackServerContext* context,
                                                    const v1::CreateOrderRequest* request,
                                                    v1::CreateOrderResponse* response) {
  return ServeStep(participant_, context, request, response, kCreate, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::RejectOrder(grpc::CallbackServerContext* context,
                                                    const v1::RejectOrderRequest* request,
                                                    v1::RejectOrderResponse* response) {
  return ServeStep(participant_, context, request, response, kReject, Phase::kCompensation, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::ConfirmOrder(grpc::CallbackServerContext* context,
                                                     const v1::ConfirmOrderRequest* request,
                                                     v1::ConfirmOrderResponse* response) {
  return ServeStep(participant_, context, request, response, kConfirm, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::StartCancel(grpc::CallbackServerContext* context,
                                                    const v1::StartCancelRequest* request,
                                                    v1::StartCancelResponse* response) {
  return ServeStep(participant_, context, request, response, kStartCancel, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::UndoCancel(grpc::CallbackServerContext* context,
                                                   const v1::UndoCancelRequest* request,
                                                   v1::UndoCancelResponse* response) {
  return ServeStep(participant_, context, request, response, kUndoCancel, Phase::kCompensation, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::FinishCancel(grpc::CallbackServerContext* context,
                                                     const v1::FinishCancelRequest* request,
                                                     v1::FinishCancelResponse* response) {
  return ServeStep(participant_, context, request, response, kFinishCancel, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::GetOrder(grpc::CallbackServerContext* context,
                                                 const v1::GetOrderRequest* request, v1::GetOrderResponse* response) {
  return ServeRead(reader_, context, request, response, kErrorDomain, [request, response](soci::session& session) {
    const std::optional<Order> order = FindOrder(session, request->order_id());
    if (!order) return OrderNotFound(request->order_id());
    Write(*order, *response->mutable_order());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OrderService::ListOrders(grpc::CallbackServerContext* context,
                                                   const v1::ListOrdersRequest* request,
                                                   v1::ListOrdersResponse* response) {
  return ServeRead(reader_, context, request, response, kErrorDomain,
                   [request, response](soci::session& session) { return List(session, *request, *response); });
}

grpc::ServerUnaryReactor* OrderService::SetPurchaseLimit(grpc::CallbackServerContext* context,
                                                         const v1::SetPurchaseLimitRequest* request,
                                                         v1::SetPurchaseLimitResponse* response) {
  return ServeStep(participant_, context, request, response, kSetPurchaseLimit, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* OrderService::ResetOrders(grpc::CallbackServerContext* context,
                                                    const v1::ResetOrdersRequest* request,
                                                    v1::ResetOrdersResponse* response) {
  if (enable_reset_) {
    return ServeStep(participant_, context, request, response, kReset, Phase::kAction, kErrorDomain);
  }
  return Serve(context, request, response, kErrorDomain, [](unwind::Done done) {
    std::move(done)(MakeError(absl::StatusCode::kPermissionDenied, "orders are reset only under --enable_reset",
                              {"RESET_DISABLED", std::string(kErrorDomain), {}}));
  });
}

}  // namespace unwind::order
