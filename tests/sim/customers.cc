#include "tests/sim/customers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "shop/payment/v1/payment_service.pb.h"

namespace unwind::sim {
namespace {

namespace v1 = ::shop::payment::v1;

constexpr absl::Duration kTimeout = absl::Seconds(5);
constexpr int kTooSoonMax = 5;  // tries of a payment that is not asked for yet
constexpr int kCallsMax = 8;    // with the same key; then he gives up, and looks at his account

// The service's own word, which a repeat under the same key gets again.
bool IsLast(absl::string_view path, const Reply& reply) {
  if (reply.status.ok() && path == kCancelPayment) return true;
  if (reply.status.ok()) {
    v1::PayResponse response;
    response.ParseFromString(reply.bytes);
    return response.state() == v1::PaymentAttempt::STATE_SUCCESS;
  }
  return !GetErrorInfo(reply.status).reason.empty() && !absl::IsUnavailable(reply.status) &&
         !absl::IsResourceExhausted(reply.status);
}

}  // namespace

void Customers::AskedToPay(const std::string& payment_id, const std::string& member, absl::Time until) {
  if (!asked_.insert(payment_id).second) return;
  Dice& dice = world_.dice();
  absl::Duration after = dice.Spread(absl::Milliseconds(10), absl::Seconds(20));
  if (faults_.Strikes(Fault::kCustomerCancels, 0.6)) PlanCancel(payment_id, member, dice.Between(after / 2, after * 2));
  if (faults_.Strikes(Fault::kCustomerAway, 0.6)) return;
  if (faults_.Strikes(Fault::kCustomerLate, 0.6)) {  // when the wait is being decided, or is over
    const absl::Duration most = dice.Chance(0.7) ? absl::Seconds(2) : absl::Minutes(1);
    after = until - world_.now() + dice.Between(-absl::Seconds(2), most);
  }
  PlanPay(payment_id, member, 1, after);
  if (faults_.Strikes(Fault::kCustomerPaysTwice, 0.7)) {
    PlanPay(payment_id, member, 2, after + dice.Between(-absl::Milliseconds(200), absl::Milliseconds(1500)));
  }
}

void Customers::PlanPay(const std::string& payment_id, const std::string& member, int method, absl::Duration after) {
  v1::PayRequest request;
  request.set_payment_id(payment_id);
  request.set_member_id(member);
  request.set_method(static_cast<::shop::type::v1::PaymentMethod>(method));
  Plan({kPay, payment_id, absl::StrCat("pay-", attempts_.size() + 1), request.SerializeAsString()}, after);
}

void Customers::PlanCancel(const std::string& payment_id, const std::string& member, absl::Duration after) {
  v1::CancelPaymentRequest request;
  request.set_payment_id(payment_id);
  request.set_member_id(member);
  Plan({kCancelPayment, payment_id, absl::StrCat("cancel-", attempts_.size() + 1), request.SerializeAsString()}, after);
}

void Customers::Plan(Attempt attempt, absl::Duration after) {
  attempts_.push_back(std::move(attempt));
  ++open_;
  world_.In(std::max(after, absl::ZeroDuration()), [this, i = attempts_.size() - 1] { Call(i); });
}

void Customers::Call(std::size_t i) {
  Attempt& attempt = attempts_[i];
  ++attempt.calls;
  network_.Call(Node::kBuyers, Node::kPayment,
                {std::string(attempt.path), attempt.bytes, {{"idempotency-key", attempt.key}}, kTimeout},
                [this, i](const Reply& reply) { Hear(i, reply); });
}

void Customers::Hear(std::size_t i, const Reply& reply) {
  Attempt& attempt = attempts_[i];
  if (!IsLast(attempt.path, reply)) {
    if (reply.status.ok()) faults_.tally().Count(Outcome::kPaymentOpen);
    if (attempt.calls < kCallsMax || (faults_.healed() && !reply.status.ok())) {
      return world_.In(world_.dice().Spread(absl::Milliseconds(200), absl::Seconds(10)), [this, i] { Call(i); });
    }
    --open_;
    return;
  }
  --open_;
  answered_.insert(attempt.key);
  if (attempt.path == kPay) return HearPay(attempt, reply);
  if (!reply.status.ok()) return;
  cancelled_.insert(attempt.payment_id);
  nudges_.Tell(Node::kPayment, attempt.payment_id, "collect");
}

void Customers::HearPay(const Attempt& attempt, const Reply& reply) {
  const std::string reason = GetErrorInfo(reply.status).reason;
  if (reason == "PAYMENT_NOT_FOUND" && ++not_found_[attempt.payment_id] < kTooSoonMax) {
    v1::PayRequest request;
    request.ParseFromString(attempt.bytes);
    PlanPay(attempt.payment_id, request.member_id(), request.method(),
            world_.dice().Spread(absl::Seconds(1), absl::Seconds(15)));
  }
  Tally& tally = faults_.tally();
  if (reason == "PAYMENT_ALREADY_PAID") tally.Count(Outcome::kPaidAlready);
  if (reason == "PAYMENT_EXPIRED") tally.Count(Outcome::kPaidTooLate);
  if (reason == "PAYMENT_DECLINED") tally.Count(Outcome::kAttemptDeclined);
  if (!reply.status.ok()) return;
  paid_.insert(attempt.payment_id);
  nudges_.Tell(Node::kPayment, attempt.payment_id, "collect");
}

}  // namespace unwind::sim
