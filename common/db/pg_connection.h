// Connection over PostgreSQL, or what speaks its protocol; docs/STORES.md says what is relied upon.
#ifndef UNWIND_COMMON_DB_PG_CONNECTION_H_
#define UNWIND_COMMON_DB_PG_CONNECTION_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/db/connection.h"
#include "common/db/dsn.h"

namespace unwind {

absl::StatusOr<std::unique_ptr<Connection>> OpenPostgres(Dsn dsn);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_PG_CONNECTION_H_
