#include "common/db/open.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stop_signals.h"
#include "common/db/dsn.h"

RANGED_FLAG(absl::Duration, db_wait, absl::Seconds(30), absl::ZeroDuration(), absl::Hours(24),
            "How long a start waits for a database that cannot be reached or is full, before it gives up with exit 1.");

namespace unwind {
namespace {

constexpr absl::Duration kPauseFirst = absl::Milliseconds(100);
constexpr absl::Duration kPauseMax = absl::Seconds(2);

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenDatabase(const std::string& database, absl::Duration statement_max) {
  const absl::Time until = SteadyNow() + absl::GetFlag(FLAGS_db_wait);
  for (absl::Duration pause = kPauseFirst;; pause = std::min(pause * 2, kPauseMax)) {
    auto connection = Connection::Open(database, statement_max);
    if (!absl::IsUnavailable(connection.status()) || SteadyNow() + pause > until) return connection;
    Log(Severity::kWarning, "waiting for the database", {{"error", connection.status().message()}});
    if (AwaitStopSignal(pause)) return absl::CancelledError("told to stop while waiting for the database");
  }
}

std::string NameOfDatabase(const std::string& database) {
  if (!IsPostgres(database)) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::absolute(database, error);
    return absl::StrCat("sqlite ", error ? database : whole.string());
  }
  const absl::StatusOr<Dsn> dsn = ParseDsn(database);
  return dsn.ok() ? absl::StrCat("postgres ", dsn->name) : "postgres";
}

}  // namespace unwind
