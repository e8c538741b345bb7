#include "payment_svc/reconcile_store.h"

#include "common/db/statement.h"
#include "payment_svc/collect.h"
#include "soci/soci.h"

namespace unwind::payment {
namespace {

using Stands = OwnKey::Stands;

constexpr char kLast[] = "SELECT end_time_us, differences FROM reconciliation";

constexpr char kPut[] =
    "INSERT INTO reconciliation (one, end_time_us, differences) VALUES (1, :end, :differences)"
    " ON CONFLICT (one) DO UPDATE SET end_time_us = excluded.end_time_us, differences = excluded.differences";

// Of a payment that is being paid back nothing is known to stand.
#define UNWIND_IS_BEING_REFUNDED "p.state = 3 AND p.refund_id <> ''"

constexpr char kCharges[] =
    "SELECT 'charge-' || p.payment_id, p.payment_id, CASE WHEN " UNWIND_IS_BEING_REFUNDED
    " THEN 1 ELSE p.state END, p.pg_transaction_id, p.amount_minor, p.currency_code, COALESCE(r.kept_minor, 0),"
    " CASE WHEN " UNWIND_IS_BEING_REFUNDED
    " THEN r.create_time_us WHEN p.paid_at_us > 0 THEN p.paid_at_us ELSE p.create_time_us END, p.inquire_at_us"
    " FROM payments p LEFT JOIN refunds r ON r.refund_id = p.refund_id"
    " WHERE p.wait_until_us = 0 AND p.amount_minor > 0";

// The states of their payment where they took the money.
constexpr char kAttempts[] =
    "SELECT a.gateway_key, a.payment_id, CASE WHEN a.state = 1 THEN 1 WHEN a.state <> 2 THEN 4"
    " WHEN " UNWIND_IS_BEING_REFUNDED
    " THEN 1 ELSE p.state END, a.pg_transaction_id, p.amount_minor, p.currency_code, COALESCE(r.kept_minor, 0),"
    " CASE WHEN " UNWIND_IS_BEING_REFUNDED
    " THEN r.create_time_us WHEN p.paid_at_us > 0 THEN p.paid_at_us ELSE a.create_time_us END, a.inquire_at_us"
    " FROM attempts a JOIN payments p ON p.payment_id = a.payment_id LEFT JOIN refunds r ON r.refund_id = p.refund_id";

constexpr char kReturns[] =
    "SELECT gateway_key, payment_id, CASE WHEN done = 1 THEN 5 ELSE 1 END, captured_transaction_id, amount_minor,"
    " currency_code, 0, create_time_us, 0 FROM returns";

constexpr char kStates[] = "SELECT payment_id, state FROM payments";

Stands StandsOf(long long state) {
  switch (static_cast<State>(state)) {
    case State::kPending:
    case State::kResolving:
      return Stands::kOpen;
    case State::kSuccess:
      return Stands::kTaken;
    case State::kFailed:
      return Stands::kNothing;
    case State::kRefunded:
      return Stands::kPaidBack;
  }
  return Stands::kOpen;
}

void Load(soci::session& session, const char* sql, OwnBooks& books) {
  std::string key;
  OwnKey row;
  long long state = 0, amount = 0, kept = 0, time = 0, inquire = 0;
  Statement select(session, sql, soci::into(key), soci::into(row.payment_id), soci::into(state),
                   soci::into(row.transaction), soci::into(amount), soci::into(row.amount.currency_code),
                   soci::into(kept), soci::into(time), soci::into(inquire));
  select.Execute();
  while (select.Fetch()) {
    row.stands = StandsOf(state);
    row.amount.minor_units = amount;
    row.kept = kept;
    row.time = absl::FromUnixMicros(time);
    row.is_inquired = inquire > 0;
    books.insert_or_assign(key, row);
  }
}

}  // namespace

Reconciliation LastReconciliation(soci::session& session) {
  long long end = 0, differences = 0;
  RunOnce(session, kLast, soci::into(end), soci::into(differences));
  return {absl::FromUnixMicros(end), differences};
}

void PutReconciliation(soci::session& session, const Reconciliation& reconciliation) {
  const long long end = absl::ToUnixMicros(reconciliation.end);
  const long long differences = reconciliation.differences;
  RunOnce(session, kPut, soci::use(end), soci::use(differences));
}

OwnBooks LoadOwnBooks(soci::session& session) {
  OwnBooks books;
  Load(session, kCharges, books);
  Load(session, kAttempts, books);
  Load(session, kReturns, books);  // what they say of a key is more than that it took nothing
  return books;
}

std::map<std::string, State> LoadPaymentStates(soci::session& session) {
  std::string payment_id;
  long long state = 0;
  Statement select(session, kStates, soci::into(payment_id), soci::into(state));
  select.Execute();
  std::map<std::string, State> states;
  while (select.Fetch()) states.emplace(payment_id, static_cast<State>(state));
  return states;
}

}  // namespace unwind::payment
