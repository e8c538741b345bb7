#include "common/db/connection.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "common/base/status_macros.h"
#include "common/db/dsn.h"
#include "common/db/pg_connection.h"
#include "common/db/sqlite_connection.h"

namespace unwind {
namespace {

constexpr int kRunsMax = 8;
constexpr char kConflict[] = "unwind/conflict";        // the payload that IsConflict looks for
constexpr char kSetUpFault[] = "unwind/set-up-fault";  // the payload that IsSetUpFault looks for

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& database,
                                                             absl::Duration statement_max) {
  if (LooksLikeDsn(database)) {
    return absl::InvalidArgumentError(  // without the value, which may hold a password
        "--db is neither a file nor PostgreSQL; write KEY=VALUE pairs after postgres:, such as \"postgres:host=db1 "
        "dbname=shop user=me\", or ./NAME for a file");
  }
  if (!IsPostgres(database)) return OpenSqlite(database);
  ASSIGN_OR_RETURN(Dsn dsn, ParseDsn(database));
  dsn.statement_timeout = std::min(dsn.statement_timeout, statement_max);
  dsn.lock_timeout = std::min(dsn.lock_timeout, statement_max);
  return OpenPostgres(std::move(dsn));
}

bool IsSetUpFault(const absl::Status& status) { return status.GetPayload(kSetUpFault).has_value(); }

absl::Status SetUpFault(absl::string_view message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kSetUpFault, absl::Cord());
  return status;
}

bool IsConflict(const absl::Status& status) { return status.GetPayload(kConflict).has_value(); }

absl::Status AsConflict(absl::Status status) {
  status.SetPayload(kConflict, absl::Cord());
  return status;
}

absl::Status RetryOnConflict(absl::FunctionRef<absl::Status()> write) {
  absl::Status status = write();
  for (int i = 1; i < kRunsMax && IsConflict(status); ++i) status = write();
  return status;
}

}  // namespace unwind
