#include "order_svc/cart_domain.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "order_svc/cart.h"
#include "order_svc/cart_store.h"
#include "order_svc/order_store.h"
#include "shop/order/v1/cart_service.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using enum barrier::Phase;

// The carts that one batch touches, as they become.
class CartBatch {
 public:
  // In microseconds, as rows have it: else two additions that differ in memory would be one row.
  CartBatch(soci::session& session, absl::Time now)
      : session_(session), now_(absl::FromUnixMicros(absl::ToUnixMicros(now))) {}

  template <class Request>
  void Want(const Request& request) {
    member_ids_.insert(request.member_id());
  }
  void Want(const v1::ClearOrderedRequest& request) { order_ids_.insert(request.order_id()); }

  // What was cleared is known only once the buyers' carts are locked.
  void Load() {
    for (Order& order : FindOrdersById(session_, order_ids_)) {
      member_ids_.insert(order.member_id);
      orders_.emplace(order.order_id, std::move(order));
    }
    carts_ = LockCarts(session_, member_ids_);
    cleared_ = LoadCleared(session_, order_ids_);
  }

  absl::Status AddItem(const CallKey&, const v1::AddItemRequest& request, v1::AddItemResponse& response) {
    Cart& cart = carts_[request.member_id()];
    RETURN_IF_ERROR(AddToCart(cart, {request.product_id(), request.quantity()}, now_));
    changed_.emplace(request.member_id(), request.product_id());
    response.set_quantity(static_cast<std::int32_t>(QuantityOf(cart.at(request.product_id()))));
    return absl::OkStatus();
  }

  absl::Status ChangeItem(const CallKey&, const v1::ChangeItemRequest& request, v1::ChangeItemResponse&) {
    RETURN_IF_ERROR(SetInCart(carts_[request.member_id()], {request.product_id(), request.quantity()}, now_));
    changed_.emplace(request.member_id(), request.product_id());
    return absl::OkStatus();
  }

  absl::Status RemoveItem(const CallKey&, const v1::RemoveItemRequest& request, v1::RemoveItemResponse&) {
    if (carts_[request.member_id()].erase(request.product_id()) > 0) {
      changed_.emplace(request.member_id(), request.product_id());
    }
    return absl::OkStatus();
  }

  absl::Status ClearOrdered(const CallKey&, const v1::ClearOrderedRequest& request,
                            v1::ClearOrderedResponse& response) {
    const auto order = orders_.find(request.order_id());
    if (order == orders_.end() || cleared_.contains(request.order_id())) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<Item> removed, TakeOrdered(carts_[order->second.member_id], order->second));
    for (const Item& item : removed) {
      changed_.emplace(order->second.member_id, item.product_id);
      auto* line = response.add_removed();
      line->set_product_id(item.product_id);
      line->set_quantity(static_cast<std::int32_t>(item.quantity));
    }
    cleared_.insert(request.order_id());
    newly_cleared_.insert(request.order_id());
    return absl::OkStatus();
  }

  absl::Status Save() {
    SaveCartLines(session_, carts_, changed_);
    const bool first = InsertCleared(session_, newly_cleared_, now_);
    return first ? absl::OkStatus() : absl::AbortedError("another process has cleared the same order");
  }

 private:
  soci::session& session_;
  const absl::Time now_;
  std::set<std::string> member_ids_, order_ids_;
  std::map<std::string, Order> orders_;
  Carts carts_;
  MemberLines changed_;
  std::set<std::string> cleared_, newly_cleared_;
};

}  // namespace

std::unique_ptr<StepDomain> NewCartDomain(const Clock& clock) {
  return std::make_unique<TableDomain<CartBatch>>(clock, std::vector<StepRow<CartBatch>>{
                                                             Changes("AddItem", kAction, &CartBatch::AddItem),
                                                             Changes("ChangeItem", kAction, &CartBatch::ChangeItem),
                                                             Changes("RemoveItem", kAction, &CartBatch::RemoveItem),
                                                             Changes("ClearOrdered", kAction, &CartBatch::ClearOrdered),
                                                         });
}

}  // namespace unwind::order
