#include "common/db/sqlite_connection.h"

#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"

namespace unwind {
namespace {

constexpr absl::Duration kBusyTimeout = absl::Seconds(2);  // how long a transaction waits for another process's

// Whether the database is at fault and not what was written: the same succeeds later, at the latest once somebody has
// mended the disk, the file or its rights.
bool IsUnavailable(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return true;
    default:
      return false;
  }
}

// Whether a table or a column is missing, for which SQLite has no code of its own. Its messages are in no language but
// one.
bool IsSetUp(int result, absl::string_view message) {
  if ((result & 0xff) == SQLITE_SCHEMA) return true;
  return (result & 0xff) == SQLITE_ERROR &&
         (absl::StrContains(message, "no such ") || absl::StrContains(message, "has no column named"));
}

// Whether the handle itself may have suffered, so that a new one should be opened.
bool IsBroken(int result) {
  const int primary = result & 0xff;
  return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_CORRUPT ||
         primary == SQLITE_NOTADB || primary == SQLITE_NOMEM;
}

int ResultOf(const soci::soci_error& error) {
  const auto* sqlite_error = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  return sqlite_error == nullptr ? SQLITE_ERROR : sqlite_error->result();
}

std::string FolderOf(const std::string& path) {
  const std::string::size_type slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What a person can mend, before SQLite says only "unable to open database file".
absl::Status CheckPath(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the path of the database is empty");
  if (absl::StrContains(path, '=') && absl::StrContains(path, '"')) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path of the database ", path, " has both '=' and '\"' in it; leave one out"));
  }
  struct stat file {};
  if (::stat(path.c_str(), &file) == 0) {
    if (S_ISDIR(file.st_mode))
      return absl::InvalidArgumentError(absl::StrCat(path, " is a folder, not a database file"));
    if (::access(path.c_str(), R_OK | W_OK) != 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("the database ", path, " cannot be read and written by this user"));
    }
  }
  const std::string folder = FolderOf(path);
  if (::stat(folder.c_str(), &file) != 0 || !S_ISDIR(file.st_mode)) {
    return absl::NotFoundError(absl::StrCat("the folder of the database ", path, " does not exist; make it first"));
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("the folder of the database ", path, " is not writable by this user"));
  }
  return absl::OkStatus();
}

// Which file stands under a name.
struct FileId {
  dev_t device = 0;
  ino_t number = 0;

  bool operator==(const FileId&) const = default;
};

std::optional<FileId> FileAt(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return std::nullopt;
  return FileId{file.st_dev, file.st_ino};
}

// SOCI splits a connect string that contains '=' into key=value pairs; a quoted value is taken whole.
std::string ConnectString(const std::string& path) {
  return absl::StrContains(path, '=') ? absl::StrCat("dbname=\"", path, "\"") : path;
}

absl::Status OpenFailure(const std::string& path, int result, const std::string& message) {
  if ((result & 0xff) == SQLITE_NOTADB)
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a SQLite database"));
  return absl::UnavailableError(absl::StrCat("the database ", path, " cannot be opened: ", message));
}

// Before the first connection. A connection of ours is never two threads' at once, and nobody reads the statistics of
// memory: SQLite need not lock for either.
void Configure() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite_api::sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite_api::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  });
}

class SqliteConnection final : public Connection {
 public:
  explicit SqliteConnection(std::string path) : path_(std::move(path)) {}

  absl::Status Connect() {
    statements_.Clear();
    session_.reset();
    try {
      session_ = std::make_unique<soci::session>(soci::sqlite3, ConnectString(path_));
      sqlite_api::sqlite3_busy_timeout(handle(), static_cast<int>(absl::ToInt64Milliseconds(kBusyTimeout)));
      statements_.Attach(*session_);
      std::string mode;
      *session_ << "PRAGMA journal_mode = WAL", soci::into(mode);
      *session_ << "PRAGMA synchronous = FULL";
      *session_ << "PRAGMA foreign_keys = ON";
      if (mode == "wal") {
        if (!file_.has_value()) file_ = FileAt(path_);
        return absl::OkStatus();
      }
      session_.reset();
      return absl::FailedPreconditionError(
          absl::StrCat("the database ", path_, " cannot keep a write-ahead log; it must be a file on a local disk"));
    } catch (const soci::soci_error& error) {
      session_.reset();
      return OpenFailure(path_, ResultOf(error), error.get_error_message());
    }
  }

  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    return Run("BEGIN IMMEDIATE", [&]() -> absl::Status {
      RETURN_IF_ERROR(body(*session_));
      return Commit();
    });
  }

  absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    return Run("BEGIN", [&]() -> absl::Status {
      const int changes = sqlite_api::sqlite3_total_changes(handle());
      RETURN_IF_ERROR(body(*session_));
      if (sqlite_api::sqlite3_total_changes(handle()) == changes) return absl::OkStatus();
      return absl::InternalError(absl::StrCat("the database ", path_, " was written in a transaction that only reads"));
    });
  }

 private:
  absl::Status Run(const char* begin, absl::FunctionRef<absl::Status()> body) {
    RETURN_IF_ERROR(CheckFile());
    // Not when it broke: the caller may still hold statements of the old session, and lets go of them when a call
    // fails.
    if (broken_) {
      // Whatever is wrong with the file by now, nothing is wrong with what the caller wants of it.
      if (const absl::Status connected = Connect(); !connected.ok()) return absl::UnavailableError(connected.message());
      broken_ = false;
    }
    const absl::Cleanup rollback = [this] { Rollback(); };  // on every way out, also by an exception that is not SQL's
    try {
      if (const int result = Execute(begin); result != SQLITE_OK) return Failure(result, LastMessage());
      return body();
    } catch (const soci::soci_error& error) {
      return Failure(ResultOf(error), error.get_error_message());
    }
  }

  // A file that was removed or replaced would be written into the void, and a new session would begin with another one.
  absl::Status CheckFile() const {
    if (!file_.has_value() || FileAt(path_) == file_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "the database ", path_,
        " cannot be opened: its file was removed or replaced while the program ran; put that file back, or "
        "stop the program and start it on the new one"));
  }

  absl::Status Commit() {
    // SQLite ends a transaction by itself on some errors; a body that swallowed one would commit only what came after.
    if (!InTransaction())
      return absl::InternalError(absl::StrCat("a transaction on ", path_, " ended before its commit"));
    const int result = Execute("COMMIT");
    if (result == SQLITE_OK) return absl::OkStatus();
    if (InTransaction()) return Failure(result, LastMessage());
    broken_ = true;
    return absl::UnavailableError(absl::StrCat("commit outcome unknown: database ", path_, ": ", LastMessage()));
  }

  void Rollback() {
    if (session_ == nullptr || !InTransaction()) return;
    Execute("ROLLBACK");
    if (InTransaction()) broken_ = true;
  }

  absl::Status Failure(int result, const std::string& message) {
    if (IsBroken(result)) broken_ = true;
    const std::string what = absl::StrCat("database ", path_, ": ", message);
    if (IsSetUp(result, message)) return SetUpFault(what);
    return absl::Status(IsUnavailable(result) ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal, what);
  }

  sqlite_api::sqlite3* handle() { return static_cast<soci::sqlite3_session_backend*>(session_->get_backend())->conn_; }
  bool InTransaction() { return sqlite_api::sqlite3_get_autocommit(handle()) == 0; }
  int Execute(const char* sql) { return sqlite_api::sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr); }
  std::string LastMessage() { return sqlite_api::sqlite3_errmsg(handle()); }

  const std::string path_;
  std::unique_ptr<soci::session> session_;  // null only while broken_
  StatementCache statements_;               // after its session
  bool broken_ = false;
  std::optional<FileId> file_;  // that the first session opened
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenSqlite(const std::string& path) {
  RETURN_IF_ERROR(CheckPath(path));
  Configure();
  const bool is_new = !FileAt(path).has_value();
  auto connection = std::make_unique<SqliteConnection>(path);
  RETURN_IF_ERROR(connection->Connect());
  if (is_new) Log(Severity::kWarning, "made a new database: there was no such file", {{"file", path}});
  return connection;
}

}  // namespace unwind
