#include "payment_svc/payment_service.h"

#include <utility>

#include "common/participant/serve.h"
#include "common/rpc/error.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_store.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;

constexpr std::size_t kReadBatchMax = 256;
constexpr std::size_t kReadQueueMax = 4096;

void Write(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

v1::Payment::State StateOf(State state) {
  switch (state) {
    case State::kPending:
    case State::kResolving: return v1::Payment::STATE_PENDING;
    case State::kSuccess: return v1::Payment::STATE_SUCCESS;
    case State::kFailed: return v1::Payment::STATE_FAILED;
    case State::kRefunded: return v1::Payment::STATE_REFUNDED;
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

PaymentReader::PaymentReader(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)),
      reader_(kReadBatchMax, kReadQueueMax, [this](std::vector<Query> queries) { Handle(std::move(queries)); }) {}

void PaymentReader::Get(std::string payment_id, Done done) {
  Query query{std::move(payment_id), std::move(done)};
  if (reader_.Push(std::move(query))) return;
  std::move(query.done)(WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many reads wait",
                                                 {"OVERLOADED", std::string(kErrorDomain), {}}),
                                       absl::Milliseconds(100)));
}

void PaymentReader::Handle(std::vector<Query> queries) {
  std::vector<std::string> ids;
  for (const Query& query : queries) ids.push_back(query.payment_id);
  Payments payments;
  const absl::Status status = connection_->Read([&](soci::session& session) {
    payments = LoadPayments(session, ids);
    return absl::OkStatus();
  });
  for (Query& query : queries) {
    if (!status.ok()) {
      std::move(query.done)(status);
    } else if (const std::optional<Payment>& payment = payments[query.payment_id]; !payment) {
      std::move(query.done)(PaymentNotFound(query.payment_id));
    } else {
      std::move(query.done)(*payment);
    }
  }
}

grpc::ServerUnaryReactor* PaymentService::Charge(grpc::CallbackServerContext* context, const v1::ChargeRequest* request,
                                                 v1::ChargeResponse* response) {
  return ServeStep(participant_, context, request, response, kCharge, barrier::Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::ResolveCharge(grpc::CallbackServerContext* context,
                                                        const v1::ChargeRequest* request, v1::ChargeResponse* response) {
  return ServeStep(participant_, context, request, response, kResolveCharge, barrier::Phase::kResolve, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::Refund(grpc::CallbackServerContext* context, const v1::RefundRequest* request,
                                                 v1::RefundResponse* response) {
  return ServeStep(participant_, context, request, response, kRefund, barrier::Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::ResolveRefund(grpc::CallbackServerContext* context,
                                                        const v1::RefundRequest* request, v1::RefundResponse* response) {
  return ServeStep(participant_, context, request, response, kResolveRefund, barrier::Phase::kResolve, kErrorDomain);
}

grpc::ServerUnaryReactor* PaymentService::GetPayment(grpc::CallbackServerContext* context,
                                                     const v1::GetPaymentRequest* request,
                                                     v1::GetPaymentResponse* response) {
  return Serve(context, request, response, kErrorDomain, [this, request, response](unwind::Done done) {
    reader_.Get(request->payment_id(), [response, done = std::move(done)](absl::StatusOr<Payment> payment) mutable {
      if (payment.ok()) Write(*payment, *response->mutable_payment());
      std::move(done)(payment.status());
    });
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
