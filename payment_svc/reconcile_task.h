// `payment_svc reconcile`: reads both books, compares them, says what differs and keeps the result for the metrics of
// those that serve.
#ifndef UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_
#define UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_

#include <cstdio>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "pg/v1/payment_gateway.grpc.pb.h"

namespace unwind::payment {

// How many differences there are; each is a line on `out`. `grace`: what is younger is not compared. `timeout`: of one
// call to the gateway.
absl::StatusOr<int> Reconcile(Connection& connection, ::pg::v1::PaymentGateway::Stub& gateway, const Clock& clock,
                              absl::Duration grace, absl::Duration timeout, std::FILE* out);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_RECONCILE_TASK_H_
