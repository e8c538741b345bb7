#include "common/db/connection.h"

#include "common/base/status_macros.h"
#include "common/db/dsn.h"
#include "common/db/pg_connection.h"
#include "common/db/sqlite_connection.h"

namespace unwind {

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& database) {
  if (LooksLikeDsn(database)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--db=", database, " is neither a file nor PostgreSQL; write postgres:KEY=VALUE ..., or ./NAME for a file"));
  }
  if (!IsPostgres(database)) return OpenSqlite(database);
  ASSIGN_OR_RETURN(Dsn dsn, ParseDsn(database));
  return OpenPostgres(std::move(dsn));
}

}  // namespace unwind
