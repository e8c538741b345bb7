#include "payment_svc/collect.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc/error.h"

namespace unwind::payment {
namespace {

using Kind = GatewayAnswer::Kind;

constexpr absl::string_view kChargePrefix = "charge-";
constexpr std::int64_t kYear10000 = 253'402'300'800;
constexpr absl::string_view kAttemptPrefix = "pay-";
constexpr absl::Duration kReturnPause = absl::Seconds(2);  // before another key is tried

Finding Known(std::string alarm = "") { return {Finding::Kind::kKnown, std::move(alarm)}; }
Finding News(std::string alarm = "") { return {Finding::Kind::kNews, std::move(alarm)}; }
Finding Mismatch(absl::string_view key, absl::string_view what) {
  return {Finding::Kind::kMismatch, absl::StrCat("of key ", key, " the gateway says ", what)};
}

bool IsNo(const GatewayAnswer& word) { return word.kind == Kind::kDeclined || word.kind == Kind::kFenced; }

// Why a capture cannot be that of `payment`; empty: it can.
std::string WhyNot(const Payment& payment, const GatewayAnswer& word) {
  if (word.amount == payment.amount && word.captured.empty()) return "";
  return absl::StrCat("that it took ", Show(word.amount), " (transaction ", word.transaction_id, ") for payment ",
                      payment.payment_id, ", which asks for ", Show(payment.amount));
}

// It was taken after the gateway had said no; `row` is the key's.
template <class Row>
Finding TakeLate(PaymentRows& rows, Row& row, absl::string_view key, const GatewayAnswer& word, absl::Time now) {
  if (std::string why = WhyNot(*rows.payment, word); !why.empty()) return Mismatch(key, why);
  for (const Return& due : rows.returns) {
    if (due.key != key) continue;
    if (due.captured == word.transaction_id) return Known();
    return Mismatch(key, absl::StrCat("a second capture, ", word.transaction_id, " after ", due.captured));
  }
  row.inquire_at.reset();
  rows.returns.push_back({.key = std::string(key),
                          .payment_id = rows.payment->payment_id,
                          .captured = word.transaction_id,
                          .amount = word.amount,
                          .create_time = now,
                          .try_at = now});
  Finding finding = News(absl::StrCat("of key ", key, " the gateway took ", Show(word.amount), " (transaction ",
                                      word.transaction_id, ") after it had declined or fenced it; it is paid back"));
  finding.is_late = true;
  return finding;
}

// A final no is asked for no more.
template <class Row>
Finding HearNoAgain(Row& row, const GatewayAnswer& word) {
  if (!IsNo(word) || !word.is_final || !row.inquire_at) return Known(word.contradiction);
  row.inquire_at.reset();
  return News();
}

// Of what took the money, as `transaction` says.
Finding HearAfterSuccess(absl::string_view key, const std::string& transaction, const GatewayAnswer& word) {
  if (IsNo(word)) return Mismatch(key, absl::StrCat("no, after the capture ", transaction));
  if (word.kind == Kind::kMoved && word.transaction_id != transaction) {
    return Mismatch(key, absl::StrCat("a second capture, ", word.transaction_id, " after ", transaction));
  }
  return Known(word.contradiction);
}

Finding HearCharge(PaymentRows& rows, absl::string_view key, const GatewayAnswer& word, absl::Time now) {
  Payment& payment = *rows.payment;
  switch (payment.state) {
    case State::kPending:
    case State::kResolving: {
      const Decision decision = SettleCharge(payment, word, now);
      if (decision.kind == Decision::Kind::kDone || decision.kind == Decision::Kind::kRefused) return News();
      if (word.kind == Kind::kMoved) return {Finding::Kind::kMismatch, decision.alarm};
      return Known(decision.alarm);
    }
    case State::kSuccess:
    case State::kRefunded:
      return HearAfterSuccess(key, payment.pg_transaction_id, word);
    case State::kFailed:
      return word.kind == Kind::kMoved ? TakeLate(rows, payment, key, word, now) : HearNoAgain(payment, word);
  }
  return Known();
}

Finding HearOpen(Payment& payment, Attempt& attempt, const GatewayAnswer& word, absl::Time now) {
  switch (word.kind) {
    case Kind::kMoved:
      if (std::string why = WhyNot(payment, word); !why.empty()) return Mismatch(attempt.key, why);
      attempt.state = AttemptState::kCaptured;
      attempt.pg_transaction_id = word.transaction_id;
      attempt.inquire_at.reset();
      payment.state = State::kSuccess;
      payment.method = attempt.method;
      payment.pg_transaction_id = word.transaction_id;
      payment.paid_at = now;
      return News();
    case Kind::kDeclined:
    case Kind::kFenced:
      attempt.state = word.kind == Kind::kDeclined ? AttemptState::kDeclined : AttemptState::kFenced;
      if (word.kind == Kind::kDeclined) attempt.failed_reason = word.reason;
      attempt.inquire_at = word.is_final ? std::nullopt : std::optional(now + kInquireFirst);
      return News();
    case Kind::kPending:
    case Kind::kBackAlready:
    case Kind::kUnknown:
      break;
  }
  return Known(word.contradiction);
}

Finding HearAttempt(PaymentRows& rows, Attempt& attempt, const GatewayAnswer& word, absl::Time now) {
  switch (attempt.state) {
    case AttemptState::kOpen:
      return HearOpen(*rows.payment, attempt, word, now);
    case AttemptState::kCaptured:
      return HearAfterSuccess(attempt.key, attempt.pg_transaction_id, word);
    case AttemptState::kDeclined:
    case AttemptState::kFenced:
      return word.kind == Kind::kMoved ? TakeLate(rows, attempt, attempt.key, word, now) : HearNoAgain(attempt, word);
  }
  return Known();
}

absl::Status Expired(absl::StatusCode code, absl::string_view payment_id) {
  return Error(code, "the payment was not made in time, or was cancelled; you have not been charged", kPaymentExpired,
               {{"payment_id", std::string(payment_id)}});
}

absl::Status CheckCollect(const CollectCall& call) {
  if (absl::Status status = CheckAmount(call.amount); !status.ok()) return status;
  if (call.wait_until > absl::UnixEpoch() && call.wait_until < absl::FromUnixSeconds(kYear10000)) {
    return absl::OkStatus();
  }
  return MakeBadRequest(kErrorDomain, {{"wait_until", "must be a time from 1970 to the year 9999"}});
}

Attempt* OpenAttempt(PaymentRows& rows) {
  for (Attempt& attempt : rows.attempts) {
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

// Of an attempt that was asked about and is open still.
Decision NotHeard(const Heard& heard) {
  return NotKnown(heard.answer.kind == Kind::kMoved ? "MISMATCH" : heard.answer.reason);
}

Decision GoOn(const Payment& payment, const Attempt& own, const std::optional<Heard>& heard, absl::Time now) {
  switch (own.state) {
    case AttemptState::kCaptured:
      return Done();
    case AttemptState::kDeclined:
      return Refuse(Error(absl::StatusCode::kAborted,
                          absl::StrCat("the payment was declined (", own.failed_reason,
                                       "); you have not been charged, and may pay by another method"),
                          "PAYMENT_DECLINED", {{"payment_id", own.payment_id}, {"pg_reason", own.failed_reason}}));
    case AttemptState::kFenced:
      if (IsOver(payment, now) && !IsPaid(payment)) return Refuse(Expired(absl::StatusCode::kAborted, own.payment_id));
      return Refuse(Error(absl::StatusCode::kAborted,
                          "the attempt was given up for another; by this one you have not been charged",
                          "PAYMENT_DECLINED", {{"payment_id", own.payment_id}, {"pg_reason", "ABANDONED"}}));
    case AttemptState::kOpen:
      break;
  }
  if (heard && heard->key == own.key) return heard->answer.kind == Kind::kPending ? Done() : NotHeard(*heard);
  return Ask(IsOver(payment, now) ? Fence(own) : Confirm(payment, own));
}

Decision Begin(PaymentRows& rows, const PayCall& call, const std::optional<Heard>& heard, absl::Time now) {
  Payment& payment = *rows.payment;
  if (IsPaid(payment)) {
    return Refuse(Error(absl::StatusCode::kAlreadyExists, "the payment is made already; it is not taken twice",
                        "PAYMENT_ALREADY_PAID", {{"payment_id", call.payment_id}}));
  }
  if (IsOver(payment, now)) return Refuse(Expired(absl::StatusCode::kAborted, call.payment_id));
  if (const Attempt* open = OpenAttempt(rows)) {
    if (heard && heard->key == open->key) return NotHeard(*heard);
    return Ask(Fence(*open));
  }
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

}  // namespace

std::string AttemptKey(absl::string_view payment_id, int number) {
  return absl::StrCat(kAttemptPrefix, number, "-", payment_id);
}

std::string ReturnKey(const Return& due) { return absl::StrCat("return-", due.tries, "-", due.key); }

std::string PaymentIdOf(absl::string_view key) {
  if (absl::ConsumePrefix(&key, kChargePrefix)) return std::string(key);
  int number = 0;
  if (!absl::ConsumePrefix(&key, kAttemptPrefix)) return "";
  const std::size_t dash = key.find('-');
  if (dash == absl::string_view::npos || !absl::SimpleAtoi(key.substr(0, dash), &number)) return "";
  const std::string id(key.substr(dash + 1));
  return AttemptKey(id, number) == absl::StrCat(kAttemptPrefix, key) ? id : "";
}

Finding Hear(PaymentRows& rows, absl::string_view key, const GatewayAnswer& word, absl::Time now) {
  if (rows.payment && !rows.payment->is_collect() && key == ChargeKey(rows.payment->payment_id)) {
    return HearCharge(rows, key, word, now);
  }
  for (Attempt& attempt : rows.attempts) {
    if (rows.payment && attempt.key == key) return HearAttempt(rows, attempt, word, now);
  }
  return {Finding::Kind::kNoSuchKey, ""};
}

Finding HearReturn(Return& due, const GatewayAnswer& word, absl::Time now) {
  if (due.done) return Known();
  switch (word.kind) {
    case Kind::kMoved:
      if (word.amount != due.amount || word.captured != due.captured) {
        return Mismatch(ReturnKey(due),
                        absl::StrCat("that it paid back ", Show(word.amount), " of transaction ", word.captured,
                                     ", and not ", Show(due.amount), " of ", due.captured));
      }
      due.done = true;
      return News();
    case Kind::kBackAlready:
      due.done = true;
      return News();
    case Kind::kDeclined:
    case Kind::kFenced:  // of a key it is for ever
      ++due.tries;
      due.try_at = now + kReturnPause;
      return News(absl::StrCat("the gateway does not pay back transaction ", due.captured, " (", word.reason,
                               "), which it took after it had declined or fenced its key; it is asked again"));
    case Kind::kPending:
    case Kind::kUnknown:
      break;
  }
  return Known(word.contradiction);
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
    case State::kResolving:
      return Waits();
    case State::kSuccess:
    case State::kRefunded:
      return Done();
    case State::kFailed:
      return Refuse(Expired(absl::StatusCode::kFailedPrecondition, call.payment_id));
  }
  return NotKnown("");
}

Decision DecideResolveCollect(PaymentRows& rows, bool decides, const std::optional<Heard>& heard, absl::Time now) {
  if (!rows.payment) return Never(Expired(absl::StatusCode::kFailedPrecondition, ""));
  Payment& payment = *rows.payment;
  const Finding finding = heard ? Hear(rows, heard->key, heard->answer, now) : Finding();
  const auto end = [&]() -> Decision {
    switch (payment.state) {
      case State::kPending:
        if (!decides) return Waits();
        payment.state = State::kResolving;
        [[fallthrough]];
      case State::kResolving:
        if (const Attempt* open = OpenAttempt(rows)) {
          return heard && heard->key == open->key ? NotHeard(*heard) : Ask(Fence(*open));
        }
        payment.state = State::kFailed;
        payment.failed_reason = std::string(kPaymentExpired);
        [[fallthrough]];
      case State::kFailed:
        return Never(Expired(absl::StatusCode::kFailedPrecondition, payment.payment_id));
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
  if (!rows.payment || !rows.payment->is_collect() || rows.payment->member_id != call.member_id) {
    return Refuse(PaymentNotFound(call.payment_id));
  }
  if (absl::Status status = CheckMethod(call.method); !status.ok()) return Refuse(std::move(status));
  const Finding finding = heard ? Hear(rows, heard->key, heard->answer, now) : Finding();
  const Attempt* const own = AttemptOf(rows, call.owner);
  Decision decision = own != nullptr ? GoOn(*rows.payment, *own, heard, now) : Begin(rows, call, heard, now);
  decision.alarm = finding.alarm;
  return decision;
}

const Attempt* AttemptOf(const PaymentRows& rows, absl::string_view owner) {
  const auto is_owned = [&](const Attempt& attempt) { return attempt.owner == owner; };
  const auto found = std::find_if(rows.attempts.begin(), rows.attempts.end(), is_owned);
  return found == rows.attempts.end() ? nullptr : &*found;
}

}  // namespace unwind::payment
