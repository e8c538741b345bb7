#include "common/db/pg_connection.h"

#include <libpq-fe.h>

#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/db/call_limit.h"
#include "common/db/pg_error.h"
#include "common/db/statement.h"
#include "soci/postgresql/soci-postgresql.h"
#include "soci/soci.h"

namespace unwind {
namespace {

// Whatever the database's own defaults are.
constexpr char kSessionSettings[] =
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;"
    " SET default_transaction_deferrable = off";
constexpr char kBeginWrite[] = "BEGIN";
constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

// All statements find their rows by a key. A plan that was made while a table was small must not read all of it later.
// A scan that is not to be avoided then looks so dear that it would be compiled first, for a tenth of a second.
constexpr char kPlanByKeys[] =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

void Ignore(void*, const PGresult*) {}

std::string SqlState(const soci::soci_error& error) {
  const auto* pg_error = dynamic_cast<const soci::postgresql_soci_error*>(&error);
  // Of SOCI's own errors, such as a NULL where none may be.
  if (pg_error == nullptr) return "XX000";
  const std::string state = pg_error->sqlstate();
  return state == "     " ? "" : state;
}

class Result {
 public:
  explicit Result(PGresult* result) : result_(result) {}
  ~Result() { PQclear(result_); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;

  bool ok() const {
    const ExecStatusType status = PQresultStatus(result_);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  }
  absl::string_view tag() const { return PQcmdStatus(result_); }
  std::string value() const { return PQntuples(result_) == 1 ? PQgetvalue(result_, 0, 0) : ""; }
  std::string sqlstate() const { return OrEmpty(PQresultErrorField(result_, PG_DIAG_SQLSTATE)); }
  std::string message() const { return OrEmpty(PQresultErrorMessage(result_)); }

 private:
  static std::string OrEmpty(const char* text) { return text == nullptr ? "" : text; }

  PGresult* const result_;
};

class PgConnection final : public Connection {
 public:
  explicit PgConnection(Dsn dsn) : dsn_(std::move(dsn)), limit_(dsn_.answer_timeout()) {}

  absl::Status Connect() {
    statements_.Clear();
    session_.reset();
    RETURN_IF_ERROR(dsn_.ReadPassword());
    const absl::Time begun = SteadyNow();
    try {
      session_ = std::make_unique<soci::session>(soci::postgresql, dsn_.Uri());
    } catch (const soci::soci_error&) {
      return ConnectFailure(dsn_, SteadyNow() - begun);
    }
    const absl::Status prepared = PrepareWatched();
    if (!prepared.ok()) session_.reset();
    return prepared;
  }

  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    return Run(kBeginWrite, [&]() -> absl::Status {
      RETURN_IF_ERROR(body(*session_));
      return Commit();
    });
  }

  absl::Status WriteOnce(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    // Its end is the commit, so a session that is lost within it says nothing of either.
    absl::Status status = Run(nullptr, [&] { return body(*session_); });
    return broken_ && session_ != nullptr && absl::IsUnavailable(status) ? OutcomeUnknown() : status;
  }

  absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    return Run(kBeginRead, [&] { return body(*session_); });
  }

  void LimitCalls(bool limited) override { limited_ = limited; }

  absl::Status ReadOnce(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    return Run(nullptr, [&] { return body(*session_); });
  }

 private:
  // A call under way ends with an error once the server has been silent for too long.
  class Limited {
   public:
    explicit Limited(PgConnection& connection) : connection_(connection) {
      if (connection_.limited_) connection_.limit_.Begin();
    }
    ~Limited() { connection_.limit_.End(); }
    Limited(const Limited&) = delete;
    Limited& operator=(const Limited&) = delete;

   private:
    PgConnection& connection_;
  };

  absl::Status PrepareWatched() {
    if (!limit_.Watch(PQsocket(handle()))) {
      return absl::UnavailableError("no file descriptor is free to limit the database's calls with");
    }
    const Limited limited(*this);
    return Prepare();
  }

  // What every session of ours has.
  absl::Status Prepare() {
    PQsetErrorVerbosity(handle(), PQERRORS_TERSE);  // DETAIL would carry the values of rows into the log
    PQsetNoticeReceiver(handle(), Ignore, nullptr);
    statements_.Attach(*session_);
    const auto millis = [](absl::Duration length) { return absl::StrCat(absl::ToInt64Milliseconds(length)); };
    const Result timeouts = Execute(
        absl::StrCat(kSessionSettings, "; SET statement_timeout = ", millis(dsn_.statement_timeout),
                     "; SET lock_timeout = ", millis(dsn_.lock_timeout),
                     "; SET idle_in_transaction_session_timeout = ", millis(dsn_.idle_in_transaction_session_timeout)));
    if (!timeouts.ok()) return Failure(timeouts.sqlstate(), timeouts.message());
    Execute(kPlanByKeys);  // what is not PostgreSQL may not know them
    RETURN_IF_ERROR(CheckPrimary());
    const Result encoding = Execute("SHOW server_encoding");
    if (!encoding.ok()) return Failure(encoding.sqlstate(), encoding.message());
    if (encoding.value() == "UTF8") return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("--db: ", dsn_.name, " has the encoding ", encoding.value(), "; create it with ENCODING 'UTF8'"));
  }

  absl::Status CheckPrimary() {
    const char* const standby = PQparameterStatus(handle(), "in_hot_standby");
    if (standby == nullptr || absl::string_view(standby) != "on") return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("--db: ", dsn_.name,
                                               " is a standby, which cannot be written; name the "
                                               "primary in host=, or all servers and target_session_attrs=read-write"));
  }

  // `begin`: null for a body that is its own transaction.
  absl::Status Run(const char* begin, absl::FunctionRef<absl::Status()> body) {
    // Not when it broke: the caller may still hold statements of the old session, and lets go of them when a call
    // fails.
    if (broken_) {
      // Whatever is wrong with the database by now, nothing is wrong with what the caller wants of it.
      if (const absl::Status connected = Connect(); !connected.ok()) return absl::UnavailableError(connected.message());
      broken_ = false;
    }
    const Limited limited(*this);
    const absl::Cleanup rollback = [this] { Rollback(); };  // on every way out, also by an exception that is not SQL's
    try {
      if (begin == nullptr) return body();
      if (const Result begun = Execute(begin); !begun.ok()) return Failure(begun.sqlstate(), begun.message());
      return body();
    } catch (const soci::soci_error& error) {
      return Failure(PQstatus(handle()) == CONNECTION_BAD ? "" : SqlState(error), error.get_error_message());
    }
  }

  absl::Status Commit() {
    const Result commit = Execute("COMMIT");
    if (commit.ok() && commit.tag() == "COMMIT") return absl::OkStatus();
    // A body that swallowed an error: the server answers the COMMIT with ROLLBACK.
    if (commit.ok())
      return absl::InternalError(absl::StrCat("a transaction on ", dsn_.name, " ended before its commit"));
    const std::string sqlstate = commit.sqlstate();
    if (!IsSessionOver(sqlstate) && PQstatus(handle()) == CONNECTION_OK) return Failure(sqlstate, commit.message());
    broken_ = true;
    return OutcomeUnknown();
  }

  absl::Status OutcomeUnknown() const {
    return absl::UnavailableError(absl::StrCat("commit outcome unknown: ", dsn_.name, ": the connection is lost"));
  }

  void Rollback() {
    if (session_ == nullptr || PQtransactionStatus(handle()) == PQTRANS_IDLE) return;
    if (PQstatus(handle()) == CONNECTION_OK) Execute("ROLLBACK");
    if (PQtransactionStatus(handle()) != PQTRANS_IDLE) broken_ = true;
  }

  absl::Status Failure(const std::string& sqlstate, const std::string& message) {
    if (IsSessionOver(sqlstate)) broken_ = true;
    if (limit_.IsOver()) {
      return absl::UnavailableError(
          absl::StrCat(dsn_.name, ": no answer within ", absl::FormatDuration(dsn_.answer_timeout())));
    }
    return StatementFailure(dsn_, sqlstate, message);
  }

  PGconn* handle() { return static_cast<soci::postgresql_session_backend*>(session_->get_backend())->conn_; }
  Result Execute(const std::string& sql) { return Result(PQexec(handle(), sql.c_str())); }

  Dsn dsn_;
  CallLimit limit_;
  bool limited_ = true;
  std::unique_ptr<soci::session> session_;  // null only while broken_
  StatementCache statements_;               // after its session
  bool broken_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenPostgres(Dsn dsn) {
  auto connection = std::make_unique<PgConnection>(std::move(dsn));
  RETURN_IF_ERROR(connection->Connect());
  return connection;
}

}  // namespace unwind
