// How a program opens the database of its --db.
#ifndef UNWIND_COMMON_DB_OPEN_H_
#define UNWIND_COMMON_DB_OPEN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/connection.h"

namespace unwind {

// Connection::Open, again for up to --db_wait while waiting may help: a server that starts, a full one, a standby that
// becomes the primary. Says in the log what it waits for.
absl::StatusOr<std::unique_ptr<Connection>> OpenDatabase(const std::string& database,
                                                         absl::Duration statement_max = absl::InfiniteDuration());

// What `database` names, for the log: "sqlite /var/lib/order.db", "postgres database order at db1:5432 as order". Never
// a password.
std::string NameOfDatabase(const std::string& database);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_OPEN_H_
