#include "payment_svc/payment_service.h"

#include <cstdint>
#include <optional>
#include <string>

#include "payment_svc/collect_store.h"
#include "payment_svc/payment.h"
#include "payment_svc/payment_store.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;

void Write(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

void Write(const Money& from, ::shop::type::v1::Money& to) {
  to.set_minor_units(from.minor_units);
  to.set_currency_code(from.currency_code);
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

v1::PaymentAttempt::State StateOf(AttemptState state) {
  switch (state) {
    case AttemptState::kOpen:
      return v1::PaymentAttempt::STATE_PENDING;
    case AttemptState::kCaptured:
      return v1::PaymentAttempt::STATE_SUCCESS;
    case AttemptState::kDeclined:
      return v1::PaymentAttempt::STATE_DECLINED;
    case AttemptState::kFenced:
      return v1::PaymentAttempt::STATE_ABANDONED;
  }
  return v1::PaymentAttempt::STATE_UNSPECIFIED;
}

void Write(const Attempt& from, v1::PaymentAttempt& to) {
  to.set_number(from.number);
  to.set_method(static_cast<::shop::type::v1::PaymentMethod>(from.method));
  to.set_state(StateOf(from.state));
  to.set_failed_reason(from.failed_reason);
  Write(from.create_time, *to.mutable_create_time());
}

void Write(const Payment& from, v1::Payment& to) {
  to.set_payment_id(from.payment_id);
  to.set_member_id(from.member_id);
  Write(from.amount, *to.mutable_amount());
  to.set_method(static_cast<::shop::type::v1::PaymentMethod>(from.method));
  to.set_state(StateOf(from.state));
  to.set_pg_transaction_id(from.pg_transaction_id);
  to.set_failed_reason(from.failed_reason);
  if (from.paid_at) Write(*from.paid_at, *to.mutable_paid_at());
  Write(from.create_time, *to.mutable_create_time());
  if (from.wait_until) Write(*from.wait_until, *to.mutable_wait_until());
}

absl::Status Get(soci::session& session, const Principal& principal, const v1::GetPaymentRequest& request,
                 v1::Payment& response) {
  const std::string& id = request.payment_id();
  const std::optional<Payment> payment = LoadPayments(session, {id}, Purpose::kRead)[id];
  if (!payment || !MayRead(principal, payment->member_id)) return PaymentNotFound(id);
  Write(*payment, response);
  if (payment->state == State::kRefunded) {
    const std::string& refund_id = payment->refund_id;
    const std::optional<Refund> refund = LoadRefunds(session, {refund_id}, Purpose::kRead)[refund_id];
    if (refund) Write(PaidBack(*payment, *refund), *response.mutable_refunded());
  }
  if (!payment->is_collect()) return absl::OkStatus();
  for (const Attempt& attempt : LoadAttempts(session, {id}, Purpose::kRead)) Write(attempt, *response.add_attempts());
  return absl::OkStatus();
}

}  // namespace

ServiceTable PaymentTable() {
  return {.name = v1::PaymentService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("GetPayment", &Get)},
          .never_cause = std::string(kPaymentTimeout)};
}

}  // namespace unwind::payment
