// What PostgreSQL's errors mean to a caller, by SQLSTATE: never by text, which is in the server's language.
#ifndef UNWIND_COMMON_DB_PG_ERROR_H_
#define UNWIND_COMMON_DB_PG_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/db/dsn.h"

namespace unwind {

// The status of a statement that failed. UNAVAILABLE: the database is at fault, and the same may succeed once it is
// mended (a SetUpFault: once somebody has changed it); INTERNAL: what was to be written is. An empty `sqlstate` is a
// lost connection.
absl::Status StatementFailure(const Dsn& dsn, absl::string_view sqlstate, absl::string_view message);

// Whether the session should be made anew: the server ends it, it is not the one to write to, or its prepared
// statements are of no more use.
bool IsSessionOver(absl::string_view sqlstate);

// Why no session can be made, after `tried` of trying: connects once more to learn the SQLSTATE, which SOCI does not
// tell, unless so much time says that nobody answers. UNAVAILABLE if waiting may help, else INVALID_ARGUMENT; one
// sentence that names the setting to look at.
absl::Status ConnectFailure(const Dsn& dsn, absl::Duration tried);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_PG_ERROR_H_
