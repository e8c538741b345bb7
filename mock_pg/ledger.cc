#include "mock_pg/ledger.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::pg {
namespace {

absl::Status Refuse(absl::StatusCode code, absl::string_view message, absl::string_view reason,
                    const Operation& operation) {
  return MakeError(code, message,
                   {std::string(reason), std::string(kErrorDomain), {{"idempotency_key", operation.key}}});
}

absl::Status Decline(absl::string_view reason, const Operation& operation) {
  return Refuse(absl::StatusCode::kFailedPrecondition, "the payment was declined", reason, operation);
}

// What is asked, in words; equal for a repeat and only for a repeat.
std::string RequestOf(const Operation& operation) {
  switch (operation.verb) {
    case Verb::kConfirm:
      return absl::StrCat("confirm ", operation.amount_minor, " ", operation.currency_code);
    case Verb::kCancel:
      if (operation.amount_minor == 0) return absl::StrCat("cancel ", operation.captured);
      return absl::StrCat("cancel ", operation.captured, " ", operation.amount_minor);
    case Verb::kFence:
      return "";
  }
  return "";
}

Entry NewEntry(const Operation& operation, Kind kind) {
  Entry entry;
  entry.transaction_id = operation.transaction_id;
  entry.idempotency_key = operation.key;
  entry.kind = kind;
  entry.request = RequestOf(operation);
  entry.create_time = operation.now;
  return entry;
}

Verdict Say(Entry entry) {
  Verdict verdict;
  verdict.entry = std::move(entry);
  return verdict;
}

Verdict Say(absl::Status status) {
  Verdict verdict;
  verdict.status = std::move(status);
  return verdict;
}

Verdict AlreadyRefunded(const Operation& operation) {
  return Say(Refuse(absl::StatusCode::kFailedPrecondition, "the transaction is refunded already", "ALREADY_REFUNDED",
                    operation));
}

Verdict KeyReused(const Operation& operation) {
  return Say(
      Refuse(absl::StatusCode::kInvalidArgument, "this key was used for another request", "KEY_REUSED", operation));
}

Verdict Repeat(const Ledger& ledger, const Entry& entry, const Operation& operation) {
  if (operation.verb == Verb::kFence) {
    const bool moved = entry.kind == Kind::kCapture || entry.kind == Kind::kRefund;
    if (!moved && ledger.IsRefunded(operation.captured)) return AlreadyRefunded(operation);
    Verdict verdict = Say(entry);
    verdict.entry.may_change = ledger.IntentOf(operation.key) != nullptr;
    return verdict;
  }
  if (entry.kind == Kind::kFence) {
    return Say(Refuse(absl::StatusCode::kFailedPrecondition, "this key was fenced and moves no money", "KEY_FENCED",
                      operation));
  }
  if (entry.request != RequestOf(operation)) {
    return KeyReused(operation);
  }
  if (entry.kind == Kind::kDecline) return Say(Decline(entry.decline_reason, operation));
  return Say(entry);
}

// It is finished later, or told before it is answered.
Verdict PutOff(const Later& later, const Operation& operation, std::string decline_reason) {
  Verdict verdict;
  verdict.entry = NewEntry(operation, Kind::kPending);
  verdict.entry.amount_minor = operation.amount_minor;
  verdict.entry.currency_code = operation.currency_code;
  verdict.entry.may_change = true;
  Intent intent{verdict.entry,        std::move(decline_reason), operation.now + later.delay,
                later.survives_fence, later.after_fence,         later.webhook};
  if (later.early) {
    verdict.write = Finish(intent, operation.now);
    verdict.tell = later.webhook;
  } else {
    verdict.accept = std::move(intent);
  }
  return verdict;
}

// A new key that may move money: what the scenario lets become of it.
Verdict Move(Scenario& scenario, const Operation& operation, const Entry& moved) {
  const bool capture = moved.kind == Kind::kCapture;
  Fate fate = DrawFate(scenario, operation.key, capture ? std::optional(moved.amount_minor) : std::nullopt);
  if (fate.later) {
    Verdict verdict = PutOff(*fate.later, operation, std::move(fate.decline_reason));
    verdict.hang = fate.hang;
    return verdict;
  }
  Verdict verdict;
  verdict.hang = fate.hang;
  verdict.entry = moved;
  if (!fate.decline_reason.empty()) {
    verdict.status = Decline(fate.decline_reason, operation);
    verdict.entry = NewEntry(operation, Kind::kDecline);
    verdict.entry.currency_code = moved.currency_code;
    verdict.entry.decline_reason = std::move(fate.decline_reason);
  }
  verdict.write = verdict.entry;
  return verdict;
}

// The key of what is finished later.
Verdict Meet(const Intent& intent, const Operation& operation) {
  if (operation.verb == Verb::kFence) {
    Verdict verdict = Say(NewEntry(operation, Kind::kFence));
    verdict.write = verdict.entry;
    verdict.drop = !intent.survives_fence;
    verdict.entry.may_change = intent.survives_fence;
    const bool has_new_end = intent.survives_fence && intent.after_fence > absl::ZeroDuration();
    if (has_new_end) verdict.due = operation.now + intent.after_fence;
    return verdict;
  }
  if (intent.pending.request != RequestOf(operation)) return KeyReused(operation);
  return Say(intent.pending);
}

Verdict Confirm(Scenario& scenario, const Operation& operation) {
  Entry capture = NewEntry(operation, Kind::kCapture);
  capture.amount_minor = operation.amount_minor;
  capture.currency_code = operation.currency_code;
  return Move(scenario, operation, capture);
}

Verdict Cancel(const Ledger& ledger, Scenario& scenario, const Operation& operation) {
  const Entry* capture = ledger.CaptureOf(operation.captured);
  if (capture == nullptr) return Say(TransactionNotFound(absl::StrCat("transaction \"", operation.captured, "\"")));
  if (ledger.IsRefunded(operation.captured)) return AlreadyRefunded(operation);
  if (operation.amount_minor > capture->amount_minor) {
    return Say(MakeBadRequest(kErrorDomain, {{"amount_minor", absl::StrCat("must be at most what was captured, ",
                                                                           capture->amount_minor, " minor units")}}));
  }
  Entry refund = NewEntry(operation, Kind::kRefund);
  refund.amount_minor = operation.amount_minor == 0 ? capture->amount_minor : operation.amount_minor;
  refund.currency_code = capture->currency_code;
  refund.captured_transaction_id = capture->transaction_id;
  return Move(scenario, operation, refund);
}

Verdict Fence(const Ledger& ledger, const Operation& operation) {
  Entry fence = NewEntry(operation, Kind::kFence);
  Verdict verdict = ledger.IsRefunded(operation.captured) ? AlreadyRefunded(operation) : Say(fence);
  verdict.write = std::move(fence);
  return verdict;
}

}  // namespace

void Ledger::Add(Entry entry) {
  std::string key = entry.idempotency_key;
  const Entry& added = by_key_.insert_or_assign(std::move(key), std::move(entry)).first->second;
  if (added.kind == Kind::kCapture) captures_[added.transaction_id] = &added;
  if (added.kind == Kind::kRefund) refunds_[added.captured_transaction_id] = &added;
}

void Ledger::Accept(Intent intent) {
  std::string key = intent.pending.idempotency_key;
  intents_.insert_or_assign(std::move(key), std::move(intent));
}

void Ledger::Drop(const std::string& key) { intents_.erase(key); }

const Intent* Ledger::IntentOf(const std::string& key) const {
  const auto found = intents_.find(key);
  return found == intents_.end() ? nullptr : &found->second;
}

const Entry* Ledger::ByKey(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &found->second;
}

const Entry* Ledger::CaptureOf(const std::string& transaction_id) const {
  const auto found = captures_.find(transaction_id);
  return found == captures_.end() ? nullptr : found->second;
}

bool Ledger::IsRefunded(const std::string& transaction_id) const { return refunds_.count(transaction_id) > 0; }

Verdict Decide(const Ledger& ledger, Scenario& scenario, const Operation& operation) {
  if (const Entry* entry = ledger.ByKey(operation.key)) return Repeat(ledger, *entry, operation);
  if (const Intent* intent = ledger.IntentOf(operation.key)) return Meet(*intent, operation);
  switch (operation.verb) {
    case Verb::kConfirm:
      return Confirm(scenario, operation);
    case Verb::kCancel:
      return Cancel(ledger, scenario, operation);
    case Verb::kFence:
      return Fence(ledger, operation);
  }
  return Say(absl::InternalError("unknown verb"));
}

Entry Finish(const Intent& intent, absl::Time now) {
  Entry entry = intent.pending;
  entry.kind = intent.decline_reason.empty() ? Kind::kCapture : Kind::kDecline;
  if (entry.kind == Kind::kDecline) entry.amount_minor = 0;
  entry.decline_reason = intent.decline_reason;
  entry.create_time = now;
  entry.may_change = false;
  return entry;
}

absl::Status TransactionNotFound(absl::string_view what) {
  return MakeError(absl::StatusCode::kNotFound, absl::StrCat("the ledger holds no ", what),
                   {"TRANSACTION_NOT_FOUND", std::string(kErrorDomain), {}});
}

absl::Status CheckOperation(const Operation& operation) {
  std::vector<FieldViolation> violations;
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (!std::all_of(operation.key.begin(), operation.key.end(), printable)) {
    violations.push_back({"idempotency_key", "must be printable ASCII"});
  }
  const std::string& currency = operation.currency_code;
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  if (operation.verb == Verb::kConfirm &&
      (currency.size() != 3 || !std::all_of(currency.begin(), currency.end(), capital))) {
    violations.push_back({"currency_code", "must be three capital letters, such as KRW"});
  }
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(kErrorDomain, violations);
}

}  // namespace unwind::pg
