// shop.order.v1.NotificationService: its read, and its table.
#ifndef UNWIND_ORDER_SVC_NOTIFICATION_SERVICE_H_
#define UNWIND_ORDER_SVC_NOTIFICATION_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::order {

// The steps are NewNotificationDomain's.
ServiceTable NotificationTable();

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_NOTIFICATION_SERVICE_H_
