#include "order_svc/order_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "order_svc/order.h"
#include "order_svc/order_store.h"
#include "shop/order/v1/order_service.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;

template <class Request>
const Request& As(const Command& command) {
  return dynamic_cast<const Request&>(*command.request);
}

std::string OrderIdOf(const Command& command) {
  switch (static_cast<Method>(command.method)) {
    case kCreate:
      return As<v1::CreateOrderRequest>(command).order_id();
    case kReject:
      return As<v1::RejectOrderRequest>(command).order_id();
    case kConfirm:
      return As<v1::ConfirmOrderRequest>(command).order_id();
    case kStartCancel:
      return As<v1::StartCancelRequest>(command).order_id();
    case kUndoCancel:
      return As<v1::UndoCancelRequest>(command).order_id();
    case kFinishCancel:
      return As<v1::FinishCancelRequest>(command).order_id();
    case kSetPurchaseLimit:
    case kReset:
      return "";
  }
  return "";
}

CreateCall ReadCreate(const Command& command) {
  const auto& request = As<v1::CreateOrderRequest>(command);
  CreateCall call{request.order_id(), OwnerOf(command.key), request.member_id(), {}};
  for (const auto& item : request.items()) call.items.push_back({item.product_id(), item.quantity(), false});
  return call;
}

template <class Response>
Answer OkOr(absl::Status status) {
  if (!status.ok()) return Refused{std::move(status)};
  return Ok{std::make_unique<Response>()};
}

// The rows that one batch touches, as they become.
class Batch {
 public:
  Batch(soci::session& session, const std::vector<Command*>& commands, absl::Time now) : session_(session), now_(now) {
    std::set<std::string> order_ids, product_ids, limits_set;
    for (const Command* command : commands) {
      if (std::string id = OrderIdOf(*command); !id.empty()) order_ids.insert(std::move(id));
      if (command->method == kSetPurchaseLimit)
        limits_set.insert(As<v1::SetPurchaseLimitRequest>(*command).product_id());
      if (command->method != kCreate) continue;
      for (const auto& item : As<v1::CreateOrderRequest>(*command).items()) product_ids.insert(item.product_id());
    }
    orders_ = LoadOrders(session, order_ids);
    for (const auto& [id, order] : orders_) {
      if (order) stored_.emplace(id, *order);
    }
    limits_ = LoadLimits(session, product_ids);
    claims_ = LoadClaims(session, ClaimsOf(commands, limits_set));
  }

  Answer Decide(const Command& command) {
    switch (static_cast<Method>(command.method)) {
      case kCreate: {
        const CreateCall call = ReadCreate(command);
        if (absl::Status status = Create(orders_[call.order_id], claims_, limits_, call, now_); !status.ok()) {
          return Refused{std::move(status)};
        }
        auto response = std::make_unique<v1::CreateOrderResponse>();
        response->set_order_id(call.order_id);
        return Ok{std::move(response)};
      }
      case kReject: {
        const auto& request = As<v1::RejectOrderRequest>(command);
        return OkOr<v1::RejectOrderResponse>(
            Reject(orders_[request.order_id()], claims_, OwnerOf(command.key), request.reason(), now_));
      }
      case kConfirm: {
        const auto& request = As<v1::ConfirmOrderRequest>(command);
        const ConfirmCall call{{request.total().minor_units(), request.total().currency_code()}, request.payment_id()};
        return OkOr<v1::ConfirmOrderResponse>(Confirm(orders_[request.order_id()], request.order_id(), call, now_));
      }
      case kStartCancel:
        return DecideStartCancel(command);
      case kUndoCancel: {
        const std::string& id = As<v1::UndoCancelRequest>(command).order_id();
        return OkOr<v1::UndoCancelResponse>(UndoCancel(orders_[id], id, OwnerOf(command.key), now_));
      }
      case kFinishCancel: {
        const std::string& id = As<v1::FinishCancelRequest>(command).order_id();
        return OkOr<v1::FinishCancelResponse>(FinishCancel(orders_[id], claims_, id, now_));
      }
      case kSetPurchaseLimit:
        return DecideLimit(As<v1::SetPurchaseLimitRequest>(command));
      case kReset:
        return Reset();
    }
    return Unknown{absl::InternalError("no such method")};
  }

  // Writes what has changed.
  void Save() {
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

  // Another process has inserted the same row, or taken a claim, meanwhile: the batch is to be run again, and then sees
  // it.
  absl::Status status() const {
    return lost_ ? absl::AbortedError("another process has inserted the same row or taken a claim") : absl::OkStatus();
  }

 private:
  // The claims that a Create of this batch may meet: those of products that are limited, or may become so within the
  // batch.
  MemberProducts ClaimsOf(const std::vector<Command*>& commands, const std::set<std::string>& limits_set) const {
    MemberProducts wanted;
    for (const Command* command : commands) {
      if (command->method != kCreate) continue;
      const auto& request = As<v1::CreateOrderRequest>(*command);
      for (const auto& item : request.items()) {
        const std::string& product = item.product_id();
        if (limits_.count(product) + limits_set.count(product) > 0) wanted.insert({request.member_id(), product});
      }
    }
    return wanted;
  }

  Answer DecideStartCancel(const Command& command) {
    const auto& request = As<v1::StartCancelRequest>(command);
    std::optional<Order>& order = orders_[request.order_id()];
    const StartCancelCall call{OwnerOf(command.key), request.member_id(), request.reason()};
    if (absl::Status status = StartCancel(order, request.order_id(), call, now_); !status.ok()) {
      return Refused{std::move(status)};
    }
    auto response = std::make_unique<v1::StartCancelResponse>();
    response->set_payment_id(order->payment_id);
    response->mutable_total()->set_minor_units(order->total.minor_units);
    response->mutable_total()->set_currency_code(order->total.currency_code);
    return Ok{std::move(response)};
  }

  Answer DecideLimit(const v1::SetPurchaseLimitRequest& request) {
    limits_changed_[request.product_id()] = request.one_per_member();
    if (request.one_per_member()) {
      limits_.insert(request.product_id());
    } else {
      limits_.erase(request.product_id());
    }
    return Ok{std::make_unique<v1::SetPurchaseLimitResponse>()};
  }

  Answer Reset() {
    Save();
    if (const std::int64_t count = CountInProgress(session_); count > 0) {
      return Refused{MakeError(absl::StatusCode::kFailedPrecondition,
                               "orders are PENDING or CANCELLING; let their sagas end before the reset",
                               {"RESET_REFUSED", std::string(kErrorDomain), {{"in_progress", absl::StrCat(count)}}})};
    }
    auto response = std::make_unique<v1::ResetOrdersResponse>();
    response->set_orders_removed(ClearOrders(session_));
    for (auto& [id, order] : orders_) order.reset();
    stored_.clear();
    claims_.clear();
    return Ok{std::move(response)};
  }

  soci::session& session_;
  const absl::Time now_;
  bool lost_ = false;
  Orders orders_;
  std::map<std::string, Order> stored_;  // as the table has them
  Limits limits_;
  std::map<std::string, bool> limits_changed_;
  Claims claims_;
};

}  // namespace

absl::Status OrderDomain::Apply(soci::session& session, const std::vector<Command*>& commands) {
  Batch batch(session, commands, clock_.Now());
  for (Command* command : commands) command->answer = batch.Decide(*command);
  batch.Save();
  return batch.status();
}

}  // namespace unwind::order
