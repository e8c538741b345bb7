#include "payment_svc/collect.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::payment {
namespace {

using Kind = GatewayAnswer::Kind;

constexpr std::int64_t kYear10000 = 253'402'300'800;

// Why a payment that is not made is over: before its time somebody has ended it.
absl::string_view WhyOver(const Payment& payment, absl::Time now) {
  if (!payment.failed_reason.empty()) return payment.failed_reason;
  return now + kClocksApart < *payment.wait_until ? kPaymentCancelled : kPaymentExpired;
}

absl::Status Over(absl::StatusCode code, absl::string_view why, absl::string_view payment_id) {
  const absl::string_view what = why == kPaymentCancelled ? "was cancelled" : "was not made in time";
  return Error(code, absl::StrCat("the payment ", what, "; you have not been charged"), why,
               {{"payment_id", std::string(payment_id)}});
}
absl::Status Over(absl::StatusCode code, const Payment& payment, absl::Time now) {
  return Over(code, WhyOver(payment, now), payment.payment_id);
}

absl::Status AlreadyPaid(absl::string_view payment_id, absl::string_view message) {
  return Error(absl::StatusCode::kAlreadyExists, message, "PAYMENT_ALREADY_PAID",
               {{"payment_id", std::string(payment_id)}});
}

absl::Status CheckCollect(const CollectCall& call) {
  if (absl::Status status = CheckAmount(call.amount); !status.ok()) return status;
  if (call.wait_until > absl::UnixEpoch() && call.wait_until < absl::FromUnixSeconds(kYear10000)) {
    return absl::OkStatus();
  }
  return MakeBadRequest(kErrorDomain, {{"wait_until", "must be a time from 1970 to the year 9999"}});
}

const Attempt* OpenAttempt(const PaymentRows& rows) {
  for (const Attempt& attempt : rows.attempts) {
    if (attempt.state == AttemptState::kOpen) return &attempt;
  }
  return nullptr;
}

Question Confirm(const Payment& payment, const Attempt& attempt) {
  return {Question::Verb::kConfirm, attempt.key, payment.amount, ""};
}
Question Fence(const Attempt& attempt) { return {Question::Verb::kFence, attempt.key, {}, ""}; }

bool IsPaid(const Payment& payment) { return payment.state == State::kSuccess || payment.state == State::kRefunded; }

// No attempt begins any more, and none asks for money again.
bool IsOver(const Payment& payment, absl::Time now) {
  return payment.state != State::kPending || now >= *payment.wait_until;
}

// Nothing was charged, and nothing will be: it is over, and no attempt may still take the money.
bool IsUnpaid(const PaymentRows& rows, absl::Time now) {
  return IsOver(*rows.payment, now) && !IsPaid(*rows.payment) && OpenAttempt(rows) == nullptr;
}

// Of an attempt that was asked about and is open still.
Decision NotHeard(const Heard& heard) {
  return NotKnown(heard.answer.kind == Kind::kMoved ? "MISMATCH" : heard.answer.reason);
}

// Ends what is not paid: no attempt begins any more, and once the open one is fenced it has failed, for a reason that
// stays. Nothing: it has.
std::optional<Decision> EndUnpaid(PaymentRows& rows, const std::optional<Heard>& heard, absl::Time now) {
  Payment& payment = *rows.payment;
  payment.state = State::kResolving;
  if (const Attempt* const open = OpenAttempt(rows)) {
    return heard && heard->key == open->key ? NotHeard(*heard) : Ask(Fence(*open));
  }
  payment.failed_reason = std::string(WhyOver(payment, now));
  payment.state = State::kFailed;
  return std::nullopt;
}

// To a Pay of what IsUnpaid. The reason that it is told is the one that everybody is told from then on.
Decision RefuseUnpaid(PaymentRows& rows, absl::Time now) {
  if (rows.payment->state == State::kResolving) EndUnpaid(rows, std::nullopt, now);
  return Refuse(Over(absl::StatusCode::kAborted, *rows.payment, now));
}

// Its time is over and nobody has ended it. A Pay fences nothing then: what was begun in time may be paid still.
bool AwaitsDecision(const Payment& payment, absl::Time now) {
  return payment.state == State::kPending && now >= *payment.wait_until;
}

// What a customer whose attempt took nothing may rely on.
absl::string_view WithoutCharge(const PaymentRows& rows, absl::Time now) {
  if (IsPaid(*rows.payment) || OpenAttempt(rows) != nullptr) return "by this attempt you have not been charged";
  if (IsOver(*rows.payment, now)) return "you have not been charged";
  return "you have not been charged, and may pay by another method";
}

Decision GoOn(PaymentRows& rows, const Attempt& own, const std::optional<Heard>& heard, absl::Time now) {
  const Payment& payment = *rows.payment;
  switch (own.state) {
    case AttemptState::kCaptured:
      return Done();
    case AttemptState::kDeclined:
      return Refuse(
          Error(absl::StatusCode::kAborted,
                absl::StrCat("the payment was declined (", own.failed_reason, "); ", WithoutCharge(rows, now)),
                "PAYMENT_DECLINED", {{"payment_id", own.payment_id}, {"pg_reason", own.failed_reason}}));
    case AttemptState::kFenced:
      if (IsUnpaid(rows, now)) return RefuseUnpaid(rows, now);
      return Refuse(Error(absl::StatusCode::kAborted,
                          "the attempt was given up for another; by this one you have not been charged",
                          "PAYMENT_DECLINED", {{"payment_id", own.payment_id}, {"pg_reason", "ABANDONED"}}));
    case AttemptState::kOpen:
      break;
  }
  if (heard && heard->key == own.key) return heard->answer.kind == Kind::kPending ? Done() : NotHeard(*heard);
  if (AwaitsDecision(payment, now)) return NotKnown("PENDING");
  return Ask(payment.state == State::kResolving ? Fence(own) : Confirm(payment, own));
}

Decision Begin(PaymentRows& rows, const PayCall& call, const std::optional<Heard>& heard, absl::Time now) {
  Payment& payment = *rows.payment;
  if (IsPaid(payment)) {
    return Refuse(AlreadyPaid(call.payment_id, "the payment is made already; it is not taken twice"));
  }
  if (const Attempt* open = OpenAttempt(rows)) {
    if (heard && heard->key == open->key) return NotHeard(*heard);
    return AwaitsDecision(payment, now) ? NotKnown("PENDING") : Ask(Fence(*open));
  }
  if (IsOver(payment, now)) return RefuseUnpaid(rows, now);
  if (rows.attempts.size() >= kAttemptsMax) {
    return Refuse(Error(absl::StatusCode::kAborted, absl::StrCat("a payment has at most ", kAttemptsMax, " attempts"),
                        "PAYMENT_ATTEMPTS_EXHAUSTED", {{"payment_id", call.payment_id}}));
  }
  const int number = static_cast<int>(rows.attempts.size()) + 1;
  rows.attempts.push_back({.key = AttemptKey(call.payment_id, number),
                           .payment_id = call.payment_id,
                           .number = number,
                           .owner = call.owner,
                           .method = call.method,
                           .pg_transaction_id = "",
                           .failed_reason = "",
                           .create_time = now,
                           .inquire_at = now + kInquireFirst});
  return Ask(Confirm(payment, rows.attempts.back()));
}

// Whether it is there for a member.
bool IsOf(const PaymentRows& rows, absl::string_view member_id) {
  return rows.payment && rows.payment->is_collect() && rows.payment->member_id == member_id;
}

}  // namespace

bool IsSettled(const PaymentRows& rows) {
  if (!rows.payment || rows.payment->state == State::kPending) return false;
  if (rows.payment->state != State::kResolving) return true;
  const auto is_open = [](const Attempt& attempt) { return attempt.state == AttemptState::kOpen; };
  return rows.payment->is_collect() && std::none_of(rows.attempts.begin(), rows.attempts.end(), is_open);
}

Decision DecideCollect(PaymentRows& rows, const CollectCall& call, absl::Time now) {
  if (!rows.payment) {
    if (absl::Status status = CheckCollect(call); !status.ok()) return Refuse(std::move(status));
    const bool is_due = call.amount.minor_units > 0;
    rows.payment = Payment{.payment_id = call.payment_id,
                           .owner = call.owner,
                           .member_id = call.member_id,
                           .amount = call.amount,
                           .method = 0,
                           .state = is_due ? State::kPending : State::kSuccess,
                           .pg_transaction_id = "",
                           .failed_reason = "",
                           .refund_id = "",
                           .create_time = now,
                           .paid_at = is_due ? std::nullopt : std::optional(now),
                           .wait_until = call.wait_until};
  }
  const Payment& payment = *rows.payment;
  if (payment.owner != call.owner) return Refuse(PaymentAlreadyExists(call.payment_id));
  switch (payment.state) {
    case State::kPending:
      return Waits();
    case State::kResolving:  // by its customer; a resolve lets no copy of this call come here
      if (OpenAttempt(rows) != nullptr) return Waits();
      EndUnpaid(rows, std::nullopt, now);
      [[fallthrough]];
    case State::kFailed:
      return Refuse(Over(absl::StatusCode::kFailedPrecondition, payment, now));
    case State::kSuccess:
    case State::kRefunded:
      return Done();
  }
  return NotKnown("");
}

Decision DecideResolveCollect(PaymentRows& rows, bool decides, const std::optional<Heard>& heard, absl::Time now) {
  if (!rows.payment) return Never(Over(absl::StatusCode::kFailedPrecondition, kPaymentExpired, ""));
  Payment& payment = *rows.payment;
  const Finding finding = heard ? Hear(rows, heard->key, heard->answer, now) : Finding();
  const auto end = [&]() -> Decision {
    switch (payment.state) {
      case State::kPending:
        if (!decides) return Waits();
        [[fallthrough]];
      case State::kResolving:
        if (std::optional<Decision> more = EndUnpaid(rows, heard, now)) return *std::move(more);
        [[fallthrough]];
      case State::kFailed:
        return Never(Over(absl::StatusCode::kFailedPrecondition, payment, now));
      case State::kSuccess:
      case State::kRefunded:
        return Done();
    }
    return NotKnown("");
  };
  Decision decision = end();
  decision.alarm = finding.alarm;
  return decision;
}

Decision DecidePay(PaymentRows& rows, const PayCall& call, const std::optional<Heard>& heard, absl::Time now) {
  if (!IsOf(rows, call.member_id)) return Refuse(PaymentNotFound(call.payment_id));
  if (absl::Status status = CheckMethod(call.method); !status.ok()) return Refuse(std::move(status));
  const Finding finding = heard ? Hear(rows, heard->key, heard->answer, now) : Finding();
  const Attempt* const own = AttemptOf(rows, call.owner);
  Decision decision = own != nullptr ? GoOn(rows, *own, heard, now) : Begin(rows, call, heard, now);
  decision.alarm = finding.alarm;
  return decision;
}

Decision DecideCancel(PaymentRows& rows, absl::string_view payment_id, absl::string_view member_id,
                      const std::optional<Heard>& heard, absl::Time now) {
  if (!IsOf(rows, member_id)) return Refuse(PaymentNotFound(payment_id));
  const Finding finding = heard ? Hear(rows, heard->key, heard->answer, now) : Finding();
  const auto end = [&] {
    if (IsPaid(*rows.payment)) {
      return Refuse(AlreadyPaid(payment_id, "the payment is made already; cancel its order once that is PAID"));
    }
    if (rows.payment->state == State::kFailed) return Done();
    return EndUnpaid(rows, heard, now).value_or(Done());
  };
  Decision decision = end();
  decision.alarm = finding.alarm;
  return decision;
}

const Attempt* AttemptOf(const PaymentRows& rows, absl::string_view owner) {
  const auto is_owned = [&](const Attempt& attempt) { return attempt.owner == owner; };
  const auto found = std::find_if(rows.attempts.begin(), rows.attempts.end(), is_owned);
  return found == rows.attempts.end() ? nullptr : &*found;
}

}  // namespace unwind::payment
