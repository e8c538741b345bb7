// Versioned schemas. Each component (a service, the barrier) has numbered SQL files, applied once, in order, each in a
// transaction of its own; table schema_version(component, version) remembers which.
#ifndef UNWIND_COMMON_DB_MIGRATE_H_
#define UNWIND_COMMON_DB_MIGRATE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/db/connection.h"

namespace unwind {

// (file name such as "0001_orders.sql", text), as unwind_embed() makes them. Statements end with ";" at a line's end.
using Migrations = std::vector<std::pair<std::string, std::string>>;

// Brings `component`'s schema to the last of `migrations`. FAILED_PRECONDITION, one sentence, if the database is newer
// than this program.
absl::Status Migrate(Connection& connection, absl::string_view component, const Migrations& migrations);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_MIGRATE_H_
