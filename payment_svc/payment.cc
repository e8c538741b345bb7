#include "payment_svc/payment.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::payment {
namespace {

using Metadata = std::map<std::string, std::string>;

absl::Status Error(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

Decision Done() { return {Decision::Kind::kDone, absl::OkStatus(), ""}; }
Decision AskGateway() { return {Decision::Kind::kAskGateway, absl::OkStatus(), ""}; }
Decision Refuse(absl::Status status) { return {Decision::Kind::kRefused, std::move(status), ""}; }

Decision NotKnown(absl::string_view why, std::string alarm = "") {
  absl::Status status = Error(absl::StatusCode::kUnavailable, "the gateway has not said whether the money moved",
                              "GATEWAY_UNKNOWN", {{"pg_reason", std::string(why)}});
  return {Decision::Kind::kUnknown, std::move(status), std::move(alarm)};
}

std::string Show(const Money& money) { return absl::StrCat(money.minor_units, " ", money.currency_code); }

absl::string_view StateName(State state) {
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

absl::Status CheckCharge(const ChargeCall& call) {
  const Money& amount = call.amount;
  std::vector<FieldViolation> violations;
  if (call.method < 1 || call.method > kMethodMax) violations.push_back({"method", "must be CARD or TRANSFER"});
  if (amount.minor_units < 1 || amount.minor_units > kAmountMinorMax) {
    violations.push_back({"amount.minor_units", absl::StrCat("must be 1 to ", kAmountMinorMax)});
  }
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  if (amount.currency_code.size() != 3 ||
      !std::all_of(amount.currency_code.begin(), amount.currency_code.end(), capital)) {
    violations.push_back({"amount.currency_code", "must be three capital letters, such as KRW"});
  }
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(kErrorDomain, violations);
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

// The final "no" of a resolve, in the words of the call's own "no" and with its reason as the cause: the buyer reads
// it.
Decision Never(const absl::Status& no) {
  ErrorInfo info = GetErrorInfo(no);
  info.metadata["cause"] = info.reason;
  return Refuse(Error(no.code(), no.message(), "NEVER_HAPPENED", std::move(info.metadata)));
}

Decision NeverAsked(const Wording& wording) { return Never(Failed(wording, kPaymentTimeout, {})); }

Decision MovedAfterNever(absl::string_view id, const GatewayAnswer& answer) {
  return NotKnown("MOVED_AFTER_NEVER", absl::StrCat("the gateway says it moved money for ", id, " (transaction ",
                                                    answer.transaction_id, ") after it said that it never would"));
}

bool Moved(const std::optional<GatewayAnswer>& answer) { return answer && answer->kind == GatewayAnswer::Kind::kMoved; }

// Why a row that the gateway declined or fenced has failed.
std::string FailedReason(const GatewayAnswer& answer) {
  return answer.kind == GatewayAnswer::Kind::kDeclined ? answer.reason : std::string(kPaymentTimeout);
}

// What the gateway's word makes of a payment that is not final.
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
      return Refuse(ChargeFailed(payment));
    case GatewayAnswer::Kind::kBackAlready:
    case GatewayAnswer::Kind::kUnknown:
      return NotKnown(answer.reason, answer.contradiction);
  }
  return NotKnown("");
}

Decision SettleRefund(Payment& payment, Refund& refund, const GatewayAnswer& answer) {
  switch (answer.kind) {
    case GatewayAnswer::Kind::kMoved:
      if (answer.amount != payment.amount || answer.captured != payment.pg_transaction_id) {
        return NotKnown("AMOUNT_MISMATCH",
                        absl::StrCat("the gateway paid back ", Show(answer.amount), " of transaction ", answer.captured,
                                     " for refund ", refund.refund_id, ", which asks for ", Show(payment.amount),
                                     " of ", payment.pg_transaction_id));
      }
      refund.state = State::kSuccess;
      refund.pg_transaction_id = answer.transaction_id;
      payment.state = State::kRefunded;
      return Done();
    case GatewayAnswer::Kind::kBackAlready:  // refunds are whole, so the buyer has all of it
      refund.state = State::kSuccess;
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
    case GatewayAnswer::Kind::kUnknown:
      return NotKnown(answer.reason, answer.contradiction);
  }
  return NotKnown("");
}

Decision StartRefund(std::optional<Payment>& payment, std::optional<Refund>& refund, const RefundCall& call,
                     absl::Time now) {
  if (!payment) return Refuse(PaymentNotFound(call.payment_id));
  if (payment->state != State::kSuccess || !payment->refund_id.empty()) {
    Metadata metadata = {{"payment_id", payment->payment_id}, {"state", std::string(StateName(payment->state))}};
    if (!payment->refund_id.empty()) metadata["refund_id"] = payment->refund_id;
    return Refuse(Error(absl::StatusCode::kFailedPrecondition,
                        "only a payment that succeeded is refunded, and only once", "PAYMENT_NOT_REFUNDABLE",
                        std::move(metadata)));
  }
  refund = Refund{.refund_id = call.refund_id,
                  .owner = call.owner,
                  .payment_id = call.payment_id,
                  .state = State::kPending,
                  .pg_transaction_id = "",
                  .failed_reason = "",
                  .create_time = now};
  payment->refund_id = call.refund_id;
  return AskGateway();
}

}  // namespace

std::string ChargeKey(absl::string_view payment_id) { return absl::StrCat("charge-", payment_id); }
std::string RefundKey(absl::string_view refund_id) { return absl::StrCat("refund-", refund_id); }

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
    return AskGateway();
  }
  if (payment->owner != call.owner) {
    return Refuse(Error(absl::StatusCode::kAlreadyExists, "another call made a payment of this id",
                        "PAYMENT_ALREADY_EXISTS", {{"payment_id", call.payment_id}}));
  }
  switch (payment->state) {
    case State::kPending:
      return answer ? SettleCharge(*payment, *answer, now) : AskGateway();
    case State::kResolving:  // only the fence may still be sent
      return answer ? SettleCharge(*payment, *answer, now) : NotKnown("RESOLVING");
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(call.payment_id, *answer) : Refuse(ChargeFailed(*payment));
  }
  return NotKnown("");
}

Decision DecideResolveCharge(std::optional<Payment>& payment, const std::optional<GatewayAnswer>& answer,
                             absl::Time now) {
  if (!payment) return NeverAsked(kCharge);
  switch (payment->state) {
    case State::kPending:
    case State::kResolving: {
      if (!answer) {
        payment->state = State::kResolving;
        return AskGateway();
      }
      Decision decision = SettleCharge(*payment, *answer, now);
      return decision.kind == Decision::Kind::kRefused ? Never(decision.status) : decision;
    }
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Moved(answer) ? MovedAfterNever(payment->payment_id, *answer) : Never(ChargeFailed(*payment));
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
      return answer ? SettleRefund(*payment, *refund, *answer) : AskGateway();
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
        return AskGateway();
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

absl::Status PaymentNotFound(absl::string_view payment_id) {
  return Error(absl::StatusCode::kNotFound, absl::StrCat("there is no payment \"", payment_id, "\""),
               "PAYMENT_NOT_FOUND", {{"payment_id", std::string(payment_id)}});
}

}  // namespace unwind::payment
