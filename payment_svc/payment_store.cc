#include "payment_svc/payment_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "soci/soci.h"

namespace unwind::payment {
namespace {

constexpr char kLoadPayments[] =
    "SELECT payment_id, owner, member_id, amount_minor, currency_code, method, state, pg_transaction_id, failed_reason,"
    " refund_id, create_time_us, paid_at_us, wait_until_us, inquire_at_us"
    " FROM payments WHERE payment_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY payment_id";
constexpr char kForUpdate[] = " FOR UPDATE";

constexpr char kLoadRefunds[] =
    "SELECT refund_id, owner, payment_id, state, pg_transaction_id, failed_reason, kept_minor, create_time_us"
    " FROM refunds WHERE refund_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY refund_id";

constexpr char kInsertPayments[] =
    "INSERT INTO payments (payment_id, owner, member_id, amount_minor, currency_code, method, state, pg_transaction_id,"
    " failed_reason, refund_id, create_time_us, paid_at_us, wait_until_us, inquire_at_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT), r.value ->> 4,"
    " CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT), r.value ->> 7, r.value ->> 8, r.value ->> 9,"
    " CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT), CAST(r.value ->> 12 AS BIGINT),"
    " CAST(r.value ->> 13 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdatePayments[] =
    "UPDATE payments SET state = CAST(r.value ->> 1 AS BIGINT), pg_transaction_id = r.value ->> 2,"
    " failed_reason = r.value ->> 3, refund_id = r.value ->> 4, paid_at_us = CAST(r.value ->> 5 AS BIGINT),"
    " method = CAST(r.value ->> 6 AS BIGINT), inquire_at_us = CAST(r.value ->> 7 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE payment_id = r.value ->> 0";

constexpr char kInsertRefunds[] =
    "INSERT INTO refunds (refund_id, owner, payment_id, state, pg_transaction_id, failed_reason, kept_minor,"
    " create_time_us) SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, r.value ->> 5, CAST(r.value ->> 6 AS BIGINT), CAST(r.value ->> 7 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateRefunds[] =
    "UPDATE refunds SET state = CAST(r.value ->> 1 AS BIGINT), pg_transaction_id = r.value ->> 2,"
    " failed_reason = r.value ->> 3, kept_minor = CAST(r.value ->> 4 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE refund_id = r.value ->> 0";

constexpr char kCountPending[] =
    "SELECT (SELECT count(*) FROM payments WHERE state IN (1, 2))"
    " + (SELECT count(*) FROM refunds WHERE state IN (1, 2)) + (SELECT count(*) FROM returns WHERE done = 0)";

// Rows that have no value: every id that was asked for.
template <class Rows>
Rows Asked(const std::vector<std::string>& ids) {
  Rows rows;
  for (const std::string& id : ids) rows.try_emplace(id);
  return rows;
}

}  // namespace

long long MicrosOf(const std::optional<absl::Time>& time) { return time ? absl::ToUnixMicros(*time) : 0; }

std::optional<absl::Time> ReadTime(long long micros) {
  return micros == 0 ? std::nullopt : std::optional(absl::FromUnixMicros(micros));
}

Payments LoadPayments(soci::session& session, const std::vector<std::string>& payment_ids, Purpose purpose) {
  Payments payments = Asked<Payments>(payment_ids);
  if (payments.empty()) return payments;
  const std::string ids = IdRows(payment_ids);
  Payment row;
  long long amount = 0, method = 0, state = 0, created = 0, paid = 0, wait = 0, inquire = 0;
  Statement select(session, absl::StrCat(kLoadPayments, purpose == Purpose::kWrite ? kForUpdate : ""), soci::use(ids),
                   soci::into(row.payment_id), soci::into(row.owner), soci::into(row.member_id), soci::into(amount),
                   soci::into(row.amount.currency_code), soci::into(method), soci::into(state),
                   soci::into(row.pg_transaction_id), soci::into(row.failed_reason), soci::into(row.refund_id),
                   soci::into(created), soci::into(paid), soci::into(wait), soci::into(inquire));
  select.Execute();
  while (select.Fetch()) {
    row.amount.minor_units = amount;
    row.method = static_cast<int>(method);
    row.state = static_cast<State>(state);
    row.create_time = absl::FromUnixMicros(created);
    row.paid_at = ReadTime(paid);
    row.wait_until = ReadTime(wait);
    row.inquire_at = ReadTime(inquire);
    payments[row.payment_id] = row;
  }
  return payments;
}

Refunds LoadRefunds(soci::session& session, const std::vector<std::string>& refund_ids, Purpose purpose) {
  Refunds refunds = Asked<Refunds>(refund_ids);
  if (refunds.empty()) return refunds;
  const std::string ids = IdRows(refund_ids);
  Refund row;
  long long state = 0, kept = 0, created = 0;
  Statement select(session, absl::StrCat(kLoadRefunds, purpose == Purpose::kWrite ? kForUpdate : ""), soci::use(ids),
                   soci::into(row.refund_id), soci::into(row.owner), soci::into(row.payment_id), soci::into(state),
                   soci::into(row.pg_transaction_id), soci::into(row.failed_reason), soci::into(kept),
                   soci::into(created));
  select.Execute();
  while (select.Fetch()) {
    row.state = static_cast<State>(state);
    row.kept = kept;
    row.create_time = absl::FromUnixMicros(created);
    refunds[row.refund_id] = row;
  }
  return refunds;
}

bool InsertPayments(soci::session& session, const std::vector<Payment>& payments) {
  RowList rows;
  for (const Payment& payment : payments) {
    rows.Add(payment.payment_id, payment.owner, payment.member_id, payment.amount.minor_units,
             payment.amount.currency_code, payment.method, static_cast<int>(payment.state), payment.pg_transaction_id,
             payment.failed_reason, payment.refund_id, absl::ToUnixMicros(payment.create_time),
             MicrosOf(payment.paid_at), MicrosOf(payment.wait_until), MicrosOf(payment.inquire_at));
  }
  return InsertRows(session, kInsertPayments, rows);
}

void UpdatePayments(soci::session& session, const std::vector<Payment>& payments) {
  RowList rows;
  for (const Payment& payment : payments) {
    rows.Add(payment.payment_id, static_cast<int>(payment.state), payment.pg_transaction_id, payment.failed_reason,
             payment.refund_id, MicrosOf(payment.paid_at), payment.method, MicrosOf(payment.inquire_at));
  }
  PutRows(session, kUpdatePayments, rows);
}

bool InsertRefunds(soci::session& session, const std::vector<Refund>& refunds) {
  RowList rows;
  for (const Refund& refund : refunds) {
    rows.Add(refund.refund_id, refund.owner, refund.payment_id, static_cast<int>(refund.state),
             refund.pg_transaction_id, refund.failed_reason, refund.kept, absl::ToUnixMicros(refund.create_time));
  }
  return InsertRows(session, kInsertRefunds, rows);
}

void UpdateRefunds(soci::session& session, const std::vector<Refund>& refunds) {
  RowList rows;
  for (const Refund& refund : refunds) {
    rows.Add(refund.refund_id, static_cast<int>(refund.state), refund.pg_transaction_id, refund.failed_reason,
             refund.kept);
  }
  PutRows(session, kUpdateRefunds, rows);
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
  session << "DELETE FROM payments";  // and with them their attempts and returns
  session << "DELETE FROM webhook_events";
  return count;
}

}  // namespace unwind::payment
