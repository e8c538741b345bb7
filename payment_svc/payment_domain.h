// Payments as a saga participant: the batch loads rows, payment.h decides, the gateway is asked between two
// transactions.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/participant/method_table.h"
#include "payment_svc/gateway_client.h"

namespace unwind::payment {

// Told of a capture or a refund under a key that was resolved as never. On any thread.
using Late = std::function<void(const std::string& key, const GatewayAnswer& answer)>;

// The changing methods of shop.payment.v1.PaymentService. Both must outlive the domain; the gateway must have answered
// every call when the domain is destroyed.
std::unique_ptr<StepDomain> NewPaymentDomain(
    Gateway& gateway, const Clock& clock, Late late = [](const std::string&, const GatewayAnswer&) {},
    Settled settled = [](const std::string&) {});

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_
