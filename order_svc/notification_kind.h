// A kind of notification, as the proto says it and as rows have it.
#ifndef UNWIND_ORDER_SVC_NOTIFICATION_KIND_H_
#define UNWIND_ORDER_SVC_NOTIFICATION_KIND_H_

#include <optional>

#include "order_svc/notification.h"
#include "shop/order/v1/notification_service.pb.h"

namespace unwind::order {

// None: it is UNSPECIFIED, or a kind that this program does not know.
std::optional<Kind> ReadKind(::shop::order::v1::Notification::Kind kind);

::shop::order::v1::Notification::Kind WriteKind(Kind kind);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_NOTIFICATION_KIND_H_
