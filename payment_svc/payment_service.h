// shop.payment.v1.PaymentService.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/db/batch_writer.h"
#include "common/db/connection.h"
#include "common/participant/participant.h"
#include "payment_svc/payment.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"

namespace unwind::payment {

// Reads payments on one thread and connection of its own, so that a read waits for no write and blocks no gRPC thread. Who reads at
// the same time shares one SELECT. Thread-safe.
class PaymentReader {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Payment>) &&>;

  explicit PaymentReader(std::unique_ptr<Connection> connection);

  // `done` gets the payment or NOT_FOUND, on the reader's thread.
  void Get(std::string payment_id, Done done);

  // Answers what is queued, then stops. Idempotent.
  void Stop() { reader_.Stop(); }

 private:
  struct Query {
    std::string payment_id;
    Done done;
  };

  void Handle(std::vector<Query> queries);

  const std::unique_ptr<Connection> connection_;
  BatchWriter<Query> reader_;  // last: its thread runs on what is above
};

class PaymentService final : public ::shop::payment::v1::PaymentService::CallbackService {
 public:
  // Both must outlive this.
  PaymentService(Participant& participant, PaymentReader& reader, bool enable_reset)
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
  PaymentReader& reader_;
  const bool enable_reset_;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_SERVICE_H_
