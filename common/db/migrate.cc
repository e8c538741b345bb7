#include "common/db/migrate.h"

#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace unwind {
namespace {

constexpr char kCreateVersions[] =
    "CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version BIGINT NOT NULL,"
    " PRIMARY KEY (component, version))";
constexpr char kSelectVersion[] = "SELECT COALESCE(MAX(version), 0) FROM schema_version WHERE component = :component";
constexpr char kInsertVersion[] = "INSERT INTO schema_version (component, version) VALUES (:component, :version)";

// Straight to the backend: SOCI would look for ":name" parameters in comments too.
void RunScript(soci::session& session, const std::string& script) {
  auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
  char* message = nullptr;
  const int result = sqlite_api::sqlite3_exec(backend->conn_, script.c_str(), nullptr, nullptr, &message);
  if (result == SQLITE_OK) return;
  const std::string text = message == nullptr ? "unknown error" : message;
  sqlite_api::sqlite3_free(message);
  throw soci::sqlite3_soci_error(text, result);
}

long long ReadVersion(soci::session& session, const std::string& component) {
  long long version = 0;
  session << kSelectVersion, soci::into(version), soci::use(component);
  return version;
}

// The files are part of the program: 0001_..., 0002_... without a gap.
void CheckNumbering(const Migrations& migrations) {
  for (std::size_t i = 0; i < migrations.size(); ++i) {
    std::size_t number = 0;
    CHECK(absl::SimpleAtoi(migrations[i].first.substr(0, migrations[i].first.find('_')), &number));
    CHECK(number == i + 1);
  }
}

}  // namespace

absl::Status Migrate(Connection& connection, absl::string_view component, const Migrations& migrations) {
  CheckNumbering(migrations);
  const std::string name(component);
  const long long last = static_cast<long long>(migrations.size());
  long long version = 0;
  RETURN_IF_ERROR(connection.Write([&](soci::session& session) {
    session << kCreateVersions;
    version = ReadVersion(session, name);
    return absl::OkStatus();
  }));
  if (version > last) {
    return absl::FailedPreconditionError(absl::StrCat("the database's schema \"", name, "\" is at version ", version,
                                                      ", but this program knows only ", last,
                                                      "; start the newer program that made it"));
  }
  for (long long next = version + 1; next <= last; ++next) {
    const auto& [file, script] = migrations[static_cast<std::size_t>(next - 1)];
    const absl::Status status = connection.Write([&, &text = script](soci::session& session) {
      if (ReadVersion(session, name) >= next) return absl::OkStatus();  // another process was faster
      RunScript(session, text);
      session << kInsertVersion, soci::use(name), soci::use(next);
      return absl::OkStatus();
    });
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("migration ", file, " of schema \"", name, "\" failed: ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace unwind
