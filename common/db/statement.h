// SQL that is written once for both kinds of databases. It differs in three places, which are written as
//   ROWS(:name) AS r     the elements of the JSON array in parameter :name, each an array r.value: r.value ->> 0 is the
//                        first thing in it. Text; CAST(r.value ->> 0 AS BIGINT) a number.
//   key IN (SELECT r.value ->> 0 FROM ROWS(:name) AS r)
//                        in PostgreSQL key = ANY (ARRAY(...)): for a join of few rows its planner may read a table that
//                        it believes to be small whole, and keeps that plan when the table has grown.
//   ... FOR UPDATE, ... FOR KEY SHARE
//                        at the end: locks the rows on PostgreSQL; in SQLite a Write is the only writer anyway.
#ifndef UNWIND_COMMON_DB_STATEMENT_H_
#define UNWIND_COMMON_DB_STATEMENT_H_

#include <cstddef>
#include <string>
#include <unordered_map>

#include "absl/strings/string_view.h"
#include "soci/session.h"
#include "soci/soci.h"

namespace unwind {

enum class Dialect { kSqlite, kPostgres };

// What rows are read for: to be shown, or to be written by the same transaction and locked until its end.
enum class Purpose { kRead, kWrite };

Dialect DialectOf(soci::session& session);

// `sql` in the words of `dialect`.
std::string Translate(Dialect dialect, absl::string_view sql);

// What a session keeps prepared, so that a statement is planned once and, on PostgreSQL, costs one round trip. A
// session without one prepares each statement anew.
class StatementCache {
 public:
  // To `session`, which must outlive it or the next Clear.
  void Attach(soci::session& session);
  void Clear() { statements_.clear(); }

 private:
  friend class Statement;
  static StatementCache* Of(soci::session& session);

  std::unordered_map<std::string, soci::statement> statements_;
};

// One use of a statement: parameters and results are bound to what `exchanges` (soci::use, soci::into) name, which must
// outlive it. Lets soci_error pass. Do not use the same SQL on the same session while one is alive.
class Statement {
 public:
  template <class... Exchanges>
  Statement(soci::session& session, absl::string_view sql, const Exchanges&... exchanges)
      : dialect_(DialectOf(session)), statement_(Take(session, sql)) {
    (statement_.exchange(exchanges), ...);
    statement_.define_and_bind();
  }
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Then Fetch gives the rows, one by one.
  void Execute() { statement_.execute(); }
  bool Fetch() { return statement_.fetch(); }

  // Executes it and takes the first row; whether there is one.
  bool ExecuteOnce() { return statement_.execute(true); }

  // Executes it and says how many rows it returned.
  std::size_t CountRows();

  // Executes it and says how many rows it changed.
  long long CountChanges();

 private:
  static soci::statement Take(soci::session& session, absl::string_view sql);

  const Dialect dialect_;
  soci::statement statement_;
};

// Executes one statement and reads its first row. Returns whether there was one.
template <class... Exchanges>
bool RunOnce(soci::session& session, absl::string_view sql, const Exchanges&... exchanges) {
  return Statement(session, sql, exchanges...).ExecuteOnce();
}

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_STATEMENT_H_
