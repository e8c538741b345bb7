#include "payment_svc/finding.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace unwind::payment {
namespace {

using Kind = GatewayAnswer::Kind;

constexpr absl::string_view kChargePrefix = "charge-";
constexpr absl::string_view kAttemptPrefix = "pay-";
constexpr absl::Duration kReturnPauseMin = absl::Seconds(2);
constexpr absl::Duration kReturnPauseMax = absl::Minutes(10);

Finding Known(std::string alarm = "") { return {Finding::Kind::kKnown, std::move(alarm)}; }
Finding News(std::string alarm = "") { return {Finding::Kind::kNews, std::move(alarm)}; }
Finding Mismatch(absl::string_view key, absl::string_view what) {
  return {Finding::Kind::kMismatch, absl::StrCat("of key ", key, " the gateway says ", what)};
}

// Before another key is tried. A gateway that declines one may decline all, and keeps an entry of each.
absl::Duration ReturnPause(const Return& due, absl::Time now) {
  return std::clamp((now - due.create_time) / 4, kReturnPauseMin, kReturnPauseMax);
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
      due.try_at = now + ReturnPause(due, now);
      return News(absl::StrCat("the gateway does not pay back transaction ", due.captured, " (", word.reason,
                               "), which it took after it had declined or fenced its key; it is asked again"));
    case Kind::kPending:
    case Kind::kUnknown:
      break;
  }
  return Known(word.contradiction);
}

}  // namespace unwind::payment
