#include "order_svc/order.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::order {
namespace {

using Metadata = std::map<std::string, std::string>;

absl::Status Refuse(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

absl::string_view StateName(const Order& order) {
  switch (order.state) {
    case State::kPending:
      return order.pays_later ? "PAYMENT_PENDING" : "PENDING";
    case State::kPaid:
      return "PAID";
    case State::kFailed:
      return "FAILED";
    case State::kCancelling:
      return "CANCELLING";
    case State::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

// The order is in a state that the step does not start from.
absl::Status WrongState(const Order& order, absl::string_view reason, absl::string_view wanted) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("order ", order.order_id, " is ", StateName(order), "; it must be ", wanted), reason,
                {{"order_id", order.order_id}, {"state", std::string(StateName(order))}});
}

absl::Status OwnedByOther(const Order& order) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("this call may undo only what its own saga did; another changed order ", order.order_id),
                "ORDER_OWNED_BY_OTHER", {{"order_id", order.order_id}});
}

// A reason comes from afar; control characters would spoil logs and end a C string.
std::string Printable(absl::string_view text) {
  std::string printable(text);
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); },
      ' ');
  return printable;
}

void Move(Order& order, State state, absl::Time now) {
  order.state = state;
  order.update_time = now;
}

void DropClaims(Claims& claims, absl::string_view order_id) {
  for (auto claim = claims.begin(); claim != claims.end();) {
    claim = claim->second == order_id ? claims.erase(claim) : std::next(claim);
  }
}

}  // namespace

bool IsCurrency(absl::string_view code) {
  return code.size() == 3 && std::all_of(code.begin(), code.end(),
                                         [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); });
}

bool IsLive(State state) {
  switch (state) {
    case State::kPending:
    case State::kPaid:
    case State::kCancelling:
      return true;
    case State::kFailed:
    case State::kCancelled:
      return false;
  }
  return false;
}

bool WasPaid(State state) {
  switch (state) {
    case State::kPaid:
    case State::kCancelling:
    case State::kCancelled:
      return true;
    case State::kPending:
    case State::kFailed:
      return false;
  }
  return false;
}

absl::Status OrderNotPaid(const Order& order) { return WrongState(order, "ORDER_NOT_PAID", "PAID"); }

absl::Status OrderNotFound(absl::string_view order_id) {
  return Refuse(absl::StatusCode::kNotFound, absl::StrCat("there is no order ", order_id), "ORDER_NOT_FOUND",
                {{"order_id", std::string(order_id)}});
}

absl::Status Create(std::optional<Order>& order, Claims& claims, const Limits& limits, const CreateCall& call,
                    absl::Time now) {
  if (order) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("order_id ", call.order_id, " is taken; choose another"), "ORDER_ID_TAKEN",
                  {{"order_id", call.order_id}});
  }
  for (const Item& item : call.items) {
    if (limits.count(item.product_id) == 0) continue;
    const auto claim = claims.find({call.member_id, item.product_id});
    if (claim == claims.end()) continue;
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("product ", item.product_id, " is limited to one order per member, and member ",
                               call.member_id, " has order ", claim->second),
                  "ORDER_ALREADY_EXISTS", {{"blocking_order_id", claim->second}, {"product_id", item.product_id}});
  }
  order = Order{.order_id = call.order_id,
                .owner = call.owner,
                .member_id = call.member_id,
                .items = call.items,
                .state = State::kPending,
                .total = {},
                .payment_id = "",
                .reason = "",
                .canceller = "",
                .pays_later = call.pays_later,
                .create_time = now,
                .update_time = now};
  for (Item& item : order->items) {
    item.limited = limits.count(item.product_id) > 0;
    if (item.limited) claims[{call.member_id, item.product_id}] = call.order_id;
  }
  return absl::OkStatus();
}

absl::Status Reject(std::optional<Order>& order, Claims& claims, absl::string_view owner, absl::string_view reason,
                    absl::Time now) {
  if (!order) return absl::OkStatus();
  if (order->owner != owner) return OwnedByOther(*order);
  if (order->state == State::kFailed) return absl::OkStatus();
  if (order->state != State::kPending) return WrongState(*order, "ORDER_NOT_PENDING", "PENDING");
  Move(*order, State::kFailed, now);
  order->reason = Printable(reason);
  DropClaims(claims, order->order_id);
  return absl::OkStatus();
}

absl::Status Confirm(std::optional<Order>& order, absl::string_view order_id, const ConfirmCall& call, absl::Time now) {
  if (!IsCurrency(call.total.currency_code)) {
    return MakeBadRequest(kErrorDomain, {{"total.currency_code", "must be three capital letters, such as KRW"}});
  }
  if (!order) return OrderNotFound(order_id);
  if (order->state != State::kPending) return WrongState(*order, "ORDER_NOT_PENDING", "PENDING");
  Move(*order, State::kPaid, now);
  order->total = call.total;
  order->payment_id = call.payment_id;
  return absl::OkStatus();
}

absl::Status StartCancel(std::optional<Order>& order, absl::string_view order_id, const StartCancelCall& call,
                         absl::Time now) {
  // A member learns nothing of another member's orders.
  if (!order || order->member_id != call.member_id) return OrderNotFound(order_id);
  switch (order->state) {
    case State::kPending:
      return WrongState(
          *order, "ORDER_IN_PROGRESS",
          order->pays_later ? "PAID; cancel its payment, or try again once that is made" : "PAID; try again later");
    case State::kCancelling:
      return WrongState(*order, "ORDER_IN_PROGRESS", "PAID; try again later");
    case State::kFailed:
    case State::kCancelled:
      return WrongState(*order, "ORDER_NOT_CANCELLABLE", "PAID");
    case State::kPaid:
      break;
  }
  Move(*order, State::kCancelling, now);
  order->canceller = call.owner;
  order->reason = Printable(call.reason);
  return absl::OkStatus();
}

absl::Status UndoCancel(std::optional<Order>& order, absl::string_view order_id, absl::string_view owner,
                        absl::Time now) {
  if (!order) return OrderNotFound(order_id);
  if (order->state != State::kCancelling) return WrongState(*order, "ORDER_NOT_CANCELLING", "CANCELLING");
  if (order->canceller != owner) return OwnedByOther(*order);
  Move(*order, State::kPaid, now);
  order->canceller.clear();
  order->reason.clear();
  return absl::OkStatus();
}

absl::Status FinishCancel(std::optional<Order>& order, Claims& claims, absl::string_view order_id, absl::Time now) {
  if (!order) return OrderNotFound(order_id);
  if (order->state != State::kCancelling) return WrongState(*order, "ORDER_NOT_CANCELLING", "CANCELLING");
  Move(*order, State::kCancelled, now);
  DropClaims(claims, order->order_id);
  return absl::OkStatus();
}

}  // namespace unwind::order
