#include "order_svc/order_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "order_svc/cart_store.h"
#include "order_svc/notification_store.h"
#include "order_svc/order.h"
#include "order_svc/order_store.h"
#include "shop/order/v1/order_service.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using enum barrier::Phase;

// The rows that one batch touches, as they become.
class OrderBatch {
 public:
  OrderBatch(soci::session& session, absl::Time now) : session_(session), now_(now) {}

  template <class Request>
  void Want(const Request& request) {
    order_ids_.insert(request.order_id());
  }
  void Want(const v1::CreateOrderRequest& request) {
    order_ids_.insert(request.order_id());
    for (const auto& item : request.items()) {
      product_ids_.insert(item.product_id());
      claims_wanted_.emplace(request.member_id(), item.product_id());
    }
  }
  void Want(const v1::SetPurchaseLimitRequest& request) { limits_set_.insert(request.product_id()); }
  void Want(const v1::ResetOrdersRequest&) {}

  void Load() {
    orders_ = LoadOrders(session_, order_ids_);
    for (const auto& [id, order] : orders_) {
      if (order) stored_.emplace(id, *order);
    }
    limits_ = LoadLimits(session_, product_ids_);
    // Claims are of products that are limited, or may become so within the batch.
    std::erase_if(claims_wanted_, [this](const auto& claim) {
      return limits_.count(claim.second) + limits_set_.count(claim.second) == 0;
    });
    claims_ = LoadClaims(session_, claims_wanted_);
  }

  absl::Status CreateOrder(const CallKey& key, const v1::CreateOrderRequest& request,
                           v1::CreateOrderResponse& response) {
    CreateCall call{request.order_id(), OwnerOf(key), request.member_id(), {}, request.pays_later()};
    for (const auto& item : request.items()) call.items.push_back({item.product_id(), item.quantity(), false});
    response.set_order_id(call.order_id);
    return Create(orders_[call.order_id], claims_, limits_, call, now_);
  }

  absl::Status RejectOrder(const CallKey& key, const v1::RejectOrderRequest& request, v1::RejectOrderResponse&) {
    return Reject(orders_[request.order_id()], claims_, OwnerOf(key), request.reason(), now_);
  }

  absl::Status ConfirmOrder(const CallKey&, const v1::ConfirmOrderRequest& request, v1::ConfirmOrderResponse&) {
    const ConfirmCall call{{request.total().minor_units(), request.total().currency_code()}, request.payment_id()};
    return Confirm(orders_[request.order_id()], request.order_id(), call, now_);
  }

  absl::Status StartCancel(const CallKey& key, const v1::StartCancelRequest& request,
                           v1::StartCancelResponse& response) {
    std::optional<Order>& order = orders_[request.order_id()];
    const StartCancelCall call{OwnerOf(key), request.member_id(), request.reason()};
    RETURN_IF_ERROR(order::StartCancel(order, request.order_id(), call, now_));
    response.set_payment_id(order->payment_id);
    response.mutable_total()->set_minor_units(order->total.minor_units);
    response.mutable_total()->set_currency_code(order->total.currency_code);
    return absl::OkStatus();
  }

  absl::Status UndoCancel(const CallKey& key, const v1::UndoCancelRequest& request, v1::UndoCancelResponse&) {
    return order::UndoCancel(orders_[request.order_id()], request.order_id(), OwnerOf(key), now_);
  }

  absl::Status FinishCancel(const CallKey&, const v1::FinishCancelRequest& request, v1::FinishCancelResponse&) {
    return order::FinishCancel(orders_[request.order_id()], claims_, request.order_id(), now_);
  }

  absl::Status SetPurchaseLimit(const CallKey&, const v1::SetPurchaseLimitRequest& request,
                                v1::SetPurchaseLimitResponse&) {
    limits_changed_[request.product_id()] = request.one_per_member();
    if (request.one_per_member()) {
      limits_.insert(request.product_id());
    } else {
      limits_.erase(request.product_id());
    }
    return absl::OkStatus();
  }

  absl::Status ResetOrders(const CallKey&, const v1::ResetOrdersRequest&, v1::ResetOrdersResponse& response) {
    WriteChanges();
    if (const std::int64_t count = CountInProgress(session_); count > 0) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "orders are PENDING or CANCELLING; let their sagas end before the reset",
                       {"RESET_REFUSED", std::string(kErrorDomain), {{"in_progress", absl::StrCat(count)}}});
    }
    ClearCarts(session_);
    ClearNotifications(session_);
    response.set_orders_removed(ClearOrders(session_));
    for (auto& [id, order] : orders_) order.reset();
    stored_.clear();
    claims_.clear();
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row or taken a claim") : absl::OkStatus();
  }

 private:
  void WriteChanges() {
    std::vector<const Order*> created, changed;
    for (auto& [id, order] : orders_) {
      if (!order) continue;
      const auto [stored, is_new] = stored_.try_emplace(id, *order);
      if (is_new) created.push_back(&*order);
      if (stored->second != *order) changed.push_back(&*order);
      stored->second = *order;
    }
    UpdateOrders(session_, changed);
    if (!InsertOrders(session_, created)) lost_ = true;
    SaveLimits(session_, limits_changed_);
    limits_changed_.clear();
  }

  soci::session& session_;
  const absl::Time now_;
  std::set<std::string> order_ids_, product_ids_, limits_set_;
  MemberProducts claims_wanted_;
  bool lost_ = false;
  Orders orders_;
  std::map<std::string, Order> stored_;  // as the table has them
  Limits limits_;
  std::map<std::string, bool> limits_changed_;
  Claims claims_;
};

}  // namespace

std::unique_ptr<StepDomain> NewOrderDomain(const Clock& clock) {
  return std::make_unique<TableDomain<OrderBatch>>(
      clock, std::vector<StepRow<OrderBatch>>{
                 Changes("CreateOrder", kAction, &OrderBatch::CreateOrder),
                 Changes("RejectOrder", kCompensation, &OrderBatch::RejectOrder),
                 Changes("ConfirmOrder", kAction, &OrderBatch::ConfirmOrder),
                 Changes("StartCancel", kAction, &OrderBatch::StartCancel),
                 Changes("UndoCancel", kCompensation, &OrderBatch::UndoCancel),
                 Changes("FinishCancel", kAction, &OrderBatch::FinishCancel),
                 Changes("SetPurchaseLimit", kAction, &OrderBatch::SetPurchaseLimit),
                 ForTests(Changes("ResetOrders", kAction, &OrderBatch::ResetOrders)),
             });
}

}  // namespace unwind::order
