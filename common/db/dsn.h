// Where a PostgreSQL database is: "postgres:" and libpq's KEY=VALUE pairs, such as
//   postgres:host=db1 dbname=orders user=order_svc passfile=/run/secrets/pgpass
// Every key of libpq holds but password, which every user of the machine could read in the list of processes: it comes
// from password_file=, passfile= or the environment (PGPASSFILE, PGPASSWORD). Besides libpq's, these keys are known:
//   password_file=PATH                          a file that holds the password and nothing else
//   statement_timeout=10s                       the longest statement
//   lock_timeout=5s                             the longest wait for a lock
//   idle_in_transaction_session_timeout=30s     how long a session of a stopped process keeps its locks
#ifndef UNWIND_COMMON_DB_DSN_H_
#define UNWIND_COMMON_DB_DSN_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind {

struct Dsn {
  std::map<std::string, std::string> libpq;  // ready for PQconnectdb, with connect and TCP timeouts set
  absl::Duration statement_timeout = absl::Seconds(10);
  absl::Duration lock_timeout = absl::Seconds(5);
  absl::Duration idle_in_transaction_session_timeout = absl::Seconds(30);

  // How long a call waits for a server that says nothing, over all of its statements; then the session is given up.
  absl::Duration answer_timeout() const { return statement_timeout * 3 / 2; }

  // "database shop at db1:5432 as order_svc": for messages, without secrets.
  std::string name;

  std::string password_file;  // empty: none

  // Reads the password again: it may have been changed since. INVALID_ARGUMENT.
  absl::Status ReadPassword();

  // One word, as SOCI's own reading of connect strings asks for.
  std::string Uri() const;
};

bool IsPostgres(absl::string_view database);

// Whether it is meant for PostgreSQL and not said to be: as a file it would be a surprise.
bool LooksLikeDsn(absl::string_view database);

// INVALID_ARGUMENT, one sentence that names the key.
absl::StatusOr<Dsn> ParseDsn(absl::string_view database);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_DSN_H_
