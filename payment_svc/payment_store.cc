#include "payment_svc/payment_store.h"

#include <utility>

#include "nlohmann/json.hpp"
#include "soci/soci.h"

namespace unwind::payment {
namespace {

constexpr char kLoadPayments[] =
    "SELECT payment_id, owner, member_id, amount_minor, currency_code, method, state, pg_transaction_id, failed_reason,"
    " refund_id, create_time_us, paid_at_us"
    " FROM payments WHERE payment_id IN (SELECT value FROM json_each(:ids))";

constexpr char kLoadRefunds[] =
    "SELECT refund_id, owner, payment_id, state, pg_transaction_id, failed_reason, create_time_us"
    " FROM refunds WHERE refund_id IN (SELECT value FROM json_each(:ids))";

constexpr char kSavePayments[] =
    "INSERT INTO payments (payment_id, owner, member_id, amount_minor, currency_code, method, state, pg_transaction_id,"
    " failed_reason, refund_id, create_time_us, paid_at_us)"
    " VALUES (:id, :owner, :member, :amount, :currency, :method, :state, :pg, :failed, :refund, :created, :paid)"
    " ON CONFLICT (payment_id) DO UPDATE SET state = excluded.state, pg_transaction_id = excluded.pg_transaction_id,"
    " failed_reason = excluded.failed_reason, refund_id = excluded.refund_id, paid_at_us = excluded.paid_at_us";

constexpr char kSaveRefunds[] =
    "INSERT INTO refunds (refund_id, owner, payment_id, state, pg_transaction_id, failed_reason, create_time_us)"
    " VALUES (:id, :owner, :payment, :state, :pg, :failed, :created)"
    " ON CONFLICT (refund_id) DO UPDATE SET state = excluded.state, pg_transaction_id = excluded.pg_transaction_id,"
    " failed_reason = excluded.failed_reason";

constexpr char kCountPending[] =
    "SELECT (SELECT count(*) FROM payments WHERE state IN (1, 2)) + (SELECT count(*) FROM refunds WHERE state IN (1, "
    "2))";

// Rows that have no value: every id that was asked for.
template <class Rows>
Rows Asked(const std::vector<std::string>& ids) {
  Rows rows;
  for (const std::string& id : ids) rows.try_emplace(id);
  return rows;
}

}  // namespace

Payments LoadPayments(soci::session& session, const std::vector<std::string>& payment_ids) {
  Payments payments = Asked<Payments>(payment_ids);
  if (payments.empty()) return payments;
  const std::string ids = nlohmann::json(payment_ids).dump();
  Payment row;
  long long amount = 0, method = 0, state = 0, created = 0, paid = 0;
  soci::statement select =
      (session.prepare << kLoadPayments, soci::use(ids), soci::into(row.payment_id), soci::into(row.owner),
       soci::into(row.member_id), soci::into(amount), soci::into(row.amount.currency_code), soci::into(method),
       soci::into(state), soci::into(row.pg_transaction_id), soci::into(row.failed_reason), soci::into(row.refund_id),
       soci::into(created), soci::into(paid));
  select.execute();
  while (select.fetch()) {
    row.amount.minor_units = amount;
    row.method = static_cast<int>(method);
    row.state = static_cast<State>(state);
    row.create_time = absl::FromUnixMicros(created);
    row.paid_at = paid == 0 ? std::nullopt : std::optional(absl::FromUnixMicros(paid));
    payments[row.payment_id] = row;
  }
  return payments;
}

Refunds LoadRefunds(soci::session& session, const std::vector<std::string>& refund_ids) {
  Refunds refunds = Asked<Refunds>(refund_ids);
  if (refunds.empty()) return refunds;
  const std::string ids = nlohmann::json(refund_ids).dump();
  Refund row;
  long long state = 0, created = 0;
  soci::statement select = (session.prepare << kLoadRefunds, soci::use(ids), soci::into(row.refund_id),
                            soci::into(row.owner), soci::into(row.payment_id), soci::into(state),
                            soci::into(row.pg_transaction_id), soci::into(row.failed_reason), soci::into(created));
  select.execute();
  while (select.fetch()) {
    row.state = static_cast<State>(state);
    row.create_time = absl::FromUnixMicros(created);
    refunds[row.refund_id] = row;
  }
  return refunds;
}

void SavePayments(soci::session& session, const std::vector<Payment>& payments) {
  if (payments.empty()) return;
  std::vector<std::string> ids, owners, members, currencies, transactions, reasons, refunds;
  std::vector<long long> amounts, methods, states, created, paid;
  for (const Payment& payment : payments) {
    ids.push_back(payment.payment_id);
    owners.push_back(payment.owner);
    members.push_back(payment.member_id);
    amounts.push_back(payment.amount.minor_units);
    currencies.push_back(payment.amount.currency_code);
    methods.push_back(payment.method);
    states.push_back(static_cast<long long>(payment.state));
    transactions.push_back(payment.pg_transaction_id);
    reasons.push_back(payment.failed_reason);
    refunds.push_back(payment.refund_id);
    created.push_back(absl::ToUnixMicros(payment.create_time));
    paid.push_back(payment.paid_at ? absl::ToUnixMicros(*payment.paid_at) : 0);
  }
  session << kSavePayments, soci::use(ids), soci::use(owners), soci::use(members), soci::use(amounts),
      soci::use(currencies), soci::use(methods), soci::use(states), soci::use(transactions), soci::use(reasons),
      soci::use(refunds), soci::use(created), soci::use(paid);
}

void SaveRefunds(soci::session& session, const std::vector<Refund>& refunds) {
  if (refunds.empty()) return;
  std::vector<std::string> ids, owners, payments, transactions, reasons;
  std::vector<long long> states, created;
  for (const Refund& refund : refunds) {
    ids.push_back(refund.refund_id);
    owners.push_back(refund.owner);
    payments.push_back(refund.payment_id);
    states.push_back(static_cast<long long>(refund.state));
    transactions.push_back(refund.pg_transaction_id);
    reasons.push_back(refund.failed_reason);
    created.push_back(absl::ToUnixMicros(refund.create_time));
  }
  session << kSaveRefunds, soci::use(ids), soci::use(owners), soci::use(payments), soci::use(states),
      soci::use(transactions), soci::use(reasons), soci::use(created);
}

std::int64_t CountPending(soci::session& session) {
  long long count = 0;
  session << kCountPending, soci::into(count);
  return count;
}

std::int64_t ClearPayments(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM payments", soci::into(count);
  session << "DELETE FROM refunds";
  session << "DELETE FROM payments";
  return count;
}

}  // namespace unwind::payment
