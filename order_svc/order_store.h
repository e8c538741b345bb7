// The rows of orders, their items and purchase limits. Every function runs inside the caller's transaction and lets
// soci_error pass.
#ifndef UNWIND_ORDER_SVC_ORDER_STORE_H_
#define UNWIND_ORDER_SVC_ORDER_STORE_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/db/statement.h"
#include "order_svc/order.h"
#include "soci/session.h"

namespace unwind::order {

// By id. An id that was asked for and has no row is there without a value.
using Orders = std::map<std::string, std::optional<Order>>;
using MemberProducts = std::set<std::pair<std::string, std::string>>;

// To be written. Without the items: no decision reads those of an order that exists.
Orders LoadOrders(soci::session& session, const std::set<std::string>& order_ids);

// Those of `product_ids` that are one-per-member.
Limits LoadLimits(soci::session& session, const std::set<std::string>& product_ids);

Claims LoadClaims(soci::session& session, const MemberProducts& wanted);

// Frees the claims of those that are not live any more: before InsertOrders takes new ones.
void UpdateOrders(soci::session& session, const std::vector<const Order*>& orders);

// With their items. False: another process has inserted one of them, or taken a claim, meanwhile; roll back.
bool InsertOrders(soci::session& session, const std::vector<const Order*>& orders);

void SaveLimits(soci::session& session, const std::map<std::string, bool>& one_per_member);

// Orders that are PENDING or CANCELLING.
std::int64_t CountInProgress(soci::session& session);

// Removes all orders and says how many there were.
std::int64_t ClearOrders(soci::session& session);

// Those that are there, with their items.
std::vector<Order> FindOrdersById(soci::session& session, const std::set<std::string>& order_ids);

// With its items.
std::optional<Order> FindOrder(soci::session& session, const std::string& order_id);

struct OrderFilter {
  std::string member_id;       // empty: all
  std::optional<State> state;  // none: all
  bool pays_later = false;     // of those that are PENDING: only who does, or only who does not
};

// Where a page begins: after this one, in the order of the list.
struct OrderPosition {
  std::int64_t create_time_us = std::numeric_limits<std::int64_t>::max();
  std::string order_id;
};

// At most `limit`, newest first, with their items.
std::vector<Order> FindOrders(soci::session& session, const OrderFilter& filter, const OrderPosition& after,
                              std::int64_t limit);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_STORE_H_
