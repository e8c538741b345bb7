// Notifications as a saga participant: a batch loads rows, notification.h decides, the table is written once.
#ifndef UNWIND_ORDER_SVC_NOTIFICATION_DOMAIN_H_
#define UNWIND_ORDER_SVC_NOTIFICATION_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"

namespace unwind::order {

// The changing method of shop.order.v1.NotificationService. `clock` must outlive the domain.
std::unique_ptr<StepDomain> NewNotificationDomain(const Clock& clock);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_NOTIFICATION_DOMAIN_H_
