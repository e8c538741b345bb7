#include "order_svc/order_store.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "soci/soci.h"

namespace unwind::order {
namespace {

using Json = nlohmann::json;

constexpr char kColumns[] =
    "SELECT order_id, owner, member_id, state, total_minor, currency_code, payment_id, reason, canceller, "
    "create_time_us,"
    " update_time_us FROM orders";
constexpr char kById[] = " WHERE order_id IN (SELECT value FROM json_each(:ids))";
// One clause for each filter, so that each has its index.
constexpr char kOfMember[] = " WHERE member_id = :member AND (create_time_us, order_id) < (:time, :id)";
constexpr char kInState[] = " WHERE state = :state AND (create_time_us, order_id) < (:time, :id)";
constexpr char kOfMemberInState[] =
    " WHERE member_id = :member AND state = :state AND (create_time_us, order_id) < (:time, :id)";
constexpr char kAll[] = " WHERE (create_time_us, order_id) < (:time, :id)";
constexpr char kNewestFirst[] = " ORDER BY create_time_us DESC, order_id DESC LIMIT :limit";

constexpr char kLoadItems[] =
    "SELECT order_id, product_id, quantity, limited FROM order_items"
    " WHERE order_id IN (SELECT value FROM json_each(:ids)) ORDER BY order_id, line";

constexpr char kLoadLimits[] =
    "SELECT product_id FROM purchase_limits"
    " WHERE one_per_member = 1 AND product_id IN (SELECT value FROM json_each(:ids))";

constexpr char kLoadClaims[] =
    "SELECT i.member_id, i.product_id, i.order_id FROM json_each(:wanted) AS w JOIN order_items AS i"
    " ON i.member_id = json_extract(w.value, '$[0]') AND i.product_id = json_extract(w.value, '$[1]')"
    " WHERE i.limited = 1 AND i.live = 1";

constexpr char kSaveOrders[] =
    "INSERT INTO orders (order_id, owner, member_id, state, total_minor, currency_code, payment_id, reason, canceller,"
    " create_time_us, update_time_us)"
    " SELECT json_extract(value, '$.order_id'), json_extract(value, '$.owner'), json_extract(value, '$.member_id'),"
    " json_extract(value, '$.state'), json_extract(value, '$.total_minor'), json_extract(value, '$.currency_code'),"
    " json_extract(value, '$.payment_id'), json_extract(value, '$.reason'), json_extract(value, '$.canceller'),"
    " json_extract(value, '$.create_time_us'), json_extract(value, '$.update_time_us') FROM json_each(:rows) WHERE true"
    " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, total_minor = excluded.total_minor,"
    " currency_code = excluded.currency_code, payment_id = excluded.payment_id, reason = excluded.reason,"
    " canceller = excluded.canceller, update_time_us = excluded.update_time_us";

constexpr char kFreeItems[] = "UPDATE order_items SET live = 0 WHERE order_id IN (SELECT value FROM json_each(:ids))";

constexpr char kInsertItems[] =
    "INSERT INTO order_items (order_id, line, product_id, quantity, member_id, limited, live)"
    " SELECT json_extract(value, '$.order_id'), json_extract(value, '$.line'), json_extract(value, '$.product_id'),"
    " json_extract(value, '$.quantity'), json_extract(value, '$.member_id'), json_extract(value, '$.limited'),"
    " json_extract(value, '$.live') FROM json_each(:rows)";

constexpr char kSaveLimits[] =
    "INSERT INTO purchase_limits (product_id, one_per_member)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:rows) WHERE true"
    " ON CONFLICT (product_id) DO UPDATE SET one_per_member = excluded.one_per_member";

constexpr char kCountInProgress[] = "SELECT count(*) FROM orders WHERE state IN (1, 4)";

// Every text in it came over gRPC or from a row, so it is UTF-8; if it is not, it must not end the process.
std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// A row of kColumns on its way out of SOCI.
struct OrderRow {
  Order order;
  long long state = 0, total_minor = 0, create_time_us = 0, update_time_us = 0;

  template <class Prepared>
  void Into(Prepared& prepared) {
    prepared, soci::into(order.order_id), soci::into(order.owner), soci::into(order.member_id), soci::into(state),
        soci::into(total_minor), soci::into(order.total.currency_code), soci::into(order.payment_id),
        soci::into(order.reason), soci::into(order.canceller), soci::into(create_time_us), soci::into(update_time_us);
  }

  Order Get() {
    order.state = static_cast<State>(state);
    order.total.minor_units = total_minor;
    order.create_time = absl::FromUnixMicros(create_time_us);
    order.update_time = absl::FromUnixMicros(update_time_us);
    return order;
  }
};

Json ToJson(const Order& order) {
  return {{"order_id", order.order_id},
          {"owner", order.owner},
          {"member_id", order.member_id},
          {"state", static_cast<int>(order.state)},
          {"total_minor", order.total.minor_units},
          {"currency_code", order.total.currency_code},
          {"payment_id", order.payment_id},
          {"reason", order.reason},
          {"canceller", order.canceller},
          {"create_time_us", absl::ToUnixMicros(order.create_time)},
          {"update_time_us", absl::ToUnixMicros(order.update_time)}};
}

void AppendItems(const Order& order, Json& rows) {
  int line = 0;
  for (const Item& item : order.items) {
    rows.push_back({{"order_id", order.order_id},
                    {"line", ++line},
                    {"product_id", item.product_id},
                    {"quantity", item.quantity},
                    {"member_id", order.member_id},
                    {"limited", item.limited ? 1 : 0},
                    {"live", IsLive(order.state) ? 1 : 0}});
  }
}

void LoadItems(soci::session& session, std::vector<Order>& orders) {
  std::map<std::string, Order*> by_id;
  Json ids = Json::array();
  for (Order& order : orders) {
    by_id[order.order_id] = &order;
    ids.push_back(order.order_id);
  }
  const std::string param = Dump(ids);
  std::string order_id;
  Item item;
  long long quantity = 0, limited = 0;
  soci::statement select = (session.prepare << kLoadItems, soci::use(param), soci::into(order_id),
                            soci::into(item.product_id), soci::into(quantity), soci::into(limited));
  select.execute();
  while (select.fetch()) {
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
  const std::string ids = Dump(order_ids);
  OrderRow row;
  auto prepared = (session.prepare << kColumns << kById, soci::use(ids));
  row.Into(prepared);
  soci::statement select(prepared);
  select.execute();
  while (select.fetch()) orders[row.order.order_id] = row.Get();
  return orders;
}

Limits LoadLimits(soci::session& session, const std::set<std::string>& product_ids) {
  Limits limits;
  if (product_ids.empty()) return limits;
  const std::string ids = Dump(product_ids);
  std::string product_id;
  soci::statement select = (session.prepare << kLoadLimits, soci::use(ids), soci::into(product_id));
  select.execute();
  while (select.fetch()) limits.insert(product_id);
  return limits;
}

Claims LoadClaims(soci::session& session, const MemberProducts& wanted) {
  Claims claims;
  if (wanted.empty()) return claims;
  const std::string pairs = Dump(wanted);
  std::string member_id, product_id, order_id;
  soci::statement select = (session.prepare << kLoadClaims, soci::use(pairs), soci::into(member_id),
                            soci::into(product_id), soci::into(order_id));
  select.execute();
  while (select.fetch()) claims[{member_id, product_id}] = order_id;
  return claims;
}

void SaveOrders(soci::session& session, const std::vector<const Order*>& orders, const std::set<std::string>& created) {
  if (orders.empty()) return;
  Json rows = Json::array(), freed = Json::array(), items = Json::array();
  for (const Order* order : orders) {
    rows.push_back(ToJson(*order));
    if (created.count(order->order_id) > 0) {
      AppendItems(*order, items);
    } else if (!IsLive(order->state)) {
      freed.push_back(order->order_id);
    }
  }
  const std::string rows_param = Dump(rows), freed_param = Dump(freed), items_param = Dump(items);
  session << kSaveOrders, soci::use(rows_param);
  if (!freed.empty()) session << kFreeItems, soci::use(freed_param);
  if (!items.empty()) session << kInsertItems, soci::use(items_param);
}

void SaveLimits(soci::session& session, const std::map<std::string, bool>& one_per_member) {
  if (one_per_member.empty()) return;
  Json rows = Json::array();
  for (const auto& [product_id, limited] : one_per_member) rows.push_back({product_id, limited ? 1 : 0});
  const std::string param = Dump(rows);
  session << kSaveLimits, soci::use(param);
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

std::optional<Order> FindOrder(soci::session& session, const std::string& order_id) {
  const std::optional<Order> order = LoadOrders(session, {order_id})[order_id];
  if (!order) return std::nullopt;
  std::vector<Order> found = {*order};
  LoadItems(session, found);
  return found.front();
}

std::vector<Order> FindOrders(soci::session& session, const OrderFilter& filter, const OrderPosition& after,
                              std::int64_t limit) {
  const bool by_member = !filter.member_id.empty();
  const char* where = kAll;
  if (by_member && filter.state) where = kOfMemberInState;
  if (by_member && !filter.state) where = kOfMember;
  if (!by_member && filter.state) where = kInState;
  const long long state = filter.state ? static_cast<long long>(*filter.state) : 0;
  const long long time = after.create_time_us, rows = limit;

  OrderRow row;
  auto prepared = (session.prepare << kColumns << where << kNewestFirst);
  if (by_member) prepared, soci::use(filter.member_id);
  if (filter.state) prepared, soci::use(state);
  prepared, soci::use(time), soci::use(after.order_id), soci::use(rows);
  row.Into(prepared);
  soci::statement select(prepared);
  select.execute();
  std::vector<Order> orders;
  while (select.fetch()) orders.push_back(row.Get());
  LoadItems(session, orders);
  return orders;
}

}  // namespace unwind::order
