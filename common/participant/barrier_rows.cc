#include "common/participant/barrier_rows.h"

#include "absl/strings/escaping.h"
#include "nlohmann/json.hpp"
#include "soci/soci.h"

namespace unwind::barrier {
namespace {

// CROSS JOIN: SQLite then looks the keys up one by one, whatever it believes of the table.
constexpr char kSelect[] =
    "SELECT b.saga_id, b.step, b.phase, b.outcome, b.payload_hash, b.reply"
    " FROM json_each(:keys) AS k CROSS JOIN saga_barrier AS b"
    " WHERE b.saga_id = k.value ->> 0 AND b.step = k.value ->> 1";

// "WHERE TRUE", or SQLite reads ON as a join's.
constexpr char kInsert[] =
    "INSERT INTO saga_barrier (saga_id, step, phase, outcome, payload_hash, reply, written_at_us)"
    " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, :now"
    " FROM json_each(:rows) WHERE TRUE ON CONFLICT DO NOTHING RETURNING phase";

constexpr char kSettle[] =
    "UPDATE saga_barrier SET outcome = r.value ->> 3, payload_hash = r.value ->> 4, reply = r.value ->> 5,"
    " written_at_us = :now FROM json_each(:rows) AS r"
    " WHERE saga_id = r.value ->> 0 AND step = r.value ->> 1 AND phase = r.value ->> 2 AND outcome = 4"
    " RETURNING phase";

constexpr char kPurge[] =
    "DELETE FROM saga_barrier WHERE (saga_id, step, phase) IN"
    " (SELECT saga_id, step, phase FROM saga_barrier WHERE outcome <> 4 AND written_at_us < :before"
    " ORDER BY written_at_us LIMIT :limit) RETURNING phase";

// What metadata allows is ASCII; anything else cannot make the JSON throw.
std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::string Encode(const Rows& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [key, row] : rows) {
    list.push_back({key.saga_id, key.step, static_cast<int>(key.phase), static_cast<int>(row.outcome), row.payload_hash,
                    absl::Base64Escape(row.reply)});
  }
  return Dump(list);
}

// To the statement's end: SQLite does not commit beside an unfinished one.
std::size_t CountRows(soci::statement& statement) {
  std::size_t count = 0;
  statement.execute();
  while (statement.fetch()) ++count;
  return count;
}

std::size_t Put(soci::session& session, const char* sql, const Rows& rows, absl::Time now) {
  if (rows.empty()) return 0;
  const std::string list = Encode(rows);
  const long long now_us = absl::ToUnixMicros(now);
  int phase = 0;
  soci::statement statement =
      (session.prepare << sql, soci::use(now_us, "now"), soci::use(list, "rows"), soci::into(phase));
  return CountRows(statement);
}

}  // namespace

Rows LoadRows(soci::session& session, const Steps& steps) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [saga_id, step] : steps) list.push_back({saga_id, step});
  const std::string keys = Dump(list);
  RowKey key;
  Row row;
  int phase = 0, outcome = 0;
  std::string reply;
  soci::statement statement =
      (session.prepare << kSelect, soci::use(keys), soci::into(key.saga_id), soci::into(key.step), soci::into(phase),
       soci::into(outcome), soci::into(row.payload_hash), soci::into(reply));
  Rows rows;
  statement.execute();
  while (statement.fetch()) {
    key.phase = static_cast<Phase>(phase);
    row.outcome = static_cast<Outcome>(outcome);
    if (!absl::Base64Unescape(reply, &row.reply)) throw soci::soci_error("a reply in saga_barrier is not base64");
    rows.emplace(key, row);
  }
  return rows;
}

std::size_t InsertRows(soci::session& session, const Rows& rows, absl::Time now) {
  return Put(session, kInsert, rows, now);
}

std::size_t SettleRows(soci::session& session, const Rows& rows, absl::Time now) {
  return Put(session, kSettle, rows, now);
}

std::size_t PurgeRows(soci::session& session, absl::Time before, std::size_t limit) {
  const long long before_us = absl::ToUnixMicros(before);
  const long long most = static_cast<long long>(limit);
  int phase = 0;
  soci::statement statement = (session.prepare << kPurge, soci::use(before_us), soci::use(most), soci::into(phase));
  return CountRows(statement);
}

}  // namespace unwind::barrier
