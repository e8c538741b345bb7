#include "tests/sim/database.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/participant/participant.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace unwind::sim {
namespace {

// Before its first use: one thread, and no statistics.
std::string InMemory() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite_api::sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite_api::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  });
  return ":memory:";
}

}  // namespace

Database::Database(const std::string& component, const Migrations& migrations) : session_(soci::sqlite3, InMemory()) {
  statements_.Attach(session_);
  Execute("PRAGMA foreign_keys = ON");
  DatabaseConnection connection(
      *this, [] { return Fate::kCommitted; }, nullptr);
  CHECK(Participant::Migrate(connection).ok());
  CHECK(Migrate(connection, component, migrations).ok());
  std::string table;
  soci::statement select = (session_.prepare << "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN"
                                                " ('schema_version') ORDER BY rowid DESC",
                            soci::into(table));
  select.execute();
  while (select.fetch()) tables_.push_back(table);
}

void Database::Execute(const char* sql) {
  auto* const backend = static_cast<soci::sqlite3_session_backend*>(session_.get_backend());
  const int result = sqlite_api::sqlite3_exec(backend->conn_, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK)
    throw std::runtime_error(absl::StrCat(sql, ": ", sqlite_api::sqlite3_errmsg(backend->conn_)));
}

void Database::Clear() {
  auto* const backend = static_cast<soci::sqlite3_session_backend*>(session_.get_backend());
  if (sqlite_api::sqlite3_get_autocommit(backend->conn_) == 0) Execute("ROLLBACK");
  for (const std::string& table : tables_) Execute(absl::StrCat("DELETE FROM ", table).c_str());
}

std::string Database::Dump() {
  auto* const backend = static_cast<soci::sqlite3_session_backend*>(session_.get_backend());
  std::string text;
  const auto append = [](void* to, int columns, char** values, char**) {
    for (int i = 0; i < columns; ++i) {
      absl::StrAppend(static_cast<std::string*>(to), values[i] == nullptr ? "NULL" : values[i], "|");
    }
    static_cast<std::string*>(to)->push_back('\n');
    return 0;
  };
  for (const std::string& table : tables_) {
    absl::StrAppend(&text, "-- ", table, "\n");
    const std::string sql = absl::StrCat("SELECT * FROM ", table);
    CHECK(sqlite_api::sqlite3_exec(backend->conn_, sql.c_str(), append, &text, nullptr) == SQLITE_OK);
  }
  return text;
}

// Not Execute: a statement of SOCI's is kept.
absl::Status DatabaseConnection::Write(absl::FunctionRef<absl::Status(soci::session&)> body) {
  soci::session& session = database_.session();
  session << "BEGIN IMMEDIATE";
  absl::Status status = body(session);
  if (!status.ok()) {
    session << "ROLLBACK";
    return status;
  }
  const Fate fate = draw_();
  if (fate == Fate::kBusy || fate == Fate::kCrashBefore) {
    session << "ROLLBACK";
    return absl::UnavailableError("the database is busy");
  }
  if (before_commit_) before_commit_(database_);
  session << "COMMIT";
  return fate == Fate::kOutcomeUnknown ? absl::UnavailableError("commit outcome unknown") : absl::OkStatus();
}

}  // namespace unwind::sim
