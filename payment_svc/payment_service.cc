#include "payment_svc/payment_service.h"

#include <optional>
#include <string>
#include <utility>

#include "common/participant/serve.h"
#include "common/rpc/error.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_store.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;

void Write(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

v1::Payment::State StateOf(State state) {
  switch (state) {
    case State::kPending:
    case State::kResolving:
      return v1::Payment::STATE_PENDING;
    case State::kSuccess:
      return v1::Payment::STATE_SUCCESS;
    case State::kFailed:
      return v1::Payment::STATE_FAILED;
    case State::kRefunded:
      return v1::Payment::STATE_REFUNDED;
  }
  return v1::Payment::STATE_UNSPECIFIED;
}

void Write(const Payment& from, v1::Payment& to) {
  to.set_payment_id(from.payment_id);
  to.set_member_id(from.member_id);
  to.mutable_amount()->set_minor_units(from.amount.minor_units);
  to.mutable_amount()->set_currency_code(from.amount.currency_code);
  to.set_method(static_cast<::shop::type::v1::PaymentMethod>(from.method));
  to.set_state(StateOf(from.state));
  to.set_pg_transaction_id(from.pg_transaction_id);
  to.set_failed_reason(from.failed_reason);
  if (from.paid_at) Write(*from.paid_at, *to.mutable_paid_at());
  Write(from.create_time, *to.mutable_create_time());
}

}  // namespace

grpc::ServerUnaryReactor* PaymentService::Charge(grpc::CallbackServerContext* context, const v1::ChargeRequest* request,
                                                 v1::ChargeResponse* response) {
  return ServeStep(participant_, context, request, response, kCharge, barrier::Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::ResolveCharge(grpc::CallbackServerContext* context,
                                                        const v1::ChargeRequest* request,
                                                        v1::ChargeResponse* response) {
  return ServeStep(participant_, context, request, response, kResolveCharge, barrier::Phase::kResolve, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::Refund(grpc::CallbackServerContext* context, const v1::RefundRequest* request,
                                                 v1::RefundResponse* response) {
  return ServeStep(participant_, context, request, response, kRefund, barrier::Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::ResolveRefund(grpc::CallbackServerContext* context,
                                                        const v1::RefundRequest* request,
                                                        v1::RefundResponse* response) {
  return ServeStep(participant_, context, request, response, kResolveRefund, barrier::Phase::kResolve, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::GetPayment(grpc::CallbackServerContext* context,
                                                     const v1::GetPaymentRequest* request,
                                                     v1::GetPaymentResponse* response) {
  return ServeRead(reader_, context, request, response, kErrorDomain, [request, response](soci::session& session) {
    const std::string& id = request->payment_id();
    const std::optional<Payment> payment = LoadPayments(session, {id}, Purpose::kRead)[id];
    if (!payment) return PaymentNotFound(id);
    Write(*payment, *response->mutable_payment());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PaymentService::ResetPayments(grpc::CallbackServerContext* context,
                                                        const v1::ResetPaymentsRequest* request,
                                                        v1::ResetPaymentsResponse* response) {
  if (enable_reset_) {
    return ServeStep(participant_, context, request, response, kReset, barrier::Phase::kAction, kErrorDomain);
  }
  return Serve(context, request, response, kErrorDomain, [](unwind::Done done) {
    std::move(done)(MakeError(absl::StatusCode::kPermissionDenied, "payments are reset only under --enable_reset",
                              {"RESET_DISABLED", std::string(kErrorDomain), {}}));
  });
}

}  // namespace unwind::payment
