#include "order_svc/notification_store.h"

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind::order {
namespace {

constexpr char kSelectNotifications[] =
    "SELECT order_id, kind, member_id, amount_minor, currency_code, points, product_id, coupon_id, create_time_us"
    " FROM notifications";
constexpr char kByKey[] =
    " WHERE (order_id, kind) IN (SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT) FROM ROWS(:keys) AS r)";
constexpr char kNotificationsOfMember[] =
    " WHERE member_id = :member AND (create_time_us, order_id, kind) < (:time, :id, :kind)"
    " ORDER BY create_time_us DESC, order_id DESC, kind DESC LIMIT :limit";

// In the order of the primary key.
constexpr char kInsert[] =
    "INSERT INTO notifications (order_id, kind, member_id, amount_minor, currency_code, points, product_id, coupon_id,"
    " create_time_us)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, CAST(r.value ->> 5 AS BIGINT), r.value ->> 6, r.value ->> 7, CAST(r.value ->> 8 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ORDER BY r.value ->> 0, CAST(r.value ->> 1 AS BIGINT)"
    " ON CONFLICT DO NOTHING RETURNING kind";

// A row of kSelectNotifications on its way out of SOCI.
struct NotificationRow {
  Notification notification;
  long long kind = 0, amount_minor = 0, points = 0, create_time_us = 0;

  // Calls `take` after each row.
  template <class Take, class... Uses>
  void Select(soci::session& session, const std::string& sql, Take take, const Uses&... uses) {
    Statement select(
        session, sql, uses..., soci::into(notification.order_id), soci::into(kind), soci::into(notification.member_id),
        soci::into(amount_minor), soci::into(notification.amount.currency_code), soci::into(points),
        soci::into(notification.product_id), soci::into(notification.coupon_id), soci::into(create_time_us));
    select.Execute();
    while (select.Fetch()) take();
  }

  Notification Get() {
    notification.kind = static_cast<Kind>(kind);
    notification.amount.minor_units = amount_minor;
    notification.points = points;
    notification.create_time = absl::FromUnixMicros(create_time_us);
    return notification;
  }
};

}  // namespace

Notifications LoadNotifications(soci::session& session, const std::set<NotificationKey>& keys) {
  Notifications notifications;
  if (keys.empty()) return notifications;
  RowList rows;
  for (const auto& [order_id, kind] : keys) {
    rows.Add(order_id, static_cast<int>(kind));
    notifications.try_emplace({order_id, kind});
  }
  const std::string param = rows.json();
  NotificationRow row;
  row.Select(
      session, absl::StrCat(kSelectNotifications, kByKey),
      [&] {
        const Notification found = row.Get();
        notifications[{found.order_id, found.kind}] = found;
      },
      soci::use(param));
  return notifications;
}

bool InsertNotifications(soci::session& session, const std::vector<const Notification*>& notifications) {
  RowList rows;
  for (const Notification* each : notifications) {
    rows.Add(each->order_id, static_cast<int>(each->kind), each->member_id, each->amount.minor_units,
             each->amount.currency_code, each->points, each->product_id, each->coupon_id,
             absl::ToUnixMicros(each->create_time));
  }
  return InsertRows(session, kInsert, rows);
}

void ClearNotifications(soci::session& session) { session << "DELETE FROM notifications"; }

std::vector<Notification> FindNotifications(soci::session& session, const std::string& member_id,
                                            const NotificationPosition& after, std::int64_t limit) {
  const long long time = after.create_time_us, kind = after.kind, rows = limit;
  NotificationRow row;
  std::vector<Notification> found;
  row.Select(
      session, absl::StrCat(kSelectNotifications, kNotificationsOfMember), [&] { found.push_back(row.Get()); },
      soci::use(member_id), soci::use(time), soci::use(after.order_id), soci::use(kind), soci::use(rows));
  return found;
}

}  // namespace unwind::order
