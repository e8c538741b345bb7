#include "mock_pg/ledger_store.h"

#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "mock_pg/intent_store.h"
#include "soci/soci.h"

namespace unwind::pg {
namespace {

// SOCI exchanges 64-bit numbers as long long, so rows pass through this.
struct Row {
  long long seq = 0;
  Entry entry;
  long long kind = 0;
  long long amount_minor = 0;
  long long create_time_us = 0;

  Entry Take() {
    entry.kind = static_cast<Kind>(kind);
    entry.amount_minor = amount_minor;
    entry.create_time = absl::FromUnixMicros(create_time_us);
    return std::move(entry);
  }
};

#define UNWIND_PG_COLUMNS                                                                              \
  "seq, idempotency_key, transaction_id, kind, amount_minor, currency_code, captured_transaction_id, " \
  "decline_reason, request, create_time_us"

// Runs a SELECT of UNWIND_PG_COLUMNS with the given parameters and calls `take` after each row.
template <class Take, class... Uses>
void Select(soci::session& session, const char* sql, Row& row, Take take, const Uses&... uses) {
  Entry& entry = row.entry;
  Statement select(session, sql, uses..., soci::into(row.seq), soci::into(entry.idempotency_key),
                   soci::into(entry.transaction_id), soci::into(row.kind), soci::into(row.amount_minor),
                   soci::into(entry.currency_code), soci::into(entry.captured_transaction_id),
                   soci::into(entry.decline_reason), soci::into(entry.request), soci::into(row.create_time_us));
  select.Execute();
  while (select.Fetch()) take();
}

std::string ListOf(const std::vector<std::string>& texts) {
  RowList rows;
  for (const std::string& text : texts) rows.Add(text);
  return rows.json();
}

constexpr char kLoadEntries[] = "SELECT " UNWIND_PG_COLUMNS
                                " FROM ledger"
                                " WHERE idempotency_key IN (SELECT r.value ->> 0 FROM ROWS(:keys) AS r)";

constexpr char kLoadCaptures[] = "SELECT " UNWIND_PG_COLUMNS
                                 " FROM ledger"
                                 " WHERE transaction_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

// The words of the index ledger_refund_once.
constexpr char kLoadRefunds[] =
    "SELECT " UNWIND_PG_COLUMNS
    " FROM ledger"
    " WHERE kind = 2 AND captured_transaction_id IN (SELECT r.value ->> 0 FROM ROWS(:captured) AS r)";

constexpr char kFind[] = "SELECT " UNWIND_PG_COLUMNS " FROM ledger WHERE idempotency_key = :key";

constexpr char kList[] = "SELECT " UNWIND_PG_COLUMNS " FROM ledger WHERE seq > :after ORDER BY seq LIMIT :limit";

constexpr char kAppend[] =
    "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code, captured_transaction_id,"
    " decline_reason, request, create_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, CAST(r.value ->> 8 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING kind";

constexpr char kPutEnds[] =
    "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code, captured_transaction_id,"
    " decline_reason, request, create_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, r.value ->> 5, r.value ->> 6, r.value ->> 7, CAST(r.value ->> 8 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT (idempotency_key) DO UPDATE SET"
    " transaction_id = excluded.transaction_id, kind = excluded.kind, amount_minor = excluded.amount_minor,"
    " currency_code = excluded.currency_code, request = excluded.request, create_time_us = excluded.create_time_us"
    " WHERE ledger.kind = 4 AND excluded.kind = 1 RETURNING idempotency_key";

void Add(RowList& rows, const Entry& entry) {
  rows.Add(entry.idempotency_key, entry.transaction_id, static_cast<int>(entry.kind), entry.amount_minor,
           entry.currency_code, entry.captured_transaction_id, entry.decline_reason, entry.request,
           absl::ToUnixMicros(entry.create_time));
}

}  // namespace

Ledger LoadLedger(soci::session& session, const std::vector<std::string>& keys,
                  const std::vector<std::string>& transaction_ids) {
  const std::string key_list = ListOf(keys), id_list = ListOf(transaction_ids);
  Ledger ledger;
  Row row;
  const auto take = [&] { ledger.Add(row.Take()); };
  Select(session, kLoadEntries, row, take, soci::use(key_list));
  for (Intent& intent : LoadIntents(session, keys)) ledger.Accept(std::move(intent));
  if (transaction_ids.empty()) return ledger;
  Select(session, kLoadCaptures, row, take, soci::use(id_list));
  Select(session, kLoadRefunds, row, take, soci::use(id_list));
  return ledger;
}

bool AppendEntries(soci::session& session, const std::vector<Entry>& entries) {
  if (entries.empty()) return true;
  RowList rows;
  for (const Entry& entry : entries) Add(rows, entry);
  const std::string param = rows.json();
  int kind = 0;
  return Statement(session, kAppend, soci::use(param), soci::into(kind)).CountRows() == entries.size();
}

std::set<std::string> PutEnds(soci::session& session, const std::vector<Entry>& entries) {
  std::set<std::string> put;
  if (entries.empty()) return put;
  RowList rows;
  for (const Entry& entry : entries) Add(rows, entry);
  const std::string param = rows.json();
  std::string key;
  Statement statement(session, kPutEnds, soci::use(param), soci::into(key));
  statement.Execute();
  while (statement.Fetch()) put.insert(key);
  return put;
}

std::optional<Entry> FindEntry(soci::session& session, const std::string& key) {
  Row row;
  std::optional<Entry> found;
  Select(
      session, kFind, row, [&] { found = row.Take(); }, soci::use(key));
  const std::vector<Intent> intents = LoadIntents(session, {key});
  if (intents.empty()) return found;
  if (!found) return intents.front().pending;
  found->may_change = true;
  return found;
}

std::vector<std::pair<std::int64_t, Entry>> ListEntries(soci::session& session, std::int64_t after, int limit) {
  const long long position = after;
  std::vector<std::pair<std::int64_t, Entry>> entries;
  Row row;
  Select(
      session, kList, row, [&] { entries.emplace_back(row.seq, row.Take()); }, soci::use(position), soci::use(limit));
  return entries;
}

std::int64_t ClearLedger(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM ledger", soci::into(count);
  session << "DELETE FROM ledger";
  ClearIntents(session);
  return count;
}

}  // namespace unwind::pg
