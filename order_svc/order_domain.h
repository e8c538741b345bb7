// Orders as a saga participant: a batch loads rows, order.h decides, each table is written once.
#ifndef UNWIND_ORDER_SVC_ORDER_DOMAIN_H_
#define UNWIND_ORDER_SVC_ORDER_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"

namespace unwind::order {

// The changing methods of shop.order.v1.OrderService. `clock` must outlive the domain.
std::unique_ptr<StepDomain> NewOrderDomain(const Clock& clock);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_DOMAIN_H_
