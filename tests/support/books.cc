#include "tests/support/books.h"

#include <libpq-fe.h>
#include <sqlite3.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/dsn.h"

namespace unwind {
namespace {

struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;
using Result = std::unique_ptr<PGresult, void (*)(PGresult*)>;

absl::StatusOr<Statement> Prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK) {
    return absl::InternalError(absl::StrCat(sqlite3_errmsg(db), " in: ", sql));
  }
  return Statement(prepared);
}

absl::StatusOr<Result> Ask(PGconn* connection, const std::string& sql) {
  Result result(PQexec(connection, sql.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
  return absl::InternalError(absl::StrCat(PQerrorMessage(connection), " in: ", sql));
}

// The rows of `result` into a new table of the same columns: numbers stay numbers, all else is text.
absl::Status Fill(sqlite3* db, const std::string& table, const PGresult* result) {
  constexpr Oid kBigint = 20;
  const int count = PQnfields(result);
  std::string columns, marks;
  for (int column = 0; column < count; ++column) {
    const char* const comma = column == 0 ? "" : ", ";
    absl::StrAppend(&columns, comma, PQfname(result, column), PQftype(result, column) == kBigint ? " BIGINT" : " TEXT");
    absl::StrAppend(&marks, comma, "?");
  }
  ASSIGN_OR_RETURN(const Statement create, Prepare(db, absl::StrCat("CREATE TABLE ", table, " (", columns, ")")));
  if (sqlite3_step(create.get()) != SQLITE_DONE) return absl::InternalError(sqlite3_errmsg(db));
  ASSIGN_OR_RETURN(const Statement insert, Prepare(db, absl::StrCat("INSERT INTO ", table, " VALUES (", marks, ")")));
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < count; ++column) {
      const char* const value = PQgetisnull(result, row, column) != 0 ? nullptr : PQgetvalue(result, row, column);
      sqlite3_bind_text(insert.get(), column + 1, value, -1, SQLITE_TRANSIENT);  // a null pointer is NULL
    }
    if (sqlite3_step(insert.get()) != SQLITE_DONE) return absl::InternalError(sqlite3_errmsg(db));
    sqlite3_reset(insert.get());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Books>> Books::Open(const std::map<std::string, std::string>& databases,
                                                   const std::set<std::string>& left_out) {
  std::unique_ptr<Books> books(new Books());
  if (sqlite3_open_v2(":memory:", &books->db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr) != SQLITE_OK) {
    return absl::InternalError("cannot open SQLite");
  }
  sqlite3_busy_timeout(books->db_, 5000);
  for (const auto& [name, database] : databases) {
    RETURN_IF_ERROR(IsPostgres(database) ? books->Copy(name, database, left_out) : books->Attach(name, database));
  }
  return books;
}

Books::~Books() { sqlite3_close(db_); }

absl::Status Books::Attach(const std::string& name, const std::string& database) {
  return Select(absl::StrCat("ATTACH 'file:", database, "?mode=ro' AS ", name)).status();
}

absl::Status Books::Copy(const std::string& name, const std::string& database, const std::set<std::string>& left_out) {
  RETURN_IF_ERROR(Select(absl::StrCat("ATTACH ':memory:' AS ", name)).status());
  ASSIGN_OR_RETURN(const Dsn dsn, ParseDsn(database));
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(dsn.Uri().c_str()), PQfinish);
  RETURN_IF_ERROR(Ask(connection.get(), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").status());
  ASSIGN_OR_RETURN(
      const Result tables,
      Ask(connection.get(), "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"));
  for (int i = 0; i < PQntuples(tables.get()); ++i) {
    const std::string table = PQgetvalue(tables.get(), i, 0);
    if (left_out.count(table) > 0) continue;
    ASSIGN_OR_RETURN(const Result rows, Ask(connection.get(), absl::StrCat("SELECT * FROM ", table)));
    RETURN_IF_ERROR(Fill(db_, absl::StrCat(name, ".", table), rows.get()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Books::Select(const std::string& sql) {
  ASSIGN_OR_RETURN(const Statement statement, Prepare(db_, sql));
  std::vector<std::string> rows;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(statement.get())) == SQLITE_ROW) {
    const unsigned char* text = sqlite3_column_text(statement.get(), 0);
    rows.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text));
  }
  if (result != SQLITE_DONE) return absl::InternalError(absl::StrCat(sqlite3_errmsg(db_), " in: ", sql));
  return rows;
}

absl::StatusOr<std::int64_t> Books::Number(const std::string& sql) {
  ASSIGN_OR_RETURN(const std::vector<std::string> rows, Select(sql));
  std::int64_t number = 0;
  if (rows.size() != 1 || !absl::SimpleAtoi(rows[0], &number)) {
    return absl::InternalError(absl::StrCat("not one number: ", sql));
  }
  return number;
}

}  // namespace unwind
