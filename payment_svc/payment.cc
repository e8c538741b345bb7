#include "payment_svc/payment.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::payment {
namespace {

absl::Status CheckCharge(const ChargeCall& call) {
  if (absl::Status status = CheckMethod(call.method); !status.ok()) return status;
  return CheckAmount(call.amount);
}

// What a failure tells the buyer: whose it is, what that means for the money, and our reason if the gateway declined.
struct Wording {
  const char* what;
  const char* money;
  const char* declined;
};
constexpr Wording kCharge = {"the payment", "you have not been charged", "PAYMENT_FAILED"};
constexpr Wording kRefund = {"the refund", "no money was paid back", "REFUND_FAILED"};

absl::Status Failed(const Wording& wording, absl::string_view failed_reason, Metadata metadata) {
  if (failed_reason == kPaymentTimeout) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat(wording.what, " was not completed in time; ", wording.money), kPaymentTimeout,
                 std::move(metadata));
  }
  metadata["pg_reason"] = std::string(failed_reason);
  return Error(absl::StatusCode::kFailedPrecondition,
               absl::StrCat(wording.what, " was declined (", failed_reason, "); ", wording.money), wording.declined,
               std::move(metadata));
}

absl::Status ChargeFailed(const Payment& payment) {
  return Failed(kCharge, payment.failed_reason, {{"payment_id", payment.payment_id}});
}

absl::Status RefundFailed(const Refund& refund) {
  return Failed(kRefund, refund.failed_reason, {{"refund_id", refund.refund_id}});
}

Decision NeverAsked(const Wording& wording) { return Never(Failed(wording, kPaymentTimeout, {})); }

Question Confirm(const Payment& payment) {
  return {Question::Verb::kConfirm, ChargeKey(payment.payment_id), payment.amount, ""};
}
Question Fence(const Payment& payment) { return {Question::Verb::kFence, ChargeKey(payment.payment_id), {}, ""}; }
Question Cancel(const Payment& payment, const Refund& refund) {
  // A whole refund names no amount, as it never did: the gateway compares a repeat with what was asked first.
  const Money amount = refund.kept == 0 ? Money() : PaidBack(payment, refund);
  return {Question::Verb::kCancel, RefundKey(refund.refund_id), amount, payment.pg_transaction_id};
}
Question Fence(const Payment& payment, const Refund& refund) {
  return {Question::Verb::kFence, RefundKey(refund.refund_id), {}, payment.pg_transaction_id};
}

Decision MovedAfterNever(absl::string_view id, const GatewayAnswer& answer) {
  return NotKnown("MOVED_AFTER_NEVER", absl::StrCat("the gateway says it moved money for ", id, " (transaction ",
                                                    answer.transaction_id, ") after it said that it never would"));
}

// It is asked for at once, and what it took goes back.
Decision MovedAfterNever(Payment& payment, const GatewayAnswer& answer, absl::Time now) {
  payment.inquire_at = now;
  return MovedAfterNever(payment.payment_id, answer);
}

bool Moved(const std::optional<GatewayAnswer>& answer) { return answer && answer->kind == GatewayAnswer::Kind::kMoved; }

// Why a row that the gateway declined or fenced has failed.
std::string FailedReason(const GatewayAnswer& answer) {
  return answer.kind == GatewayAnswer::Kind::kDeclined ? answer.reason : std::string(kPaymentTimeout);
}

Decision SettleRefund(Payment& payment, Refund& refund, const GatewayAnswer& answer) {
  switch (answer.kind) {
    case GatewayAnswer::Kind::kMoved:
      if (answer.amount != PaidBack(payment, refund) || answer.captured != payment.pg_transaction_id) {
        return NotKnown("AMOUNT_MISMATCH",
                        absl::StrCat("the gateway paid back ", Show(answer.amount), " of transaction ", answer.captured,
                                     " for refund ", refund.refund_id, ", which asks for ",
                                     Show(PaidBack(payment, refund)), " of ", payment.pg_transaction_id));
      }
      refund.state = State::kSuccess;
      refund.pg_transaction_id = answer.transaction_id;
      payment.state = State::kRefunded;
      return Done();
    case GatewayAnswer::Kind::kBackAlready:  // whole, as far as is known: who did it kept nothing for us
      refund.state = State::kSuccess;
      refund.kept = 0;
      refund.pg_transaction_id = payment.pg_transaction_id;
      payment.state = State::kRefunded;
      return {Decision::Kind::kDone, absl::OkStatus(),
              absl::StrCat("payment ", payment.payment_id, " was paid back before refund ", refund.refund_id,
                           ", by someone else")};
    case GatewayAnswer::Kind::kDeclined:
    case GatewayAnswer::Kind::kFenced:
      refund.state = State::kFailed;
      refund.failed_reason = FailedReason(answer);
      payment.refund_id.clear();  // another refund may try
      return Refuse(RefundFailed(refund));
    case GatewayAnswer::Kind::kPending:  // of captures only
    case GatewayAnswer::Kind::kUnknown:
      return NotKnown(answer.reason, answer.contradiction);
  }
  return NotKnown("");
}

absl::Status CheckKeep(const Money& keep, const Payment& payment) {
  if (keep.currency_code.empty()) return absl::OkStatus();
  const Money& amount = payment.amount;
  if (keep.currency_code != amount.currency_code) {
    return MakeBadRequest(
        kErrorDomain, {{"keep.currency_code", absl::StrCat("must be that of the payment, ", amount.currency_code)}});
  }
  if (keep.minor_units <= amount.minor_units) return absl::OkStatus();
  return MakeBadRequest(kErrorDomain,
                        {{"keep.minor_units", absl::StrCat("must be at most what was paid, ", amount.minor_units)}});
}

Decision StartRefund(std::optional<Payment>& payment, std::optional<Refund>& refund, const RefundCall& call,
                     absl::Time now) {
  if (!payment) return Refuse(PaymentNotFound(call.payment_id));
  if (payment->state != State::kSuccess || !payment->refund_id.empty()) {
    Metadata metadata = {{"payment_id", payment->payment_id}, {"state", std::string(NameOf(payment->state))}};
    if (!payment->refund_id.empty()) metadata["refund_id"] = payment->refund_id;
    return Refuse(Error(absl::StatusCode::kFailedPrecondition,
                        "only a payment that succeeded is refunded, and only once", "PAYMENT_NOT_REFUNDABLE",
                        std::move(metadata)));
  }
  if (absl::Status status = CheckKeep(call.keep, *payment); !status.ok()) return Refuse(std::move(status));
  refund = Refund{.refund_id = call.refund_id,
                  .owner = call.owner,
                  .payment_id = call.payment_id,
                  .state = State::kPending,
                  .pg_transaction_id = "",
                  .failed_reason = "",
                  .kept = call.keep.minor_units,
                  .create_time = now};
  payment->refund_id = call.refund_id;
  if (PaidBack(*payment, *refund).minor_units > 0) return Ask(Cancel(*payment, *refund));
  refund->state = State::kSuccess;
  payment->state = State::kRefunded;
  return Done();
}

}  // namespace

absl::string_view NameOf(State state) {
  switch (state) {
    case State::kPending:
    case State::kResolving:  // the same to a caller
      return "PENDING";
    case State::kSuccess:
      return "SUCCESS";
    case State::kFailed:
      return "FAILED";
    case State::kRefunded:
      return "REFUNDED";
  }
  return "UNKNOWN";
}

std::string ChargeKey(absl::string_view payment_id) { return absl::StrCat("charge-", payment_id); }
std::string RefundKey(absl::string_view refund_id) { return absl::StrCat("refund-", refund_id); }

Money PaidBack(const Payment& payment, const Refund& refund) {
  return {payment.amount.minor_units - refund.kept, payment.amount.currency_code};
}

Decision SettleCharge(Payment& payment, const GatewayAnswer& answer, absl::Time now) {
  switch (answer.kind) {
    case GatewayAnswer::Kind::kMoved:
      if (answer.amount != payment.amount || !answer.captured.empty()) {
        return NotKnown("AMOUNT_MISMATCH", absl::StrCat("the gateway took ", Show(answer.amount), " for payment ",
                                                        payment.payment_id, ", which asks for ", Show(payment.amount)));
      }
      payment.state = State::kSuccess;
      payment.pg_transaction_id = answer.transaction_id;
      payment.paid_at = now;
      return Done();
    case GatewayAnswer::Kind::kDeclined:
    case GatewayAnswer::Kind::kFenced:
      payment.state = State::kFailed;
      payment.failed_reason = FailedReason(answer);
      if (!answer.is_final) payment.inquire_at = now + kInquireFirst;
      return Refuse(ChargeFailed(payment));
    case GatewayAnswer::Kind::kPending:
      return Waits();
    case GatewayAnswer::Kind::kBackAlready:
    case GatewayAnswer::Kind::kUnknown:
      return NotKnown(answer.reason, answer.contradiction);
  }
  return NotKnown("");
}

Decision DecideCharge(std::optional<Payment>& payment, const ChargeCall& call,
                      const std::optional<GatewayAnswer>& answer, absl::Time now) {
  if (!payment) {
    if (answer) return NotKnown("PAYMENT_GONE");
    if (absl::Status status = CheckCharge(call); !status.ok()) return Refuse(std::move(status));
    payment = Payment{.payment_id = call.payment_id,
                      .owner = call.owner,
                      .member_id = call.member_id,
                      .amount = call.amount,
                      .method = call.method,
                      .state = State::kPending,
                      .pg_transaction_id = "",
                      .failed_reason = "",
                      .refund_id = "",
                      .create_time = now,
                      .paid_at = std::nullopt};
    if (call.amount.minor_units > 0) return Ask(Confirm(*payment));
    payment->state = State::kSuccess;
    payment->paid_at = now;
    return Done();
  }
  if (payment->owner != call.owner) return Refuse(PaymentAlreadyExists(call.payment_id));
  switch (payment->state) {
    case State::kPending:
      return answer ? SettleCharge(*payment, *answer, now) : Ask(Confirm(*payment));
    case State::kResolving:  // only the fence may still be sent
      return answer ? SettleCharge(*payment, *answer, now) : NotKnown("RESOLVING");
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(*payment, *answer, now) : Refuse(ChargeFailed(*payment));
  }
  return NotKnown("");
}

Decision DecideResolveCharge(std::optional<Payment>& payment, Resolve resolve,
                             const std::optional<GatewayAnswer>& answer, absl::Time now) {
  if (!payment) return NeverAsked(kCharge);
  switch (payment->state) {
    case State::kPending:
    case State::kResolving: {
      const bool waits = resolve == Resolve::kMayWait && payment->state == State::kPending;
      if (!answer && waits) return Ask(Confirm(*payment));
      if (!answer) {
        payment->state = State::kResolving;
        return Ask(Fence(*payment));
      }
      Decision decision = SettleCharge(*payment, *answer, now);
      if (decision.kind == Decision::Kind::kWaits && !waits) return NotKnown("PENDING");
      return decision.kind == Decision::Kind::kRefused ? Never(decision.status) : decision;
    }
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(*payment, *answer, now) : Never(ChargeFailed(*payment));
  }
  return NotKnown("");
}

Decision DecideRefund(std::optional<Payment>& payment, std::optional<Refund>& refund, const RefundCall& call,
                      const std::optional<GatewayAnswer>& answer, absl::Time now) {
  if (!refund) return answer ? NotKnown("REFUND_GONE") : StartRefund(payment, refund, call, now);
  if (refund->owner != call.owner || refund->payment_id != call.payment_id) {
    return Refuse(Error(absl::StatusCode::kAlreadyExists, "another call made a refund of this id",
                        "REFUND_ALREADY_EXISTS", {{"refund_id", call.refund_id}}));
  }
  switch (refund->state) {
    case State::kPending:
      if (!payment) return NotKnown("PAYMENT_GONE");
      return answer ? SettleRefund(*payment, *refund, *answer) : Ask(Cancel(*payment, *refund));
    case State::kResolving:
      if (!payment) return NotKnown("PAYMENT_GONE");
      return answer ? SettleRefund(*payment, *refund, *answer) : NotKnown("RESOLVING");
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(call.refund_id, *answer) : Refuse(RefundFailed(*refund));
  }
  return NotKnown("");
}

Decision DecideResolveRefund(std::optional<Payment>& payment, std::optional<Refund>& refund,
                             const std::optional<GatewayAnswer>& answer) {
  if (!refund) return NeverAsked(kRefund);
  switch (refund->state) {
    case State::kPending:
    case State::kResolving: {
      if (!payment) return NotKnown("PAYMENT_GONE");
      if (!answer) {
        refund->state = State::kResolving;
        return Ask(Fence(*payment, *refund));
      }
      Decision decision = SettleRefund(*payment, *refund, *answer);
      return decision.kind == Decision::Kind::kRefused ? Never(decision.status) : decision;
    }
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(refund->refund_id, *answer) : Never(RefundFailed(*refund));
  }
  return NotKnown("");
}

}  // namespace unwind::payment
