#include "common/db/pg_error.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/clock.h"
#include "common/db/connection.h"

namespace unwind {
namespace {

// A server that refuses a session says so at once. One that took longer than this is not asked again.
constexpr absl::Duration kRefusalMax = absl::Seconds(1);
constexpr absl::Duration kDiagnosisMax = absl::Seconds(2);

bool BeginsWithOneOf(absl::string_view sqlstate, std::initializer_list<const char*> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [sqlstate](const char* prefix) { return absl::StartsWith(sqlstate, prefix); });
}

// Whether the database is not set up as the program needs it. The SQL is the program's own and its values are bound, so
// that nothing that is written can make these: rights, tables, columns, functions (42), schemas (3F), roles (28),
// prepared statements (26), a plan that a changed table has spoilt (0A), the server's own files (F0).
bool IsSetUp(absl::string_view sqlstate) {
  return BeginsWithOneOf(sqlstate, {"0A", "26", "28", "3D", "3F", "42", "F0"});
}

// Whether the database is at fault for another reason, and not what was written: the same succeeds later, at the latest
// once somebody has mended it. The connection, resources, I/O, the operator; what is read-only, lost to another, too
// slow, or damaged.
bool IsAway(absl::string_view sqlstate) {
  return sqlstate.empty() || BeginsWithOneOf(sqlstate, {"08", "53", "58", "57P", "25006", "25P03", "40001", "40P01",
                                                        "55P03", "57014", "XX001", "XX002"});
}

// Whether the message, of libpq or OpenSSL, is about TLS as it is set up: certificates, keys, their names, whether the
// server has it at all. No connection that is made again mends these.
bool IsOfTls(absl::string_view message) {
  constexpr absl::string_view kSigns[] = {"certificate",    "private key file", "does not support SSL",
                                          "SSL error: tls", "SSL error: sslv3", "sslmode"};
  return std::any_of(std::begin(kSigns), std::end(kSigns),
                     [message](absl::string_view sign) { return absl::StrContains(message, sign); });
}

// Without the severity, which is in the server's language, and on one line.
std::string FirstLine(absl::string_view message) {
  message = absl::StripAsciiWhitespace(message);
  message = message.substr(0, message.find('\n'));
  const std::size_t severity = message.find(":  ");
  return std::string(severity == absl::string_view::npos ? message : message.substr(severity + 3));
}

// Of what libpq says of each address that a host stands for, in the order in which it tried them, the last line: it
// goes on to the next one only where nobody listens.
std::string LastAttempt(absl::string_view message) {
  const std::size_t last = message.rfind("connection to server at ");
  if (last != absl::string_view::npos) message.remove_prefix(last);
  return std::string(absl::StripAsciiWhitespace(message.substr(0, message.find('\n'))));
}

// Why a connection could not be made.
struct Diagnosis {
  bool connected = false;  // this time it worked
  bool needs_password = false;
  std::string sqlstate;  // empty: no server said no
  std::string message;
};

using Connecting = std::unique_ptr<PGconn, void (*)(PGconn*)>;

Connecting StartConnecting(const Dsn& dsn, PGVerbosity verbosity) {
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : dsn.libpq) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  Connecting connection(PQconnectStartParams(keys.data(), values.data(), 0), PQfinish);
  if (connection != nullptr) PQsetErrorVerbosity(connection.get(), verbosity);
  return connection;
}

// What a failing connection says at `verbosity`; empty if it does not fail.
std::string ErrorOf(const Dsn& dsn, PGVerbosity verbosity, Diagnosis& diagnosis) {
  const Connecting connection = StartConnecting(dsn, verbosity);
  if (connection == nullptr) return "out of memory";
  const absl::Time until = SteadyNow() + kDiagnosisMax;
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; PQstatus(connection.get()) != CONNECTION_BAD;) {
    if (next == PGRES_POLLING_OK) {
      diagnosis.connected = true;
      return "";
    }
    if (next == PGRES_POLLING_FAILED) break;
    pollfd ready{PQsocket(connection.get()), static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (::poll(&ready, 1, 200) < 0 || SteadyNow() > until) return "there was no answer in time";
    next = PQconnectPoll(connection.get());
  }
  diagnosis.needs_password = PQconnectionNeedsPassword(connection.get()) != 0;
  return PQerrorMessage(connection.get());
}

Diagnosis Diagnose(const Dsn& dsn) {
  Diagnosis diagnosis;
  // At this verbosity the message of a server is "SEVERITY:  SQLSTATE" and nothing else.
  const std::string terse = ErrorOf(dsn, PQERRORS_SQLSTATE, diagnosis);
  if (diagnosis.connected) return diagnosis;
  const absl::string_view end = absl::StripAsciiWhitespace(terse);
  if (const std::size_t code = end.rfind(":  "); code != absl::string_view::npos && end.size() == code + 8) {
    diagnosis.sqlstate = std::string(end.substr(code + 3));
    diagnosis.message = FirstLine([&] {
      const std::string full = ErrorOf(dsn, PQERRORS_TERSE, diagnosis);
      const std::size_t severity = full.find(":  ");
      return severity == std::string::npos ? full : full.substr(severity);
    }());
  } else {
    diagnosis.message = LastAttempt(end);
  }
  return diagnosis;
}

}  // namespace

absl::Status StatementFailure(const Dsn& dsn, absl::string_view sqlstate, absl::string_view message) {
  const std::string what =
      absl::StrCat(dsn.name, ": ", sqlstate.empty() ? "the connection is lost" : FirstLine(message),
                   sqlstate.empty() ? "" : absl::StrCat(" (", sqlstate, ")"));
  if (IsSetUp(sqlstate)) return SetUpFault(what);
  absl::Status status(IsAway(sqlstate) ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal, what);
  return sqlstate == "40001" || sqlstate == "40P01" ? AsConflict(std::move(status)) : status;
}

bool IsSessionOver(absl::string_view sqlstate) {
  return sqlstate.empty() || BeginsWithOneOf(sqlstate, {"08", "57P", "25006", "25P03", "26", "0A"});
}

absl::Status ConnectFailure(const Dsn& dsn, absl::Duration tried) {
  const Diagnosis why =
      tried < kRefusalMax ? Diagnose(dsn) : Diagnosis{.sqlstate = "", .message = "there was no answer in time"};
  const auto lasting = [&](absl::string_view advice) {
    return absl::InvalidArgumentError(absl::StrCat("--db: ", dsn.name, ": ", why.message, "; ", advice));
  };
  const auto passing = [&](absl::string_view advice) {
    return absl::UnavailableError(absl::StrCat("--db: ", dsn.name, ": ", why.message, "; ", advice));
  };
  if (why.connected)
    return absl::UnavailableError(absl::StrCat("--db: ", dsn.name, ": the connection was lost at once"));
  if (why.needs_password) return lasting("it asks for a password: name a file with password_file= or passfile=");
  if (why.sqlstate.empty() && IsOfTls(why.message)) {
    return lasting("check sslmode=, sslrootcert=, sslcert= and sslkey=, and the server's certificate and pg_hba.conf");
  }
  if (why.sqlstate.empty()) return passing("check host= and port=, and that the server runs");
  if (absl::StartsWith(why.sqlstate, "28")) {
    return lasting("check user=, the password (password_file=, passfile=) or sslcert=, and the server's pg_hba.conf");
  }
  if (why.sqlstate == "3D000") return lasting("check dbname=, or create the database");
  if (why.sqlstate == "42501") return lasting("check user= and dbname=, or grant the role CONNECT");
  if (why.sqlstate == "53300") {
    return passing("raise the server's max_connections or the role's limit, or run fewer processes");
  }
  return IsAway(why.sqlstate) ? passing("it is starting or stopping") : lasting("check the settings of --db");
}

}  // namespace unwind
