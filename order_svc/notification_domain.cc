#include "order_svc/notification_domain.h"

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "common/rpc/error.h"
#include "order_svc/notification.h"
#include "order_svc/notification_kind.h"
#include "order_svc/notification_store.h"
#include "shop/order/v1/notification_service.pb.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using enum barrier::Phase;

// The rows that one batch touches, as they become.
class NotificationBatch {
 public:
  NotificationBatch(soci::session& session, absl::Time now) : session_(session), now_(now) {}

  void Want(const v1::NotifyRequest& request) {
    if (const std::optional<Kind> kind = ReadKind(request.kind())) keys_.emplace(request.order_id(), *kind);
  }

  void Load() {
    notifications_ = LoadNotifications(session_, keys_);
    for (const auto& [key, notification] : notifications_) {
      if (notification) stored_.insert(key);
    }
  }

  absl::Status Notify(const CallKey&, const v1::NotifyRequest& request, v1::NotifyResponse&) {
    const std::optional<Kind> kind = ReadKind(request.kind());
    if (!kind) return MakeBadRequest(kErrorDomain, {{"kind", "must be one of Notification.Kind"}});
    return order::Notify(notifications_[{request.order_id(), *kind}],
                         {.order_id = request.order_id(),
                          .kind = *kind,
                          .member_id = request.member_id(),
                          .amount = {request.amount().minor_units(), request.amount().currency_code()},
                          .points = request.points(),
                          .product_id = request.product_id(),
                          .coupon_id = request.coupon_id(),
                          .create_time = now_});
  }

  absl::Status Save() {
    std::vector<const Notification*> created;
    for (const auto& [key, notification] : notifications_) {
      if (notification && !stored_.contains(key)) created.push_back(&*notification);
    }
    const bool first = InsertNotifications(session_, created);
    return first ? absl::OkStatus() : absl::AbortedError("another process has told the same");
  }

 private:
  soci::session& session_;
  const absl::Time now_;
  std::set<NotificationKey> keys_, stored_;
  Notifications notifications_;
};

}  // namespace

std::unique_ptr<StepDomain> NewNotificationDomain(const Clock& clock) {
  return std::make_unique<TableDomain<NotificationBatch>>(
      clock, std::vector<StepRow<NotificationBatch>>{Changes("Notify", kAction, &NotificationBatch::Notify)});
}

}  // namespace unwind::order
