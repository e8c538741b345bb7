// The rows of notifications. Every function runs inside the caller's transaction and lets soci_error pass.
#ifndef UNWIND_ORDER_SVC_NOTIFICATION_STORE_H_
#define UNWIND_ORDER_SVC_NOTIFICATION_STORE_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "order_svc/notification.h"
#include "soci/session.h"

namespace unwind::order {

// By order and kind. One that was asked for and has no row is there without a value.
using NotificationKey = std::pair<std::string, Kind>;
using Notifications = std::map<NotificationKey, std::optional<Notification>>;

Notifications LoadNotifications(soci::session& session, const std::set<NotificationKey>& keys);

// False: another process has inserted one of them meanwhile; roll back.
bool InsertNotifications(soci::session& session, const std::vector<const Notification*>& notifications);

// Removes all.
void ClearNotifications(soci::session& session);

// Where a page begins: after this one, in the order of the list.
struct NotificationPosition {
  std::int64_t create_time_us = std::numeric_limits<std::int64_t>::max();
  std::string order_id;
  std::int64_t kind = 0;
};

// At most `limit` of a member's, newest first.
std::vector<Notification> FindNotifications(soci::session& session, const std::string& member_id,
                                            const NotificationPosition& after, std::int64_t limit);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_NOTIFICATION_STORE_H_
