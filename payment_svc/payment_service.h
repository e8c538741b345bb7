// shop.payment.v1.PaymentService.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_

#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "payment_svc/payment.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"

namespace unwind::payment {

class PaymentService final : public ::shop::payment::v1::PaymentService::CallbackService {
 public:
  // Both must outlive this.
  PaymentService(Participant& participant, Reader& reader, bool enable_reset)
      : participant_(participant), reader_(reader), enable_reset_(enable_reset) {}

  grpc::ServerUnaryReactor* Charge(grpc::CallbackServerContext* context,
                                   const ::shop::payment::v1::ChargeRequest* request,
                                   ::shop::payment::v1::ChargeResponse* response) override;
  grpc::ServerUnaryReactor* ResolveCharge(grpc::CallbackServerContext* context,
                                          const ::shop::payment::v1::ChargeRequest* request,
                                          ::shop::payment::v1::ChargeResponse* response) override;
  grpc::ServerUnaryReactor* Refund(grpc::CallbackServerContext* context,
                                   const ::shop::payment::v1::RefundRequest* request,
                                   ::shop::payment::v1::RefundResponse* response) override;
  grpc::ServerUnaryReactor* ResolveRefund(grpc::CallbackServerContext* context,
                                          const ::shop::payment::v1::RefundRequest* request,
                                          ::shop::payment::v1::RefundResponse* response) override;
  grpc::ServerUnaryReactor* GetPayment(grpc::CallbackServerContext* context,
                                       const ::shop::payment::v1::GetPaymentRequest* request,
                                       ::shop::payment::v1::GetPaymentResponse* response) override;
  grpc::ServerUnaryReactor* ResetPayments(grpc::CallbackServerContext* context,
                                          const ::shop::payment::v1::ResetPaymentsRequest* request,
                                          ::shop::payment::v1::ResetPaymentsResponse* response) override;

 private:
  Participant& participant_;
  Reader& reader_;
  const bool enable_reset_;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
