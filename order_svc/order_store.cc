#include "order_svc/order_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "soci/soci.h"

namespace unwind::order {
namespace {

constexpr char kSelectOrders[] =
    "SELECT order_id, owner, member_id, state, total_minor, currency_code, payment_id, reason, canceller, "
    "create_time_us,"
    " update_time_us, pays_later FROM orders";
constexpr char kById[] = " WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";
constexpr char kLocked[] = " ORDER BY order_id FOR UPDATE";
// One clause for each filter, so that each has its index.
constexpr char kOrdersOfMember[] = " WHERE member_id = :member AND (create_time_us, order_id) < (:time, :id)";
constexpr char kInState[] =
    " WHERE state = :state AND (state <> 1 OR pays_later = :later) AND (create_time_us, order_id) < (:time, :id)";
constexpr char kOrdersOfMemberInState[] =
    " WHERE member_id = :member AND state = :state AND (state <> 1 OR pays_later = :later)"
    " AND (create_time_us, order_id) < (:time, :id)";
constexpr char kAll[] = " WHERE (create_time_us, order_id) < (:time, :id)";
constexpr char kNewestFirst[] = " ORDER BY create_time_us DESC, order_id DESC LIMIT :limit";

constexpr char kLoadItems[] =
    "SELECT order_id, product_id, quantity, limited FROM order_items"
    " WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY order_id, line";

constexpr char kLoadLimits[] =
    "SELECT product_id FROM purchase_limits"
    " WHERE one_per_member = 1 AND product_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

constexpr char kLoadClaims[] =
    "SELECT i.member_id, i.product_id, i.order_id FROM ROWS(:wanted) AS w JOIN order_items AS i"
    " ON i.member_id = w.value ->> 0 AND i.product_id = w.value ->> 1"
    " WHERE i.limited = 1 AND i.live = 1";

constexpr char kInsertOrders[] =
    "INSERT INTO orders (order_id, owner, member_id, state, total_minor, currency_code, payment_id, reason, canceller,"
    " create_time_us, update_time_us, pays_later)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " CAST(r.value ->> 4 AS BIGINT), r.value ->> 5, r.value ->> 6, r.value ->> 7, r.value ->> 8,"
    " CAST(r.value ->> 9 AS BIGINT), CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateOrders[] =
    "UPDATE orders SET state = CAST(r.value ->> 1 AS BIGINT), total_minor = CAST(r.value ->> 2 AS BIGINT),"
    " currency_code = r.value ->> 3, payment_id = r.value ->> 4, reason = r.value ->> 5, canceller = r.value ->> 6,"
    " update_time_us = CAST(r.value ->> 7 AS BIGINT) FROM ROWS(:rows) AS r WHERE order_id = r.value ->> 0";

constexpr char kFreeItems[] =
    "UPDATE order_items SET live = 0 WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

// In the order of the claims.
constexpr char kInsertItems[] =
    "INSERT INTO order_items (order_id, line, product_id, quantity, member_id, limited, live)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE"
    " ORDER BY r.value ->> 4, r.value ->> 2 ON CONFLICT DO NOTHING RETURNING live";

constexpr char kSaveLimits[] =
    "INSERT INTO purchase_limits (product_id, one_per_member)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT (product_id) DO UPDATE SET one_per_member = excluded.one_per_member";

constexpr char kCountInProgress[] = "SELECT count(*) FROM orders WHERE state IN (1, 4)";

// A row of kSelectOrders on its way out of SOCI.
struct OrderRow {
  Order order;
  long long state = 0, total_minor = 0, create_time_us = 0, update_time_us = 0, pays_later = 0;

  // Calls `take` after each row.
  template <class Take, class... Uses>
  void Select(soci::session& session, const std::string& sql, Take take, const Uses&... uses) {
    Statement select(session, sql, uses..., soci::into(order.order_id), soci::into(order.owner),
                     soci::into(order.member_id), soci::into(state), soci::into(total_minor),
                     soci::into(order.total.currency_code), soci::into(order.payment_id), soci::into(order.reason),
                     soci::into(order.canceller), soci::into(create_time_us), soci::into(update_time_us),
                     soci::into(pays_later));
    select.Execute();
    while (select.Fetch()) take();
  }

  Order Get() {
    order.state = static_cast<State>(state);
    order.total.minor_units = total_minor;
    order.create_time = absl::FromUnixMicros(create_time_us);
    order.update_time = absl::FromUnixMicros(update_time_us);
    order.pays_later = pays_later != 0;
    return order;
  }
};

void AddItems(const Order& order, RowList& rows) {
  int line = 0;
  for (const Item& item : order.items) {
    rows.Add(order.order_id, ++line, item.product_id, item.quantity, order.member_id, item.limited ? 1 : 0,
             IsLive(order.state) ? 1 : 0);
  }
}

void LoadItems(soci::session& session, std::vector<Order>& orders) {
  std::map<std::string, Order*> by_id;
  RowList ids;
  for (Order& order : orders) {
    by_id[order.order_id] = &order;
    ids.Add(order.order_id);
  }
  const std::string param = ids.json();
  std::string order_id;
  Item item;
  long long quantity = 0, limited = 0;
  Statement select(session, kLoadItems, soci::use(param), soci::into(order_id), soci::into(item.product_id),
                   soci::into(quantity), soci::into(limited));
  select.Execute();
  while (select.Fetch()) {
    item.quantity = quantity;
    item.limited = limited != 0;
    by_id.at(order_id)->items.push_back(item);
  }
}

}  // namespace

Orders LoadOrders(soci::session& session, const std::set<std::string>& order_ids) {
  Orders orders;
  for (const std::string& id : order_ids) orders.try_emplace(id);
  if (orders.empty()) return orders;
  const std::string ids = IdRows(order_ids);
  OrderRow row;
  row.Select(
      session, absl::StrCat(kSelectOrders, kById, kLocked), [&] { orders[row.order.order_id] = row.Get(); },
      soci::use(ids));
  return orders;
}

Limits LoadLimits(soci::session& session, const std::set<std::string>& product_ids) {
  Limits limits;
  if (product_ids.empty()) return limits;
  const std::string ids = IdRows(product_ids);
  std::string product_id;
  Statement select(session, kLoadLimits, soci::use(ids), soci::into(product_id));
  select.Execute();
  while (select.Fetch()) limits.insert(product_id);
  return limits;
}

Claims LoadClaims(soci::session& session, const MemberProducts& wanted) {
  Claims claims;
  if (wanted.empty()) return claims;
  RowList rows;
  for (const auto& [member, product] : wanted) rows.Add(member, product);
  const std::string pairs = rows.json();
  std::string member_id, product_id, order_id;
  Statement select(session, kLoadClaims, soci::use(pairs), soci::into(member_id), soci::into(product_id),
                   soci::into(order_id));
  select.Execute();
  while (select.Fetch()) claims[{member_id, product_id}] = order_id;
  return claims;
}

void UpdateOrders(soci::session& session, const std::vector<const Order*>& orders) {
  RowList rows, freed;
  for (const Order* order : orders) {
    rows.Add(order->order_id, static_cast<int>(order->state), order->total.minor_units, order->total.currency_code,
             order->payment_id, order->reason, order->canceller, absl::ToUnixMicros(order->update_time));
    if (!IsLive(order->state)) freed.Add(order->order_id);
  }
  PutRows(session, kUpdateOrders, rows);
  PutRows(session, kFreeItems, freed);
}

bool InsertOrders(soci::session& session, const std::vector<const Order*>& orders) {
  RowList rows, items;
  for (const Order* order : orders) {
    rows.Add(order->order_id, order->owner, order->member_id, static_cast<int>(order->state), order->total.minor_units,
             order->total.currency_code, order->payment_id, order->reason, order->canceller,
             absl::ToUnixMicros(order->create_time), absl::ToUnixMicros(order->update_time), order->pays_later ? 1 : 0);
    AddItems(*order, items);
  }
  return InsertRows(session, kInsertOrders, rows) && InsertRows(session, kInsertItems, items);
}

void SaveLimits(soci::session& session, const std::map<std::string, bool>& one_per_member) {
  RowList rows;
  for (const auto& [product_id, limited] : one_per_member) rows.Add(product_id, limited ? 1 : 0);
  PutRows(session, kSaveLimits, rows);
}

std::int64_t CountInProgress(soci::session& session) {
  long long count = 0;
  session << kCountInProgress, soci::into(count);
  return count;
}

std::int64_t ClearOrders(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM orders", soci::into(count);
  session << "DELETE FROM order_items";
  session << "DELETE FROM orders";
  return count;
}

std::vector<Order> FindOrdersById(soci::session& session, const std::set<std::string>& order_ids) {
  std::vector<Order> found;
  if (order_ids.empty()) return found;
  const std::string ids = IdRows(order_ids);
  OrderRow row;
  row.Select(
      session, absl::StrCat(kSelectOrders, kById), [&] { found.push_back(row.Get()); }, soci::use(ids));
  LoadItems(session, found);
  return found;
}

std::optional<Order> FindOrder(soci::session& session, const std::string& order_id) {
  std::vector<Order> found = FindOrdersById(session, {order_id});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Order> FindOrders(soci::session& session, const OrderFilter& filter, const OrderPosition& after,
                              std::int64_t limit) {
  const bool by_member = !filter.member_id.empty();
  const char* where = kAll;
  if (by_member && filter.state) where = kOrdersOfMemberInState;
  if (by_member && !filter.state) where = kOrdersOfMember;
  if (!by_member && filter.state) where = kInState;
  const long long state = filter.state ? static_cast<long long>(*filter.state) : 0;
  const long long later = filter.pays_later ? 1 : 0, time = after.create_time_us, rows = limit;

  OrderRow row;
  std::vector<Order> orders;
  const std::string sql = absl::StrCat(kSelectOrders, where, kNewestFirst);
  const auto take = [&] { orders.push_back(row.Get()); };
  using soci::use;  // its result refers to temporaries: never keep one
  const std::string &member = filter.member_id, &id = after.order_id;
  if (by_member && filter.state) {
    row.Select(session, sql, take, use(member), use(state), use(later), use(time), use(id), use(rows));
  } else if (by_member) {
    row.Select(session, sql, take, use(member), use(time), use(id), use(rows));
  } else if (filter.state) {
    row.Select(session, sql, take, use(state), use(later), use(time), use(id), use(rows));
  } else {
    row.Select(session, sql, take, use(time), use(id), use(rows));
  }
  LoadItems(session, orders);
  return orders;
}

}  // namespace unwind::order
