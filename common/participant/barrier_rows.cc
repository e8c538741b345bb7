#include "common/participant/barrier_rows.h"

#include "absl/strings/escaping.h"
#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind::barrier {
namespace {

// CROSS JOIN: SQLite then looks the keys up one by one, whatever it believes of the table.
constexpr char kSelect[] =
    "SELECT b.key_scope, b.saga_id, b.step, b.phase, b.outcome, b.payload_hash, b.reply"
    " FROM ROWS(:keys) AS k CROSS JOIN saga_barrier AS b"
    " WHERE b.key_scope = k.value ->> 0 AND b.saga_id = k.value ->> 1 AND b.step = k.value ->> 2";

// "WHERE TRUE", or SQLite reads ON as a join's.
constexpr char kInsert[] =
    "INSERT INTO saga_barrier (key_scope, saga_id, step, phase, outcome, payload_hash, reply, keep_until_us,"
    " written_at_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT), CAST(r.value ->> 4 AS BIGINT),"
    " r.value ->> 5, r.value ->> 6, CAST(r.value ->> 7 AS BIGINT), CAST(:now AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING phase";

// "outcome + 0", and not "outcome = 4": PostgreSQL believes that few rows are, and then begins with all that are, which
// no index has.
constexpr char kSettle[] =
    "UPDATE saga_barrier SET outcome = CAST(r.value ->> 4 AS BIGINT), payload_hash = r.value ->> 5,"
    " reply = r.value ->> 6, keep_until_us = CAST(r.value ->> 7 AS BIGINT), written_at_us = :now FROM ROWS(:rows) AS r"
    " WHERE key_scope = r.value ->> 0 AND saga_id = r.value ->> 1 AND step = r.value ->> 2"
    " AND phase = CAST(r.value ->> 3 AS BIGINT) AND outcome + 0 = CAST(r.value ->> 8 AS BIGINT)"
    " RETURNING phase";

constexpr char kPurge[] =
    "DELETE FROM saga_barrier WHERE (key_scope, saga_id, step, phase) IN"
    " (SELECT key_scope, saga_id, step, phase FROM saga_barrier"
    " WHERE outcome <> 4 AND outcome <> 5 AND keep_until_us < :now"
    " ORDER BY keep_until_us LIMIT :limit) RETURNING phase";

void Add(RowList& list, const RowKey& key, const Row& row, Outcome from) {
  list.Add(key.key_scope, key.saga_id, key.step, static_cast<int>(key.phase), static_cast<int>(row.outcome),
           row.payload_hash, absl::Base64Escape(row.reply), absl::ToUnixMicros(row.keep_until), static_cast<int>(from));
}

std::size_t Put(soci::session& session, const char* sql, const RowList& rows, absl::Time now) {
  const std::string list = rows.json();
  const long long now_us = absl::ToUnixMicros(now);
  int phase = 0;
  return Statement(session, sql, soci::use(now_us, "now"), soci::use(list, "rows"), soci::into(phase)).CountRows();
}

}  // namespace

Rows LoadRows(soci::session& session, const Steps& steps) {
  RowList list;
  for (const auto& [key_scope, saga_id, step] : steps) list.Add(key_scope, saga_id, step);
  const std::string keys = list.json();
  RowKey key;
  Row row;
  int phase = 0, outcome = 0;
  std::string reply;
  Statement select(session, kSelect, soci::use(keys), soci::into(key.key_scope), soci::into(key.saga_id),
                   soci::into(key.step), soci::into(phase), soci::into(outcome), soci::into(row.payload_hash),
                   soci::into(reply));
  Rows rows;
  select.Execute();
  while (select.Fetch()) {
    key.phase = static_cast<Phase>(phase);
    row.outcome = static_cast<Outcome>(outcome);
    if (!absl::Base64Unescape(reply, &row.reply)) throw soci::soci_error("a reply in saga_barrier is not base64");
    rows.emplace(key, row);
  }
  return rows;
}

std::size_t InsertRows(soci::session& session, const Rows& rows, absl::Time now) {
  if (rows.empty()) return 0;
  RowList list;
  for (const auto& [key, row] : rows) Add(list, key, row, row.outcome);
  return Put(session, kInsert, list, now);
}

std::size_t SettleRows(soci::session& session, const SettledRows& rows, absl::Time now) {
  if (rows.empty()) return 0;
  RowList list;
  for (const auto& [key, settled] : rows) Add(list, key, settled.row, settled.from);
  return Put(session, kSettle, list, now);
}

std::size_t PurgeRows(soci::session& session, absl::Time now, std::size_t limit) {
  const long long now_us = absl::ToUnixMicros(now);
  const long long most = static_cast<long long>(limit);
  int phase = 0;
  return Statement(session, kPurge, soci::use(now_us), soci::use(most), soci::into(phase)).CountRows();
}

}  // namespace unwind::barrier
