// One SOCI session that cannot lose data silently. The only place where a soci_error is caught and where a transaction
// begins or ends. SOCI 4.0.3 reports the COMMIT of an aborted PostgreSQL transaction as success and begins SQLite
// transactions deferred; both are answered here and nowhere else.
#ifndef UNWIND_COMMON_DB_CONNECTION_H_
#define UNWIND_COMMON_DB_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "soci/session.h"

namespace unwind {

// Not thread-safe: one thread, one connection.
class Connection {
 public:
  // Opens (and makes) the SQLite file at `path`, in WAL mode with synchronous=FULL. Fails with one sentence that names
  // the path: a missing or unwritable folder, not a database.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path);
  virtual ~Connection() = default;

  // Runs `body` in one immediate transaction and commits it if it returns OK, else rolls back and returns its status.
  // An SQL error inside `body` (a soci_error it does not catch) rolls back: UNAVAILABLE if trying again may help (busy,
  // deadlock, serialization, a lost connection, disk full), else INTERNAL. `body` must not catch soci_error.
  // UNAVAILABLE with a message of "commit outcome unknown" means that it may have committed.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) = 0;

  // The same without writing: one consistent snapshot.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) = 0;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_CONNECTION_H_
