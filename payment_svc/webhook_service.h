// shop.payment.v1.PaymentWebhookService: who may speak is decided here, what is said by the settler.
#ifndef UNWIND_PAYMENT_SVC_WEBHOOK_SERVICE_H_
#define UNWIND_PAYMENT_SVC_WEBHOOK_SERVICE_H_

#include <functional>

#include "common/base/clock.h"
#include "common/rpc/unary.h"
#include "payment_svc/settler.h"
#include "payment_svc/webhook_secrets.h"
#include "shop/payment/v1/payment_webhook_service.grpc.pb.h"

namespace unwind::payment {

class WebhookService final : public ::shop::payment::v1::PaymentWebhookService::CallbackService {
 public:
  // All must outlive this.
  WebhookService(const WebhookSecrets& secrets, Settler& settler, const Clock& clock)
      : secrets_(secrets), settler_(settler), clock_(clock) {}

  grpc::ServerUnaryReactor* Receive(grpc::CallbackServerContext* context, const google::api::HttpBody* request,
                                    ::shop::payment::v1::ReceiveResponse* response) override;

 private:
  const WebhookSecrets& secrets_;
  Settler& settler_;
  const Clock& clock_;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_WEBHOOK_SERVICE_H_
