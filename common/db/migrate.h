// Versioned schemas. Each component (a service, the barrier) has numbered SQL files, applied once, in order, each in a
// transaction of its own; table schema_version(component, version) remembers which. Its row is written first, so that
// of several processes that start at once one applies the file and the others wait for it.
#ifndef UNWIND_COMMON_DB_MIGRATE_H_
#define UNWIND_COMMON_DB_MIGRATE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/db/connection.h"
#include "soci/session.h"

namespace unwind {

// (file name such as "sqlite/0001_orders.sql", text), as unwind_embed() makes them. The folder, sqlite or postgres,
// says for which kind of database the file is; without one it is for both. Statements end with ";" at a line's end.
using Migrations = std::vector<std::pair<std::string, std::string>>;

// The one component that may stand in the database of any other: a participant keeps its barrier beside its business.
inline constexpr char kBarrierComponent[] = "barrier";

// What SQL alone cannot do, such as reading a format: runs right after the file of that number, in its transaction.
struct MigrationStep {
  long long number = 0;
  std::function<absl::Status(soci::session&)> run;
};

// Brings `component`'s schema to the last of `migrations`. FAILED_PRECONDITION, one sentence, if the database is newer
// than this program, or holds another component; UNAVAILABLE if it may be tried again.
absl::Status Migrate(Connection& connection, absl::string_view component, const Migrations& migrations,
                     const std::vector<MigrationStep>& steps = {});

// Writes what stands in `component`'s first row of schema_version into it again: whether the database takes writes now.
absl::Status ProbeWrite(Connection& connection, const std::string& component);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_MIGRATE_H_
