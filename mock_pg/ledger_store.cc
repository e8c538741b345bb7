#include "mock_pg/ledger_store.h"

#include "nlohmann/json.hpp"
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

// A SELECT of UNWIND_PG_COLUMNS into `row`, bound to the given parameters.
template <class... Use>
soci::statement Select(soci::session& session, const char* sql, Row& row, Use... parameters) {
  auto prepared = (session.prepare << sql);
  Entry& entry = row.entry;
  (prepared, ..., std::move(parameters));
  return (prepared, soci::into(row.seq), soci::into(entry.idempotency_key), soci::into(entry.transaction_id),
          soci::into(row.kind), soci::into(row.amount_minor), soci::into(entry.currency_code),
          soci::into(entry.captured_transaction_id), soci::into(entry.decline_reason), soci::into(entry.request),
          soci::into(row.create_time_us));
}

constexpr char kLoad[] = "SELECT " UNWIND_PG_COLUMNS
                         " FROM ledger"
                         " WHERE idempotency_key IN (SELECT value FROM json_each(:keys))"
                         " OR transaction_id IN (SELECT value FROM json_each(:ids))"
                         " OR (kind = 2 AND captured_transaction_id IN (SELECT value FROM json_each(:captured)))";

constexpr char kFind[] = "SELECT " UNWIND_PG_COLUMNS " FROM ledger WHERE idempotency_key = :key";

constexpr char kList[] = "SELECT " UNWIND_PG_COLUMNS " FROM ledger WHERE seq > :after ORDER BY seq LIMIT :limit";

constexpr char kAppend[] =
    "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code, captured_transaction_id,"
    " decline_reason, request, create_time_us)"
    " VALUES (:key, :id, :kind, :amount, :currency, :captured, :reason, :request, :time)";

}  // namespace

Ledger LoadLedger(soci::session& session, const std::vector<std::string>& keys,
                  const std::vector<std::string>& transaction_ids) {
  const std::string key_list = nlohmann::json(keys).dump();
  const std::string id_list = nlohmann::json(transaction_ids).dump();
  Ledger ledger;
  Row row;
  soci::statement select = Select(session, kLoad, row, soci::use(key_list, "keys"), soci::use(id_list, "ids"),
                                  soci::use(id_list, "captured"));
  select.execute();
  while (select.fetch()) ledger.Add(row.Take());
  return ledger;
}

void AppendEntries(soci::session& session, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  std::vector<std::string> keys, ids, currencies, captured, reasons, requests;
  std::vector<long long> kinds, amounts, times;
  for (const Entry& entry : entries) {
    keys.push_back(entry.idempotency_key);
    ids.push_back(entry.transaction_id);
    kinds.push_back(static_cast<long long>(entry.kind));
    amounts.push_back(entry.amount_minor);
    currencies.push_back(entry.currency_code);
    captured.push_back(entry.captured_transaction_id);
    reasons.push_back(entry.decline_reason);
    requests.push_back(entry.request);
    times.push_back(absl::ToUnixMicros(entry.create_time));
  }
  session << kAppend, soci::use(keys), soci::use(ids), soci::use(kinds), soci::use(amounts), soci::use(currencies),
      soci::use(captured), soci::use(reasons), soci::use(requests), soci::use(times);
}

std::optional<Entry> FindEntry(soci::session& session, const std::string& key) {
  Row row;
  soci::statement select = Select(session, kFind, row, soci::use(key, "key"));
  select.execute();
  if (!select.fetch()) return std::nullopt;
  return row.Take();
}

std::vector<std::pair<std::int64_t, Entry>> ListEntries(soci::session& session, std::int64_t after, int limit) {
  const long long position = after;
  std::vector<std::pair<std::int64_t, Entry>> entries;
  Row row;
  soci::statement select = Select(session, kList, row, soci::use(position, "after"), soci::use(limit, "limit"));
  select.execute();
  while (select.fetch()) entries.emplace_back(row.seq, row.Take());
  return entries;
}

std::int64_t ClearLedger(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM ledger", soci::into(count);
  session << "DELETE FROM ledger";
  return count;
}

}  // namespace unwind::pg
