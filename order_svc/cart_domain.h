// Carts as a saga participant: a batch locks them, cart.h decides, each table is written once.
#ifndef UNWIND_ORDER_SVC_CART_DOMAIN_H_
#define UNWIND_ORDER_SVC_CART_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"

namespace unwind::order {

// The changing methods of shop.order.v1.CartService. `clock` must outlive the domain.
std::unique_ptr<StepDomain> NewCartDomain(const Clock& clock);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_CART_DOMAIN_H_
