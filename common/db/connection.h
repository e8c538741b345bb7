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
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "soci/session.h"

namespace unwind {

// Not thread-safe: one thread, one connection.
class Connection {
 public:
  // Opens what `database` names: "postgres:KEY=VALUE ..." (see dsn.h) or else the path of a SQLite file, which is made.
  // `statement_max` may shorten PostgreSQL's timeouts of statements and locks. Fails with one sentence that names what
  // to mend; UNAVAILABLE: it may be mended by waiting.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& database,
                                                          absl::Duration statement_max = absl::InfiniteDuration());
  virtual ~Connection() = default;

  // Runs `body` in one transaction (SQLite: immediate, PostgreSQL: READ COMMITTED) and commits it if it returns OK,
  // else rolls back and returns its status. An SQL error inside `body` (a soci_error it does not catch) rolls back:
  // UNAVAILABLE if the database is at fault (busy, deadlock, a lost connection, a full disk, a right or a table that is
  // missing), INTERNAL if what was to be written is.
  // `body` must not catch soci_error. UNAVAILABLE with a message of "commit outcome unknown" means that it may have
  // committed. A connection that was lost is made anew by the next call.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) = 0;

  // The same for a `body` of exactly one statement, which on PostgreSQL then costs one round trip and not three.
  virtual absl::Status WriteOnce(absl::FunctionRef<absl::Status(soci::session&)> body) { return Write(body); }

  // The same without writing: one consistent snapshot.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) = 0;

  // Without a limit a call may wait for the server for as long as it takes, as a migration must. Limited at first.
  virtual void LimitCalls(bool) {}

  // The same for a `body` of exactly one statement, as WriteOnce.
  virtual absl::Status ReadOnce(absl::FunctionRef<absl::Status(soci::session&)> body) { return Read(body); }
};

// Whether a Write failed only because another transaction was in its way (deadlock, serialization, or what its body
// says is one), so that the same body should be run again at once.
bool IsConflict(const absl::Status& status);

// Whether a Write or Read failed because the database is not set up as the program needs it: a right, a table or a
// column is missing. Waiting alone does not mend it.
bool IsSetUpFault(const absl::Status& status);

// The status of such a failure.
absl::Status SetUpFault(absl::string_view message);

// `status`, an error, as that of a conflict: of a body that found in the database what another one has just written.
absl::Status AsConflict(absl::Status status);

// Runs `write`, which ends with the status of a Write, and again at once while that is a conflict: up to eight times in
// all.
absl::Status RetryOnConflict(absl::FunctionRef<absl::Status()> write);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_CONNECTION_H_
