// Connection over a SQLite file.
#ifndef UNWIND_COMMON_DB_SQLITE_CONNECTION_H_
#define UNWIND_COMMON_DB_SQLITE_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/db/connection.h"

namespace unwind {

// Makes the file if it is not there; WAL mode with synchronous=FULL.
absl::StatusOr<std::unique_ptr<Connection>> OpenSqlite(const std::string& path);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_SQLITE_CONNECTION_H_
