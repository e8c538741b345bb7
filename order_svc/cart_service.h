// shop.order.v1.CartService: its read, and its table.
#ifndef UNWIND_ORDER_SVC_CART_SERVICE_H_
#define UNWIND_ORDER_SVC_CART_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::order {

// The steps are NewCartDomain's.
ServiceTable CartTable();

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_CART_SERVICE_H_
