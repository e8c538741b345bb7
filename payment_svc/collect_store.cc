#include "payment_svc/collect_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "payment_svc/payment_store.h"
#include "soci/soci.h"

namespace unwind::payment {
namespace {

constexpr char kForUpdate[] = " FOR UPDATE";

constexpr char kLoadAttempts[] =
    "SELECT gateway_key, payment_id, number, owner, method, state, pg_transaction_id, failed_reason, create_time_us,"
    " inquire_at_us FROM attempts WHERE payment_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)"
    " ORDER BY payment_id, number";

constexpr char kInsertAttempts[] =
    "INSERT INTO attempts (gateway_key, payment_id, number, owner, method, state, pg_transaction_id, failed_reason,"
    " create_time_us, inquire_at_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), r.value ->> 3,"
    " CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), r.value ->> 6, r.value ->> 7,"
    " CAST(r.value ->> 8 AS BIGINT), CAST(r.value ->> 9 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateAttempts[] =
    "UPDATE attempts SET state = CAST(r.value ->> 1 AS BIGINT), pg_transaction_id = r.value ->> 2,"
    " failed_reason = r.value ->> 3, inquire_at_us = CAST(r.value ->> 4 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE gateway_key = r.value ->> 0";

#define UNWIND_RETURN                                                                                            \
  "gateway_key, payment_id, captured_transaction_id, amount_minor, currency_code, tries, done, create_time_us, " \
  "try_at_us"

constexpr char kLoadReturns[] = "SELECT " UNWIND_RETURN
                                " FROM returns WHERE payment_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)"
                                " ORDER BY gateway_key FOR UPDATE";

constexpr char kInsertReturns[] =
    "INSERT INTO returns (" UNWIND_RETURN
    ") SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT), r.value ->> 4,"
    " CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT), CAST(r.value ->> 7 AS BIGINT),"
    " CAST(r.value ->> 8 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING done";

constexpr char kUpdateReturns[] =
    "UPDATE returns SET tries = CAST(r.value ->> 1 AS BIGINT), done = CAST(r.value ->> 2 AS BIGINT),"
    " try_at_us = CAST(r.value ->> 3 AS BIGINT) FROM ROWS(:rows) AS r WHERE gateway_key = r.value ->> 0";

// A payment has the transaction of the attempt that paid it, and an index on it.
constexpr char kKeysOf[] =
    "SELECT p.pg_transaction_id, COALESCE(a.gateway_key, 'charge-' || p.payment_id)"
    " FROM payments AS p LEFT JOIN attempts AS a ON a.payment_id = p.payment_id AND a.state = 2"
    " WHERE p.pg_transaction_id <> '' AND p.pg_transaction_id IN (SELECT r.value ->> 0 FROM ROWS(:payments) AS r)"
    " UNION ALL SELECT captured_transaction_id, gateway_key FROM returns"
    " WHERE captured_transaction_id IN (SELECT r.value ->> 0 FROM ROWS(:returns) AS r)";

// The next time is a quarter of its age away, 2 s at least and 10 minutes at most.
#define UNWIND_NEXT                                                                          \
  ":now + CASE WHEN :now - create_time_us < 8000000 THEN 2000000"                            \
  " WHEN :now - create_time_us > 2400000000 THEN 600000000 ELSE (:now - create_time_us) / 4" \
  " END"

// What is due is asked for again where the row is changed: another process may have taken it, or settled it, since the
// rows were chosen, and PostgreSQL looks at a row that it has waited for by these words alone.
#define UNWIND_INQUIRY_DUE "inquire_at_us > 0 AND inquire_at_us <= :now"
#define UNWIND_RETURN_DUE "done = 0 AND try_at_us <= :now"

constexpr char kTakeCharges[] = "UPDATE payments SET inquire_at_us = " UNWIND_NEXT
                                " WHERE payment_id IN (SELECT payment_id FROM payments WHERE " UNWIND_INQUIRY_DUE
                                " ORDER BY inquire_at_us LIMIT :limit) AND " UNWIND_INQUIRY_DUE " RETURNING payment_id";

constexpr char kTakeAttempts[] =
    "UPDATE attempts SET inquire_at_us = " UNWIND_NEXT
    " WHERE gateway_key IN (SELECT gateway_key FROM attempts WHERE " UNWIND_INQUIRY_DUE
    " ORDER BY inquire_at_us LIMIT :limit) AND " UNWIND_INQUIRY_DUE " RETURNING gateway_key";

constexpr char kTakeReturns[] = "UPDATE returns SET try_at_us = " UNWIND_NEXT
                                " WHERE gateway_key IN (SELECT gateway_key FROM returns WHERE " UNWIND_RETURN_DUE
                                " ORDER BY try_at_us LIMIT :limit) AND " UNWIND_RETURN_DUE " RETURNING " UNWIND_RETURN;

constexpr char kCountOpen[] = "SELECT count(*) FROM payments WHERE state IN (1, 2)";  // as the index has it
constexpr char kCountDue[] = "SELECT count(*) FROM returns WHERE done = 0";

// The rows of a statement whose results are UNWIND_RETURN.
template <class... Uses>
std::vector<Return> ReadReturns(soci::session& session, const char* sql, const Uses&... uses) {
  Return row;
  long long amount = 0, tries = 0, done = 0, created = 0, try_at = 0;
  Statement statement(session, sql, uses..., soci::into(row.key), soci::into(row.payment_id), soci::into(row.captured),
                      soci::into(amount), soci::into(row.amount.currency_code), soci::into(tries), soci::into(done),
                      soci::into(created), soci::into(try_at));
  statement.Execute();
  std::vector<Return> returns;
  while (statement.Fetch()) {
    row.amount.minor_units = amount;
    row.tries = static_cast<int>(tries);
    row.done = done != 0;
    row.create_time = absl::FromUnixMicros(created);
    row.try_at = absl::FromUnixMicros(try_at);
    returns.push_back(row);
  }
  return returns;
}

std::vector<std::string> Take(soci::session& session, const char* sql, absl::Time now, int limit) {
  const long long now_us = absl::ToUnixMicros(now);
  std::string key;
  Statement statement(session, sql, soci::use(now_us, "now"), soci::use(limit, "limit"), soci::into(key));
  statement.Execute();
  std::vector<std::string> keys;
  while (statement.Fetch()) keys.push_back(key);
  return keys;
}

}  // namespace

std::vector<Attempt> LoadAttempts(soci::session& session, const std::vector<std::string>& payment_ids,
                                  Purpose purpose) {
  std::vector<Attempt> attempts;
  if (payment_ids.empty()) return attempts;
  const std::string ids = IdRows(payment_ids);
  Attempt row;
  long long number = 0, method = 0, state = 0, created = 0, inquire = 0;
  Statement select(session, absl::StrCat(kLoadAttempts, purpose == Purpose::kWrite ? kForUpdate : ""), soci::use(ids),
                   soci::into(row.key), soci::into(row.payment_id), soci::into(number), soci::into(row.owner),
                   soci::into(method), soci::into(state), soci::into(row.pg_transaction_id),
                   soci::into(row.failed_reason), soci::into(created), soci::into(inquire));
  select.Execute();
  while (select.Fetch()) {
    row.number = static_cast<int>(number);
    row.method = static_cast<int>(method);
    row.state = static_cast<AttemptState>(state);
    row.create_time = absl::FromUnixMicros(created);
    row.inquire_at = ReadTime(inquire);
    attempts.push_back(row);
  }
  return attempts;
}

std::vector<Return> LoadReturns(soci::session& session, const std::vector<std::string>& payment_ids) {
  if (payment_ids.empty()) return {};
  const std::string ids = IdRows(payment_ids);
  return ReadReturns(session, kLoadReturns, soci::use(ids));
}

bool InsertAttempts(soci::session& session, const std::vector<Attempt>& attempts) {
  RowList rows;
  for (const Attempt& attempt : attempts) {
    rows.Add(attempt.key, attempt.payment_id, attempt.number, attempt.owner, attempt.method,
             static_cast<int>(attempt.state), attempt.pg_transaction_id, attempt.failed_reason,
             absl::ToUnixMicros(attempt.create_time), MicrosOf(attempt.inquire_at));
  }
  return InsertRows(session, kInsertAttempts, rows);
}

void UpdateAttempts(soci::session& session, const std::vector<Attempt>& attempts) {
  RowList rows;
  for (const Attempt& attempt : attempts) {
    rows.Add(attempt.key, static_cast<int>(attempt.state), attempt.pg_transaction_id, attempt.failed_reason,
             MicrosOf(attempt.inquire_at));
  }
  PutRows(session, kUpdateAttempts, rows);
}

bool InsertReturns(soci::session& session, const std::vector<Return>& returns) {
  RowList rows;
  for (const Return& due : returns) {
    rows.Add(due.key, due.payment_id, due.captured, due.amount.minor_units, due.amount.currency_code, due.tries,
             due.done ? 1 : 0, absl::ToUnixMicros(due.create_time), absl::ToUnixMicros(due.try_at));
  }
  return InsertRows(session, kInsertReturns, rows);
}

void UpdateReturns(soci::session& session, const std::vector<Return>& returns) {
  RowList rows;
  for (const Return& due : returns) rows.Add(due.key, due.tries, due.done ? 1 : 0, absl::ToUnixMicros(due.try_at));
  PutRows(session, kUpdateReturns, rows);
}

std::map<std::string, std::string> KeysOf(soci::session& session, const std::vector<std::string>& transactions) {
  std::map<std::string, std::string> keys;
  if (transactions.empty()) return keys;
  const std::string list = IdRows(transactions);
  std::string transaction, key;
  Statement select(session, kKeysOf, soci::use(list), soci::use(list), soci::into(transaction), soci::into(key));
  select.Execute();
  while (select.Fetch()) keys[transaction] = key;
  return keys;
}

std::vector<std::string> TakeInquiries(soci::session& session, absl::Time now, int limit) {
  std::vector<std::string> keys;
  for (const std::string& payment_id : Take(session, kTakeCharges, now, limit)) keys.push_back(ChargeKey(payment_id));
  for (std::string& key : Take(session, kTakeAttempts, now, limit)) keys.push_back(std::move(key));
  return keys;
}

std::vector<Return> TakeReturns(soci::session& session, absl::Time now, int limit) {
  const long long now_us = absl::ToUnixMicros(now);
  return ReadReturns(session, kTakeReturns, soci::use(now_us, "now"), soci::use(limit, "limit"));
}

std::int64_t CountOpenPayments(soci::session& session) {
  long long count = 0;
  session << kCountOpen, soci::into(count);
  return count;
}

std::int64_t CountReturnsDue(soci::session& session) {
  long long count = 0;
  session << kCountDue, soci::into(count);
  return count;
}

}  // namespace unwind::payment
