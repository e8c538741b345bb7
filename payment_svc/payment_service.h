// shop.payment.v1.PaymentService: its reads, and its table.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::payment {

// The steps are NewPaymentDomain's.
ServiceTable PaymentTable();

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
