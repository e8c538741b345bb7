// shop.order.v1.OrderService: its reads, and its table.
#ifndef UNWIND_ORDER_SVC_ORDER_SERVICE_H_
#define UNWIND_ORDER_SVC_ORDER_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::order {

// The steps are NewOrderDomain's.
ServiceTable OrderTable();

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_SERVICE_H_
