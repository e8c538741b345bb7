#include "order_svc/notification_service.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/rpc/page_token.h"
#include "order_svc/notification_kind.h"
#include "order_svc/notification_store.h"
#include "order_svc/timestamp.h"
#include "shop/order/v1/notification_service.grpc.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;

void Write(const Notification& from, v1::Notification& to) {
  to.set_order_id(from.order_id);
  to.set_kind(WriteKind(from.kind));
  to.set_member_id(from.member_id);
  if (!from.amount.currency_code.empty()) {
    to.mutable_amount()->set_minor_units(from.amount.minor_units);
    to.mutable_amount()->set_currency_code(from.amount.currency_code);
  }
  to.set_points(from.points);
  to.set_product_id(from.product_id);
  to.set_coupon_id(from.coupon_id);
  WriteTime(from.create_time, *to.mutable_create_time());
}

std::vector<std::string> TokenFilters(const v1::ListNotificationsRequest& request) {
  return {"notifications", request.member_id()};
}

std::string PositionOf(const Notification& last) {
  return absl::StrCat(absl::ToUnixMicros(last.create_time), ":", last.order_id, ":", static_cast<int>(last.kind));
}

absl::StatusOr<NotificationPosition> ReadPosition(const v1::ListNotificationsRequest& request) {
  ASSIGN_OR_RETURN(const std::string position,
                   ReadPageToken(kErrorDomain, TokenFilters(request), request.page_token()));
  NotificationPosition after;
  if (position.empty()) return after;
  const std::vector<std::string> parts = absl::StrSplit(position, ':');
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &after.create_time_us) ||
      !absl::SimpleAtoi(parts[2], &after.kind)) {
    return BadPageToken(kErrorDomain);
  }
  after.order_id = parts[1];
  return after;
}

// Whose they are, the rules of the request's field have judged.
absl::Status ListNotifications(soci::session& session, const v1::ListNotificationsRequest& request,
                               v1::ListNotificationsResponse& response) {
  ASSIGN_OR_RETURN(const NotificationPosition after, ReadPosition(request));
  const std::int64_t page = PageSize(request.page_size());
  // One more tells whether there are more.
  std::vector<Notification> found = FindNotifications(session, request.member_id(), after, page + 1);
  if (static_cast<std::int64_t>(found.size()) > page) {
    found.pop_back();
    response.set_next_page_token(WritePageToken(TokenFilters(request), PositionOf(found.back())));
  }
  for (const Notification& notification : found) Write(notification, *response.add_notifications());
  return absl::OkStatus();
}

}  // namespace

ServiceTable NotificationTable() {
  return {.name = v1::NotificationService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("ListNotifications", &ListNotifications)}};
}

}  // namespace unwind::order
