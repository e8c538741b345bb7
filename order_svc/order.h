// Orders and the decisions over them, without I/O. PENDING -> PAID | FAILED; PAID -> CANCELLING -> CANCELLED, or back
// to PAID. Every other step is refused, and a refusal changes nothing.
#ifndef UNWIND_ORDER_SVC_ORDER_H_
#define UNWIND_ORDER_SVC_ORDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::order {

inline constexpr absl::string_view kErrorDomain = "order.shop.unwind";

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

// Whether `code` is written as a currency's, such as KRW.
bool IsCurrency(absl::string_view code);

// Stored: never renumber.
enum class State : std::uint8_t { kPending = 1, kPaid = 2, kFailed = 3, kCancelling = 4, kCancelled = 5 };

// Whether an order in this state holds its claims.
bool IsLive(State state);

// Whether an order in this state was paid once; it may be cancelled since.
bool WasPaid(State state);

struct Item {
  std::string product_id;
  std::int64_t quantity = 0;
  bool limited = false;  // one per member, when the order was made

  bool operator==(const Item&) const = default;
};

struct Order {
  std::string order_id;
  std::string owner;  // the call that made it; only its compensation rejects it
  std::string member_id;
  std::vector<Item> items;
  State state = State::kPending;
  Money total;              // from PAID on
  std::string payment_id;   // from PAID on
  std::string reason;       // why it failed, or is or was cancelled
  std::string canceller;    // the call that cancels it; only its compensation takes that back
  bool pays_later = false;  // its buyer does, himself: while it is PENDING it is shown as PAYMENT_PENDING
  absl::Time create_time;
  absl::Time update_time;

  bool operator==(const Order&) const = default;
};

// The live order of each (member, limited product).
using Claims = std::map<std::pair<std::string, std::string>, std::string>;

// The products that are one-per-member now.
using Limits = std::set<std::string>;

struct CreateCall {
  std::string order_id;
  std::string owner;
  std::string member_id;
  std::vector<Item> items;  // `limited` is set here
  bool pays_later = false;
};

struct ConfirmCall {
  Money total;
  std::string payment_id;
};

struct StartCancelCall {
  std::string owner;
  std::string member_id;
  std::string reason;
};

// `order` is the row of the call's order_id, if there is one. `claims` holds at least those of the call's member and
// items.
absl::Status Create(std::optional<Order>& order, Claims& claims, const Limits& limits, const CreateCall& call,
                    absl::Time now);

// An order that never came is nothing to undo.
absl::Status Reject(std::optional<Order>& order, Claims& claims, absl::string_view owner, absl::string_view reason,
                    absl::Time now);

absl::Status Confirm(std::optional<Order>& order, absl::string_view order_id, const ConfirmCall& call, absl::Time now);

absl::Status StartCancel(std::optional<Order>& order, absl::string_view order_id, const StartCancelCall& call,
                         absl::Time now);

absl::Status UndoCancel(std::optional<Order>& order, absl::string_view order_id, absl::string_view owner,
                        absl::Time now);

absl::Status FinishCancel(std::optional<Order>& order, Claims& claims, absl::string_view order_id, absl::Time now);

absl::Status OrderNotFound(absl::string_view order_id);

// ORDER_NOT_PAID: what follows a payment was asked of an order that is PENDING or FAILED.
absl::Status OrderNotPaid(const Order& order);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_H_
