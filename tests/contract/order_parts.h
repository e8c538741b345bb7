// order_svc with all that it serves, as its main puts it together.
#ifndef UNWIND_TESTS_CONTRACT_ORDER_PARTS_H_
#define UNWIND_TESTS_CONTRACT_ORDER_PARTS_H_

#include <string>

#include "order_svc/cart_domain.h"
#include "order_svc/cart_service.h"
#include "order_svc/notification_domain.h"
#include "order_svc/notification_service.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"
#include "shop/order/v1/order_service.grpc.pb.h"
#include "tests/contract/service_harness.h"

extern const unwind::Migrations kOrderMigrations;

namespace unwind::order {

template <class ProtoService>
class OrderProcess : public ServiceProcess<ProtoService> {
 public:
  OrderProcess()
      : ServiceProcess<ProtoService>(kOrderMigrations, {{NewOrderDomain, OrderTable()},
                                                        {NewCartDomain, CartTable()},
                                                        {NewNotificationDomain, NotificationTable()}}) {}

  ::shop::order::v1::OrderService::Stub Orders() { return ::shop::order::v1::OrderService::Stub(this->channel()); }
};

}  // namespace unwind::order

#endif  // UNWIND_TESTS_CONTRACT_ORDER_PARTS_H_
