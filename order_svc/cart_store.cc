#include "order_svc/cart_store.h"

#include <utility>
#include <vector>

#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind::order {
namespace {

// In one order, as they are locked.
constexpr char kInsertCarts[] =
    "INSERT INTO carts (member_id) SELECT r.value ->> 0 FROM ROWS(:ids) AS r WHERE TRUE ORDER BY r.value ->> 0"
    " ON CONFLICT DO NOTHING";

constexpr char kLockCarts[] =
    "SELECT member_id FROM carts WHERE member_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)"
    " ORDER BY member_id FOR UPDATE";

constexpr char kLoadAdditions[] =
    "SELECT member_id, product_id, add_time_us, quantity FROM cart_additions"
    " WHERE member_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY member_id, product_id, add_time_us";

constexpr char kDeleteLines[] =
    "DELETE FROM cart_additions WHERE (member_id, product_id) IN"
    " (SELECT r.value ->> 0, r.value ->> 1 FROM ROWS(:lines) AS r)";

constexpr char kInsertAdditions[] =
    "INSERT INTO cart_additions (member_id, product_id, add_time_us, quantity)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT)"
    " FROM ROWS(:rows) AS r";

constexpr char kLoadCleared[] =
    "SELECT order_id FROM cart_clearings WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

constexpr char kInsertCleared[] =
    "INSERT INTO cart_clearings (order_id, clear_time_us)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING clear_time_us";

// Without those of members who have nothing in it.
Carts LoadCarts(soci::session& session, const std::string& ids) {
  std::string member_id, product_id;
  long long add_time_us = 0, quantity = 0;
  Statement select(session, kLoadAdditions, soci::use(ids), soci::into(member_id), soci::into(product_id),
                   soci::into(add_time_us), soci::into(quantity));
  select.Execute();
  Carts carts;
  while (select.Fetch()) carts[member_id][product_id].push_back({absl::FromUnixMicros(add_time_us), quantity});
  return carts;
}

}  // namespace

Carts LockCarts(soci::session& session, const std::set<std::string>& member_ids) {
  if (member_ids.empty()) return {};
  const std::string ids = IdRows(member_ids);
  RunOnce(session, kInsertCarts, soci::use(ids));
  {
    std::string member_id;
    Statement lock(session, kLockCarts, soci::use(ids), soci::into(member_id));
    lock.CountRows();
  }
  Carts carts = LoadCarts(session, ids);
  for (const std::string& member_id : member_ids) carts.try_emplace(member_id);
  return carts;
}

void SaveCartLines(soci::session& session, const Carts& carts, const MemberLines& changed) {
  RowList lines, rows;
  for (const auto& [member_id, product_id] : changed) {
    lines.Add(member_id, product_id);
    const Cart& cart = carts.at(member_id);
    const auto line = cart.find(product_id);
    if (line == cart.end()) continue;
    for (const Addition& addition : line->second) {
      rows.Add(member_id, product_id, absl::ToUnixMicros(addition.time), addition.quantity);
    }
  }
  PutRows(session, kDeleteLines, lines);
  PutRows(session, kInsertAdditions, rows);
}

std::set<std::string> LoadCleared(soci::session& session, const std::set<std::string>& order_ids) {
  std::set<std::string> cleared;
  if (order_ids.empty()) return cleared;
  const std::string ids = IdRows(order_ids);
  std::string order_id;
  Statement select(session, kLoadCleared, soci::use(ids), soci::into(order_id));
  select.Execute();
  while (select.Fetch()) cleared.insert(order_id);
  return cleared;
}

bool InsertCleared(soci::session& session, const std::set<std::string>& order_ids, absl::Time now) {
  RowList rows;
  for (const std::string& order_id : order_ids) rows.Add(order_id, absl::ToUnixMicros(now));
  return InsertRows(session, kInsertCleared, rows);
}

void ClearCarts(soci::session& session) {
  session << "DELETE FROM cart_clearings";
  session << "DELETE FROM cart_additions";
}

Cart FindCart(soci::session& session, const std::string& member_id) {
  Carts carts = LoadCarts(session, IdRows(std::vector{member_id}));
  return std::move(carts[member_id]);
}

}  // namespace unwind::order
