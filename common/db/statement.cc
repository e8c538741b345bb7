#include "common/db/statement.h"

#include <ios>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace unwind {
namespace {

constexpr absl::string_view kRows = "ROWS(";
constexpr absl::string_view kAmong = " IN (SELECT r.value ->> 0 FROM ";
constexpr absl::string_view kNot = " NOT";
constexpr absl::string_view kLocks[] = {" FOR UPDATE", " FOR KEY SHARE"};

// Where a session's query stream keeps our pointer: the standard's way to hang something of one's own on a stream.
int Slot() {
  static const int slot = std::ios_base::xalloc();
  return slot;
}

// "ROWS(:x) AS r" at the front of `sql`, which it is taken off.
std::string TakeRows(Dialect dialect, absl::string_view& sql) {
  const std::size_t end = sql.find(") AS ");
  CHECK(end != absl::string_view::npos);
  const absl::string_view parameter = sql.substr(kRows.size(), end - kRows.size());
  sql.remove_prefix(end + 5);
  const absl::string_view alias = sql.substr(0, sql.find_first_of(" )"));
  sql.remove_prefix(alias.size());
  if (dialect == Dialect::kSqlite) return absl::StrCat("json_each(", parameter, ") AS ", alias);
  return absl::StrCat("jsonb_array_elements(CAST(", parameter, " AS jsonb)) AS ", alias, "(value)");
}

}  // namespace

Dialect DialectOf(soci::session& session) {
  return session.get_backend_name() == "postgresql" ? Dialect::kPostgres : Dialect::kSqlite;
}

std::string Translate(Dialect dialect, absl::string_view sql) {
  std::string translated;
  for (std::size_t at = sql.find(kRows); at != absl::string_view::npos; at = sql.find(kRows)) {
    const absl::string_view in_front = sql.substr(0, at);
    absl::string_view before = in_front;
    sql.remove_prefix(at);
    const std::string rows = TakeRows(dialect, sql);
    if (dialect == Dialect::kPostgres && absl::ConsumeSuffix(&before, kAmong) && !absl::EndsWith(before, kNot)) {
      absl::StrAppend(&translated, before, " = ANY (ARRAY(SELECT r.value ->> 0 FROM ", rows, ")");
    } else {
      absl::StrAppend(&translated, in_front, rows);
    }
  }
  if (dialect == Dialect::kSqlite) {
    for (const absl::string_view lock : kLocks) sql = sql.substr(0, sql.find(lock));
  }
  absl::StrAppend(&translated, sql);
  return translated;
}

void StatementCache::Attach(soci::session& session) { session.get_query_stream().pword(Slot()) = this; }

StatementCache* StatementCache::Of(soci::session& session) {
  return static_cast<StatementCache*>(session.get_query_stream().pword(Slot()));
}

soci::statement Statement::Take(soci::session& session, absl::string_view sql) {
  session.get_query_stream().str(std::string(sql));
  const std::string asked = session.get_query();  // so that a test's transformation sees each use
  StatementCache* const cache = StatementCache::Of(session);
  if (cache != nullptr) {
    if (const auto kept = cache->statements_.find(asked); kept != cache->statements_.end()) {
      kept->second.bind_clean_up();  // after a use that ended in an exception
      return kept->second;
    }
  }
  soci::statement statement(session);
  statement.alloc();
  statement.prepare(Translate(DialectOf(session), asked),
                    cache == nullptr ? soci::details::st_one_time_query : soci::details::st_repeatable_query);
  if (cache != nullptr) cache->statements_.emplace(asked, statement);
  return statement;
}

// SQLite does not commit beside a statement that may have more rows.
Statement::~Statement() {
  if (dialect_ == Dialect::kSqlite) {
    sqlite_api::sqlite3_reset(static_cast<soci::sqlite3_statement_backend*>(statement_.get_backend())->stmt_);
  }
  statement_.bind_clean_up();
}

std::size_t Statement::CountRows() {
  std::size_t count = 0;
  Execute();
  while (Fetch()) ++count;
  return count;
}

long long Statement::CountChanges() {
  statement_.execute(true);
  return statement_.get_affected_rows();
}

}  // namespace unwind
