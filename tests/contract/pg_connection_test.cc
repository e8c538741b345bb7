// Connection over a real PostgreSQL: what it promises when statements, sessions and servers fail.
#include <atomic>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/db/statement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_files.h"
#include "tests/support/poll.h"
#include "tests/support/postgres.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<Connection> MustOpen(const std::string& database) {
  auto connection = Connection::Open(database);
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

std::string Word(Connection& connection, const std::string& sql) { return Ask<std::string>(connection, sql); }

class PgConnectionTest : public ::testing::Test {
 protected:
  PgConnectionTest() { EXPECT_TRUE(Exec(*connection_, "CREATE TABLE t (x BIGINT PRIMARY KEY, note TEXT)").ok()); }

  std::string name() const {
    const std::size_t at = database_.find("dbname=") + 7;
    return database_.substr(at, database_.find(' ', at) - at);
  }
  long long Count() { return Ask(*MustOpen(database_), "SELECT count(*) FROM t"); }
  void KillSessions() {
    ASSERT_TRUE(TestPostgres()
                    .Execute("postgres", absl::StrCat("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                                      " WHERE datname = '",
                                                      name(), "'"))
                    .ok());
  }

  const std::string database_ = NewTestDatabase();
  std::unique_ptr<Connection> connection_ = MustOpen(database_);
};

TEST_F(PgConnectionTest, EverySessionHasItsTimeouts) {
  auto connection = MustOpen(database_ + " statement_timeout=7s lock_timeout=1500ms");
  EXPECT_EQ(Word(*connection, "SHOW statement_timeout"), "7s");
  EXPECT_EQ(Word(*connection, "SHOW lock_timeout"), "1500ms");
  EXPECT_EQ(Word(*connection, "SHOW idle_in_transaction_session_timeout"), "30s");
  connection = MustOpen(TestPostgres().DatabaseOverTcp(name()));  // its password has a space in it
  EXPECT_EQ(Word(*connection, "SELECT CAST(inet_server_port() > 0 AS text)"), "true");
}

TEST_F(PgConnectionTest, AStatusRollsBackAndIsReturnedAsItIs) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    return absl::AlreadyExistsError("mine");
  });
  EXPECT_EQ(status, absl::AlreadyExistsError("mine"));
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

TEST_F(PgConnectionTest, AnSqlErrorRollsBackAndSaysWhatWithoutValues) {
  const std::string secret = "s3cret";
  const absl::Status status = connection_->Write([&](soci::session& session) {
    session << "CREATE UNIQUE INDEX one_note ON t (note)";
    session << "INSERT INTO t VALUES (1, :note)", soci::use(secret);
    session << "INSERT INTO t VALUES (2, :note)", soci::use(secret);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("database " + name()), HasSubstr("one_note"),
                                                   HasSubstr("(23505)"), Not(HasSubstr(secret))));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgConnectionTest, AForeignExceptionRollsBackToo) {
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

// The server answers the COMMIT of an aborted transaction with ROLLBACK, and SOCI takes that for success.
TEST_F(PgConnectionTest, ASwallowedErrorIsNoSuccess) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    try {
      session << "INSERT INTO t VALUES (1, '')";
    } catch (const soci::soci_error&) {
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ended before its commit"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgConnectionTest, ACommitThatIsRefusedIsNoSuccess) {
  ASSERT_TRUE(Exec(*connection_, "CREATE TABLE c (x BIGINT REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)").ok());
  const absl::Status status = Exec(*connection_, "INSERT INTO c VALUES (7)");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(23503)"));
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM c"), 0);
}

TEST_F(PgConnectionTest, AReadIsOneSnapshotAndMayNotWrite) {
  auto reader = MustOpen(database_);
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
  const absl::Status status = reader->Read([](soci::session& session) {
    session << "INSERT INTO t VALUES (2, '')";
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(PgConnectionTest, ADeadlockIsUnavailableAndAConflict) {
  ASSERT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, ''), (2, '')").ok());
  auto other = MustOpen(database_);
  std::atomic<int> holding = 0;
  const auto lock_both = [&](Connection& connection, int first, int second) {
    return connection.Write([&](soci::session& session) {
      session << "UPDATE t SET note = 'x' WHERE x = :x", soci::use(first);
      ++holding;
      EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return holding == 2; }));
      session << "UPDATE t SET note = 'x' WHERE x = :x", soci::use(second);
      return absl::OkStatus();
    });
  };
  absl::Status theirs;
  std::thread thread([&] { theirs = lock_both(*other, 2, 1); });
  const absl::Status mine = lock_both(*connection_, 1, 2);
  thread.join();
  EXPECT_NE(mine.ok(), theirs.ok());
  const absl::Status& lost = mine.ok() ? theirs : mine;
  EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(IsConflict(lost)) << lost;
}

TEST_F(PgConnectionTest, AWaitForALockOrAStatementWithoutEndIsUnavailable) {
  ASSERT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  auto other = MustOpen(database_ + " lock_timeout=50ms");
  absl::Status status;
  EXPECT_TRUE(connection_
                  ->Write([&](soci::session& session) {
                    session << "UPDATE t SET note = 'x'";
                    status = Exec(*other, "UPDATE t SET note = 'y'");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(55P03)"));
  EXPECT_FALSE(IsConflict(status));
  other = MustOpen(database_ + " statement_timeout=1s");
  status = Exec(*other, "SELECT pg_sleep(20)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(57014)"));
  EXPECT_TRUE(Exec(*other, "UPDATE t SET note = 'y'").ok());
}

TEST_F(PgConnectionTest, ALostSessionIsUnavailableAndMadeAnew) {
  const absl::Status status = connection_->Write([&](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    KillSessions();
    session << "INSERT INTO t VALUES (2, '')";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("commit outcome unknown")));
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (3, '')").ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(PgConnectionTest, ASessionLostAtTheCommitLeavesItsOutcomeUnknown) {
  const absl::Status status = connection_->Write([&](soci::session& session) {
    session << "INSERT INTO t VALUES (1, '')";
    KillSessions();
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), StartsWith("commit outcome unknown"));
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
}

// `text` with the pair of `key` changed, or added.
std::string Replace(std::string text, const std::string& key, const std::string& value) {
  const std::size_t at = text.find(key + "=");
  if (at == std::string::npos) return text + " " + key + "=" + value;
  return text.replace(at, text.find(' ', at) - at, key + "=" + value);
}

// A password that is changed costs the calls until the file says so, and no start.
TEST_F(PgConnectionTest, APasswordIsReadAtEachConnect) {
  const TempDir dir;
  const auto change = [&](const std::string& password) {
    ASSERT_TRUE(
        TestPostgres().Execute("postgres", absl::StrCat("ALTER ROLE ", name(), " PASSWORD '", password, "'")).ok());
  };
  change("first");
  std::ofstream(dir.File("secret")) << "first\n";
  auto connection = MustOpen(Replace(TestPostgres().DatabaseOverTcp(name()), "password_file", dir.File("secret")));
  EXPECT_TRUE(Exec(*connection, "INSERT INTO t VALUES (1, '')").ok());
  change("second");
  KillSessions();
  EXPECT_EQ(Exec(*connection, "INSERT INTO t VALUES (2, '')").code(), absl::StatusCode::kUnavailable);
  const absl::Status refused = Exec(*connection, "INSERT INTO t VALUES (2, '')");
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("check user=, the password (password_file="));
  std::ofstream(dir.File("secret")) << "second\n";
  EXPECT_TRUE(Exec(*connection, "INSERT INTO t VALUES (2, '')").ok());
}

TEST_F(PgConnectionTest, AConnectionMayHaveShorterTimeouts) {
  auto hasty = Connection::Open(database_, absl::Milliseconds(200)).value();
  const absl::Status status = Exec(*hasty, "SELECT pg_sleep(20)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(57014)"));
}

TEST_F(PgConnectionTest, KeptStatementsGoWithTheirSession) {
  const auto insert = [&](int x) {
    return connection_->Write([&](soci::session& session) {
      RunOnce(session, "INSERT INTO t VALUES (:x, '')", soci::use(x));
      return absl::OkStatus();
    });
  };
  EXPECT_TRUE(insert(1).ok());
  EXPECT_TRUE(insert(2).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'"), 1);
  EXPECT_EQ(insert(2).code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(insert(3).ok());
  KillSessions();
  EXPECT_EQ(insert(4).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(insert(4).ok());
  EXPECT_EQ(Count(), 4);
}

TEST_F(PgConnectionTest, AReadOnlyDatabaseIsUnavailableWhenWritten) {
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "SET TRANSACTION READ ONLY";
    session << "INSERT INTO t VALUES (1, '')";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("(25006)"));
}

// What was to be written has no part in it.
TEST_F(PgConnectionTest, WhatTheDatabaseLacksIsTheDatabasesFault) {
  const auto expect_fault = [&](const char* sql, const char* sqlstate) {
    const absl::Status status = Exec(*connection_, sql);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(IsSetUpFault(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(sqlstate));
  };
  ASSERT_TRUE(Exec(*connection_, absl::StrCat("REVOKE INSERT ON t FROM ", name())).ok());
  expect_fault("INSERT INTO t VALUES (1, '')", "(42501)");
  ASSERT_TRUE(Exec(*connection_, absl::StrCat("GRANT INSERT ON t TO ", name())).ok());
  EXPECT_TRUE(Exec(*connection_, "INSERT INTO t VALUES (1, '')").ok());
  expect_fault("INSERT INTO none VALUES (1)", "(42P01)");
  expect_fault("UPDATE t SET none = 1", "(42703)");
  expect_fault("INSERT INTO none.t VALUES (1)", "(42P01)");
  expect_fault("UPDATE t SET note = nowhere(note)", "(42883)");
  EXPECT_FALSE(IsSetUpFault(Exec(*connection_, "INSERT INTO t VALUES (1, '')")));  // a key that is there
}

TEST_F(PgConnectionTest, ASessionThatLostItsStatementsIsMadeAnew) {
  int x = 0;
  const auto insert = [&](soci::session& session) {
    ++x;
    RunOnce(session, "INSERT INTO t VALUES (:x, '')", soci::use(x));
    return absl::OkStatus();
  };
  EXPECT_TRUE(connection_->Write(insert).ok());
  ASSERT_TRUE(Exec(*connection_, "DEALLOCATE ALL").ok());
  const absl::Status lost = connection_->Write(insert);
  EXPECT_EQ(lost.code(), absl::StatusCode::kUnavailable) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr("(26000)"));
  EXPECT_TRUE(connection_->Write(insert).ok());
  EXPECT_EQ(Count(), 2);
}

// Starting.

absl::Status OpenError(const std::string& database) { return Connection::Open(database).status(); }

TEST_F(PgConnectionTest, WhatCannotBeOpenedNamesTheSetting) {
  const TempDir dir;
  absl::Status status = OpenError(Replace(database_, "dbname", "none"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(StartsWith("--db: database none at "), HasSubstr("\"none\" does not exist; check dbname=")));
  status = OpenError(Replace(database_, "user", "nobody"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("role \"nobody\" does not exist; check user="));
  const std::string tcp = TestPostgres().DatabaseOverTcp(name());
  status = OpenError(Replace(tcp, "password_file", "/etc/hostname"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("check user=, the password (password_file="));
  status = OpenError(tcp.substr(0, tcp.find(" password_file")));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it asks for a password: name a file with password_file="));
  status = OpenError(Replace(database_, "port", "1"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("check host= and port=, and that the server runs"));
  status = OpenError(Replace(database_, "host", "no-such-host.invalid"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(PgConnectionTest, TooManyConnectionsIsUnavailable) {
  ASSERT_TRUE(TestPostgres().Execute("postgres", absl::StrCat("ALTER ROLE ", name(), " CONNECTION LIMIT 1")).ok());
  const absl::Status status = OpenError(database_);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("raise the server's max_connections or the role's limit"));
}

TEST_F(PgConnectionTest, AnotherEncodingIsRefused) {
  ASSERT_TRUE(TestPostgres()
                  .Execute("postgres", absl::StrCat("CREATE DATABASE latin_", name(), " OWNER ", name(),
                                                    " ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))
                  .ok());
  const absl::Status status = OpenError(Replace(database_, "dbname", "latin_" + name()));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has the encoding LATIN1; create it with ENCODING 'UTF8'"));
}

// Its calls would have no limit.
TEST_F(PgConnectionTest, AConnectionWithoutADescriptorForItsLimitIsNone) {
  {
    const FreeFiles one(1);
    const auto connection = Connection::Open(database_);
    ASSERT_FALSE(connection.ok());
    EXPECT_EQ(connection.status().code(), absl::StatusCode::kUnavailable) << connection.status();
    EXPECT_THAT(std::string(connection.status().message()), HasSubstr("no file descriptor is free"));
  }
  EXPECT_TRUE(Connection::Open(database_).ok());
}

// A server that hangs behind a connection that lives, as a stopped process or a pooler without a server does.
class SilentServerTest : public PgConnectionTest {
 protected:
  void SetUp() override {
    const std::string server = absl::StrCat("127.0.0.1:", TestPostgres().port());
    link_ = proxy_->AddLink(server).value();
    const std::string over_link = TestPostgres().DatabaseOverTcp(name(), link_);
    silent_ = MustOpen(absl::StrCat(over_link, " statement_timeout=200ms"));
  }

  std::unique_ptr<FaultProxy> proxy_ = FaultProxy::Start().value();
  std::string link_;
  std::unique_ptr<Connection> silent_;  // through the link
};

TEST_F(SilentServerTest, ACallIsGivenUpAndTheNextOneConnectsAgain) {
  proxy_->Stall(link_, true);
  const absl::Status silent = Exec(*silent_, "INSERT INTO t VALUES (1)");
  EXPECT_EQ(silent.code(), absl::StatusCode::kUnavailable) << silent;
  EXPECT_THAT(std::string(silent.message()), HasSubstr("no answer within 300ms"));
  proxy_->Stall(link_, false);
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return Exec(*silent_, "INSERT INTO t VALUES (2)").ok(); }));
  EXPECT_EQ(Ask(*connection_, "SELECT sum(x) FROM t"), 2);
}

TEST_F(SilentServerTest, ACommitWithoutAnAnswerMayHaveHappened) {
  const absl::Status silent = silent_->Write([&](soci::session& session) {
    session << "INSERT INTO t VALUES (1)";
    proxy_->Stall(link_, true);
    return absl::OkStatus();
  });
  EXPECT_EQ(silent.code(), absl::StatusCode::kUnavailable) << silent;
  EXPECT_THAT(std::string(silent.message()), HasSubstr("commit outcome unknown"));
}

TEST_F(SilentServerTest, AMigrationMayTakeItsTime) {
  const Migrations slow = {{"postgres/0001_a.sql", "SELECT pg_sleep(1); CREATE TABLE a (x BIGINT);"}};
  EXPECT_TRUE(Migrate(*silent_, "shop", slow).ok());
}

// Migrations.

const Migrations kFiles = {{"sqlite/0001_a.sql", "this is not for PostgreSQL"},
                           {"postgres/0001_a.sql",
                            "-- it's :no parameter\nCREATE TABLE a (x BIGINT);\n"
                            "INSERT INTO a VALUES (1);\n"},
                           {"postgres/0002_b.sql", "INSERT INTO a VALUES (2);\n"}};

TEST_F(PgConnectionTest, ProcessesThatStartAtOnceMigrateOnce) {
  constexpr int kProcesses = 8;
  std::vector<std::thread> threads;
  std::vector<absl::Status> statuses(kProcesses);
  for (absl::Status& status : statuses) {
    threads.emplace_back([&] { status = Migrate(*MustOpen(database_), "shop", kFiles); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Ask(*connection_, "SELECT sum(x) FROM a"), 3);
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM schema_version"), 2);
}

TEST_F(PgConnectionTest, ANewerAForeignAndAForbiddenDatabaseAreToldApart) {
  ASSERT_TRUE(Migrate(*connection_, "shop", kFiles).ok());
  const absl::Status newer = Migrate(*connection_, "shop", {kFiles[0], kFiles[1]});
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(newer.message()), HasSubstr("is at version 2, but this program knows only 1"));
  const absl::Status foreign = Migrate(*connection_, "other", kFiles);
  EXPECT_EQ(foreign.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(foreign.message()),
              AllOf(HasSubstr("the tables of \"shop\""), HasSubstr("name one of its own in --db")));
  const std::string guest = NewTestDatabase();
  const absl::Status forbidden =
      Migrate(*MustOpen(Replace(database_, "user", guest.substr(guest.find("user=") + 5))), "shop", kFiles);
  EXPECT_EQ(forbidden.code(), absl::StatusCode::kFailedPrecondition) << forbidden;
  EXPECT_THAT(std::string(forbidden.message()), HasSubstr("its user must own the database"));
}

TEST_F(PgConnectionTest, TheDefaultsOfADatabaseAreNotThisPrograms) {
  for (const char* setting : {"default_transaction_read_only = on", "default_transaction_isolation = 'serializable'"}) {
    ASSERT_TRUE(TestPostgres().Execute("postgres", absl::StrCat("ALTER ROLE ", name(), " SET ", setting)).ok());
  }
  const auto connection = MustOpen(database_);
  EXPECT_TRUE(Migrate(*connection, "shop", kFiles).ok());
  std::string isolation, alone;
  EXPECT_TRUE(connection
                  ->Write([&](soci::session& session) {
                    session << "SHOW transaction_isolation", soci::into(isolation);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(connection
                  ->WriteOnce([&](soci::session& session) {
                    session << "SHOW transaction_isolation", soci::into(alone);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(isolation, "read committed");
  EXPECT_EQ(alone, "read committed");
}

TEST(PgStandbyTest, AStandbyIsNamedAndMayBecomeThePrimary) {
  const auto server = PostgresServer::Start().value();
  const std::string database = server->CreateDatabase("shop").value();
  auto connection = MustOpen(database);
  ASSERT_TRUE(Exec(*connection, "CREATE TABLE t (x BIGINT)").ok());
  ASSERT_TRUE(server->StopNow().ok());
  EXPECT_EQ(Exec(*connection, "INSERT INTO t VALUES (1)").code(), absl::StatusCode::kUnavailable);
  std::ofstream(server->folder() + "/data/standby.signal") << "";
  ASSERT_TRUE(server->StartAgain().ok());
  const absl::Status status = Exec(*connection, "INSERT INTO t VALUES (2)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is a standby, which cannot be written; name the primary"));
  ASSERT_TRUE(server->Execute("postgres", "SELECT pg_promote()").ok());
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return Exec(*connection, "INSERT INTO t VALUES (3)").ok(); }));
  EXPECT_EQ(Ask(*connection, "SELECT sum(x) FROM t"), 3);
}

}  // namespace
}  // namespace unwind
