#include "order_svc/notification.h"

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::order {
namespace {

bool SaysTheSame(const Notification& told, Notification notification) {
  notification.create_time = told.create_time;
  return told == notification;
}

}  // namespace

absl::Status Notify(std::optional<Notification>& told, const Notification& notification) {
  const Money& amount = notification.amount;
  if (amount != Money() && !IsCurrency(amount.currency_code)) {
    return MakeBadRequest(kErrorDomain, {{"amount.currency_code", "must be three capital letters, such as KRW"}});
  }
  if (!told) {
    told = notification;
    return absl::OkStatus();
  }
  if (SaysTheSame(*told, notification)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("of order ", told->order_id, " something else was told of this kind, and it stands"),
                   {"NOTIFICATION_EXISTS", std::string(kErrorDomain), {{"order_id", told->order_id}}});
}

}  // namespace unwind::order
