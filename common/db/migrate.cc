#include "common/db/migrate.h"

#include <libpq-fe.h>

#include <cstddef>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "soci/postgresql/soci-postgresql.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace unwind {
namespace {

constexpr char kCreateVersions[] =
    "CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version BIGINT NOT NULL,"
    " PRIMARY KEY (component, version))";
constexpr char kSelectVersion[] = "SELECT COALESCE(MAX(version), 0) FROM schema_version WHERE component = :component";
constexpr char kSelectOther[] =
    "SELECT component FROM schema_version WHERE component <> :component AND component <> :barrier LIMIT 1";
constexpr char kInsertVersion[] =
    "INSERT INTO schema_version (component, version) VALUES (:component, :version)"
    " ON CONFLICT DO NOTHING RETURNING version";

constexpr char kTouch[] = "UPDATE schema_version SET version = version WHERE component = :component AND version = 1";

// A file may rewrite a large table, and wait for a process that does.
constexpr char kTakeYourTime[] = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

constexpr int kCreateTriesMax = 5;  // of the table of versions, by processes that start at once

void RunSqliteScript(soci::session& session, const std::string& script) {
  auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
  char* message = nullptr;
  const int result = sqlite_api::sqlite3_exec(backend->conn_, script.c_str(), nullptr, nullptr, &message);
  if (result == SQLITE_OK) return;
  const std::string text = message == nullptr ? "unknown error" : message;
  sqlite_api::sqlite3_free(message);
  throw soci::sqlite3_soci_error(text, result);
}

void RunPostgresScript(soci::session& session, const std::string& script) {
  PGconn* const connection = static_cast<soci::postgresql_session_backend*>(session.get_backend())->conn_;
  PGresult* const result = PQexec(connection, script.c_str());
  const ExecStatusType status = PQresultStatus(result);
  const char* const sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string state = sqlstate == nullptr ? "     " : sqlstate;
  const std::string text = PQresultErrorMessage(result);
  PQclear(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
    throw soci::postgresql_soci_error(text, state.c_str());
  }
}

// Straight to the backend: SOCI would look for ":name" parameters in comments too.
void RunScript(soci::session& session, const std::string& script) {
  switch (DialectOf(session)) {
    case Dialect::kSqlite:
      return RunSqliteScript(session, script);
    case Dialect::kPostgres:
      return RunPostgresScript(session, script);
  }
}

long long ReadVersion(soci::session& session, const std::string& component) {
  long long version = 0;
  session << kSelectVersion, soci::into(version), soci::use(component);
  return version;
}

// The files for `dialect`. They are part of the program: 0001_..., 0002_... without a gap.
Migrations FilesFor(Dialect dialect, const Migrations& migrations) {
  Migrations files;
  for (const auto& [path, script] : migrations) {
    absl::string_view file = path;
    const bool sqlite = absl::ConsumePrefix(&file, "sqlite/"), postgres = absl::ConsumePrefix(&file, "postgres/");
    CHECK(!absl::StrContains(file, '/'));
    if (dialect == Dialect::kSqlite ? postgres : sqlite) continue;
    std::size_t number = 0;
    CHECK(absl::SimpleAtoi(file.substr(0, file.find('_')), &number));
    files.emplace_back(std::string(file), script);
    CHECK(number == files.size());
  }
  return files;
}

struct Schema {
  Dialect dialect = Dialect::kSqlite;
  long long version = 0;
  std::string other;  // a component of another program
};

// Of the database as it is or of the SQL: nothing that passes.
bool IsLasting(const absl::Status& status) { return absl::IsInternal(status) || IsSetUpFault(status); }

// Two processes that make the table at once can both fail to find it and one of them to make it.
absl::StatusOr<Schema> ReadSchema(Connection& connection, const std::string& component) {
  Schema schema;
  absl::Status status;
  for (int i = 0; i < kCreateTriesMax; ++i) {
    status = connection.Write([&](soci::session& session) {
      schema.dialect = DialectOf(session);
      session << kCreateVersions;
      schema.version = ReadVersion(session, component);
      if (component != kBarrierComponent) {
        const std::string barrier = kBarrierComponent;  // SOCI reads it when the expression ends
        session << kSelectOther, soci::into(schema.other), soci::use(component), soci::use(barrier);
      }
      return absl::OkStatus();
    });
    if (!IsLasting(status)) break;
  }
  if (IsLasting(status)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the database cannot take the table schema_version: ", status.message(),
        "; its user must own the database or be allowed to create tables in it, and no other program may use it"));
  }
  RETURN_IF_ERROR(status);
  return schema;
}

}  // namespace

absl::Status Migrate(Connection& connection, absl::string_view component, const Migrations& migrations,
                     const std::vector<MigrationStep>& steps) {
  const std::string name(component);
  ASSIGN_OR_RETURN(const Schema schema, ReadSchema(connection, name));
  const Migrations files = FilesFor(schema.dialect, migrations);
  const long long last = static_cast<long long>(files.size());
  if (schema.version > last) {
    return absl::FailedPreconditionError(absl::StrCat("the database's schema \"", name, "\" is at version ",
                                                      schema.version, ", but this program knows only ", last,
                                                      "; start the newer program that made it"));
  }
  if (!schema.other.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("the database holds the tables of \"", schema.other,
                                                      "\", another program; name one of its own in --db"));
  }
  connection.LimitCalls(false);
  const absl::Cleanup limit = [&connection] { connection.LimitCalls(true); };
  for (long long next = schema.version + 1; next <= last; ++next) {
    const auto& [file, script] = files[static_cast<std::size_t>(next - 1)];
    const absl::Status status = connection.Write([&, &text = script](soci::session& session) -> absl::Status {
      if (schema.dialect == Dialect::kPostgres) RunScript(session, kTakeYourTime);
      long long written = 0;
      session << kInsertVersion, soci::into(written), soci::use(name), soci::use(next);
      if (!session.got_data()) return absl::OkStatus();  // another process was faster
      RunScript(session, text);
      for (const MigrationStep& step : steps) {
        if (step.number == next) RETURN_IF_ERROR(step.run(session));
      }
      return absl::OkStatus();
    });
    if (status.ok()) continue;
    const std::string failed = absl::StrCat("migration ", file, " of schema \"", name, "\" failed: ", status.message());
    if (!IsLasting(status)) return absl::Status(status.code(), failed);
    if (next > 1) return absl::InternalError(failed);
    return absl::FailedPreconditionError(
        absl::StrCat(failed, "; if another program's tables are in the database, name one of its own in --db"));
  }
  return absl::OkStatus();
}

absl::Status ProbeWrite(Connection& connection, const std::string& component) {
  return connection.WriteOnce([&](soci::session& session) {
    const long long rows = Statement(session, kTouch, soci::use(component)).CountChanges();
    return rows == 1 ? absl::OkStatus() : SetUpFault(absl::StrCat("schema_version has no row of ", component));
  });
}

}  // namespace unwind
