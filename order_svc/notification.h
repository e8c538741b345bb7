// What members are told of their orders, and the decision over it, without I/O.
#ifndef UNWIND_ORDER_SVC_NOTIFICATION_H_
#define UNWIND_ORDER_SVC_NOTIFICATION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "order_svc/order.h"

namespace unwind::order {

// Stored: never renumber.
enum class Kind : std::uint8_t {
  kOrderPaid = 1,
  kOrderCancelled = 2,
  kPaymentExpired = 3,
  kPointsEarned = 4,
  kPointsTakenBack = 5,
  kSoldOutApology = 6,
};

// An order has at most one of each kind. Of the parameters those count that the kind speaks of; the others are empty.
struct Notification {
  std::string order_id;
  Kind kind = Kind::kOrderPaid;
  std::string member_id;
  Money amount;  // without a currency: none
  std::int64_t points = 0;
  std::string product_id;
  std::string coupon_id;
  absl::Time create_time;

  bool operator==(const Notification&) const = default;
};

// `told` is the row of the order and kind, if there is one. What was told stands: the same again is OK and changes
// nothing, something else is NOTIFICATION_EXISTS.
absl::Status Notify(std::optional<Notification>& told, const Notification& notification);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_NOTIFICATION_H_
