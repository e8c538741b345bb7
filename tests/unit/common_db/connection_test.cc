#include "common/db/connection.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/db/statement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<Connection> MustOpen(const std::string& path) {
  auto connection = Connection::Open(path);
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

absl::Status Exec(Connection& connection, const std::string& sql) {
  return connection.Write([&](soci::session& session) {
    session << sql;
    return absl::OkStatus();
  });
}

template <class T = long long>
T Ask(Connection& connection, const std::string& sql) {
  T answer{};
  const absl::Status status = connection.Read([&](soci::session& session) {
    session << sql, soci::into(answer);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return answer;
}

sqlite_api::sqlite3* Handle(soci::session& session) {
  return static_cast<soci::sqlite3_session_backend*>(session.get_backend())->conn_;
}

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() { EXPECT_TRUE(Exec(*connection_, "CREATE TABLE t (x BIGINT PRIMARY KEY, note TEXT)").ok()); }

  long long Count() { return Ask(*MustOpen(path_), "SELECT count(*) FROM t"); }

  TempDir dir_;
  const std::string path_ = dir_.File("test.db");
  std::unique_ptr<Connection> connection_ = MustOpen(path_);
};

TEST_F(ConnectionTest, IsDurableAndChecksForeignKeys) {
  EXPECT_EQ(Ask<std::string>(*connection_, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(Ask(*connection_, "PRAGMA synchronous"), 2);
  EXPECT_EQ(Ask(*connection_, "PRAGMA foreign_keys"), 1);
}

TEST_F(ConnectionTest, WriteCommits) {
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(ConnectionTest, AStatusRollsBackAndIsReturnedAsItIs) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    return absl::AlreadyExistsError("mine");
  });
  EXPECT_EQ(status, absl::AlreadyExistsError("mine"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(ConnectionTest, AnSqlErrorRollsBackAndSaysWhatWithoutValues) {
  const std::string secret = "s3cret";
  const absl::Status status = connection_->Write([&](soci::session& session) {
    session << "INSERT INTO t VALUES (1, :note)", soci::use(secret);
    session << "INSERT INTO t VALUES (1, :note)", soci::use(secret);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path_), HasSubstr("UNIQUE constraint failed"), Not(HasSubstr(secret))));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(ConnectionTest, AForeignExceptionRollsBackToo) {
  EXPECT_THROW(connection_
                   ->Write([](soci::session& session) -> absl::Status {
                     session << "INSERT INTO t VALUES (1, '')";
                     throw std::runtime_error("a bug");
                   })
                   .IgnoreError(),
               std::runtime_error);
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(ConnectionTest, AWriterThatIsKeptOutIsUnavailable) {
  std::unique_ptr<Connection> other = MustOpen(path_);
  EXPECT_EQ(Ask(*other, "PRAGMA busy_timeout = 1"), 1);
  absl::Status status;
  EXPECT_TRUE(connection_
                  ->Write([&](soci::session& session) {
                    session << "INSERT INTO t VALUES (1, '')";
                    status = Exec(*other, "INSERT INTO t VALUES (2, '')");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("database is locked"));
  EXPECT_TRUE(Exec(*other, "INSERT INTO t VALUES (2, '')").ok());
  EXPECT_EQ(Count(), 2);
}

TEST_F(ConnectionTest, AFullDiskIsUnavailableAndHarmless) {
  ASSERT_GT(Ask(*connection_, "PRAGMA max_page_count = 10"), 0);
  const absl::Status status = Exec(*connection_, "INSERT INTO t VALUES (1, hex(zeroblob(100000)))");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("full"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(ConnectionTest, AReadOnlyDatabaseIsUnavailable) {
  ASSERT_TRUE(connection_
                  ->Read([](soci::session& session) {
                    session << "PRAGMA query_only = 1";
                    return absl::OkStatus();
                  })
                  .ok());
  const absl::Status status = Exec(*connection_, "INSERT INTO t VALUES (1, '')");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("readonly"));
}

// What was to be written has no part in it.
TEST_F(ConnectionTest, AMissingTableOrColumnIsTheDatabasesFault) {
  for (const char* sql : {"INSERT INTO none VALUES (1)", "UPDATE t SET none = 1", "INSERT INTO t (none) VALUES (1)"}) {
    const absl::Status status = Exec(*connection_, sql);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(IsSetUpFault(status)) << status;
  }
  const absl::Status refused = Exec(*connection_, "INSERT INTO t VALUES ('one', '', 2)");
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal) << refused;
  EXPECT_FALSE(IsSetUpFault(refused));
}

// What is written into a file without a name is lost, and a new session would make an empty database.
TEST_F(ConnectionTest, AFileThatIsRemovedOrReplacedIsNotWritten) {
  const std::string away = dir_.File("away");
  std::filesystem::rename(path_, away);
  absl::Status status = Exec(*connection_, "INSERT INTO t VALUES (1, '')");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("removed or replaced while the program ran"));
  EXPECT_FALSE(std::filesystem::exists(path_));

  std::ofstream(path_) << "another";
  EXPECT_EQ(Exec(*connection_, "INSERT INTO t VALUES (1, '')").code(), absl::StatusCode::kUnavailable);
  std::filesystem::rename(away, path_);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(ConnectionTest, ACommitThatIsRefusedIsNoSuccess) {
  ASSERT_TRUE(Exec(*connection_, "CREATE TABLE c (x BIGINT REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)").ok());
  const absl::Status status = Exec(*connection_, "INSERT INTO c VALUES (7)");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("FOREIGN KEY constraint failed"));
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM c"), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(ConnectionTest, ACommitThatEndsInAnErrorIsUnknown) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    sqlite_api::sqlite3_commit_hook(
        Handle(session), [](void*) { return 1; }, nullptr);
    session << "INSERT INTO t VALUES (1, '')";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), StartsWith("commit outcome unknown"));
  // A new session, which has no such hook.
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(ConnectionTest, ATransactionThatEndedInsideItsBodyIsNoSuccess) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    session << "ROLLBACK";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ended before its commit"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(ConnectionTest, ABrokenSessionIsOpenedAnewAndSaysWhyItCannotBe) {
  const auto break_it = [](soci::session&) -> absl::Status {
    throw soci::sqlite3_soci_error("disk I/O error", SQLITE_IOERR);
  };
  EXPECT_EQ(connection_->Write(break_it).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  EXPECT_EQ(connection_->Write(break_it).code(), absl::StatusCode::kUnavailable);
  std::filesystem::rename(dir_.path(), dir_.path() + "-gone");
  const absl::Status status = Exec(*connection_, "INSERT INTO t VALUES (2, '')");
  std::filesystem::rename(dir_.path() + "-gone", dir_.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path_), HasSubstr("cannot be opened")));
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (2, '')").ok());
  EXPECT_EQ(Count(), 2);
}

TEST_F(ConnectionTest, AStatementIsPreparedOnceAndNeverLeftUnfinished) {
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, 'a'), (2, 'b')").ok());
  const auto first_row = [](soci::session& session) {
    long long x = 0;
    RunOnce(session, "SELECT x FROM t", soci::into(x));  // there is another row
    EXPECT_EQ(x, 1);
    sqlite_api::sqlite3_stmt* const kept = sqlite_api::sqlite3_next_stmt(Handle(session), nullptr);
    EXPECT_NE(kept, nullptr);
    EXPECT_EQ(sqlite_api::sqlite3_next_stmt(Handle(session), kept), nullptr);
    EXPECT_FALSE(sqlite_api::sqlite3_stmt_busy(kept));
    return absl::OkStatus();
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(connection_->Write(first_row), absl::OkStatus());
}

TEST_F(ConnectionTest, AReadIsOneSnapshot) {
  std::unique_ptr<Connection> reader = MustOpen(path_);
  long long before = -1, after = -1;
  EXPECT_TRUE(reader
                  ->Read([&](soci::session& session) {
                    session << "SELECT count(*) FROM t", soci::into(before);
                    EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
                    session << "SELECT count(*) FROM t", soci::into(after);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(before, 0);
  EXPECT_EQ(after, 0);
  EXPECT_EQ(Ask(*reader, "SELECT count(*) FROM t"), 1);
}

TEST_F(ConnectionTest, AReadThatWritesIsNoSuccess) {
  const absl::Status status = connection_->Read([](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("was written in a transaction that only reads"));
  EXPECT_EQ(Count(), 0);
}

TEST(ConnectionOpenTest, TakesAPathWhole) {
  TempDir dir;
  for (const char* name : {"a=b.db", "dbname=x timeout=3.db", "with space.db", "quote'\".db", "%41?mode=ro.db"}) {
    SCOPED_TRACE(name);
    std::unique_ptr<Connection> connection = MustOpen(dir.File(name));
    EXPECT_TRUE(Exec(*connection, "CREATE TABLE t (x BIGINT)").ok());
    EXPECT_TRUE(std::filesystem::exists(dir.File(name)));
  }
}

std::string OpenError(const std::string& path, absl::StatusCode code) {
  const auto connection = Connection::Open(path);
  EXPECT_EQ(connection.status().code(), code);
  return std::string(connection.status().message());
}

TEST(ConnectionOpenTest, SaysInOneSentenceWhatIsWrongWithThePath) {
  TempDir dir;
  EXPECT_EQ(OpenError("", absl::StatusCode::kInvalidArgument), "the path of the database is empty");
  EXPECT_EQ(OpenError(dir.path(), absl::StatusCode::kInvalidArgument),
            dir.path() + " is a folder, not a database file");
  const std::string lost = dir.File("none/test.db");
  EXPECT_EQ(OpenError(lost, absl::StatusCode::kNotFound),
            "the folder of the database " + lost + " does not exist; make it first");
  const std::string both = dir.File("a=\"b\".db");
  EXPECT_EQ(OpenError(both, absl::StatusCode::kInvalidArgument),
            "the path of the database " + both + " has both '=' and '\"' in it; leave one out");
  const std::string text = dir.File("text.db");
  std::ofstream(text) << std::string(5000, 'x');
  EXPECT_EQ(OpenError(text, absl::StatusCode::kInvalidArgument), text + " is not a SQLite database");
  EXPECT_EQ(OpenError(":memory:", absl::StatusCode::kFailedPrecondition),
            "the database :memory: cannot keep a write-ahead log; it must be a file on a local disk");
}

// In a child that is not root, because root may write anywhere.
void OpenAsNobody(const std::string& path) {
  if (::geteuid() == 0 && ::setuid(65534) != 0) std::exit(2);
  std::fputs(std::string(Connection::Open(path).status().message()).c_str(), stderr);
  std::exit(0);
}

TEST(ConnectionOpenDeathTest, NamesAFolderOrFileThatThisUserMayNotWrite) {
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  MustOpen(dir.File("test.db"));
  ASSERT_EQ(::chmod(dir.File("test.db").c_str(), 0444), 0);
  EXPECT_EXIT(OpenAsNobody(dir.File("test.db")), ::testing::ExitedWithCode(0),
              "test.db cannot be read and written by this user");
  ASSERT_EQ(::chmod(dir.path().c_str(), 0555), 0);
  EXPECT_EXIT(OpenAsNobody(dir.File("new.db")), ::testing::ExitedWithCode(0),
              "the folder of the database .*new.db is not writable by this user");
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
}

}  // namespace
}  // namespace unwind
