// `payment_svc reconcile`: reads the payments, the gateway's ledger and the orders, compares them, says what differs
// and keeps the result for the metrics of those that serve.
#ifndef UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_
#define UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_

#include <cstdio>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "shop/order/v1/order_service.grpc.pb.h"

namespace unwind::payment {

// With whom the payments are compared.
struct Others {
  ::pg::v1::PaymentGateway::StubInterface& gateway;
  ::shop::order::v1::OrderService::StubInterface* orders = nullptr;  // null: with no orders
  absl::Duration timeout;                                            // of one call
};

// How many differences there are; each is a line on `out`. `grace`: what is younger is not compared.
absl::StatusOr<int> Reconcile(Connection& connection, const Others& others, const Clock& clock, absl::Duration grace,
                              std::FILE* out);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_
