#include "common/db/dsn.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/db/connection.h"
#include "common/db/open.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string ErrorOf(const std::string& database) {
  const absl::StatusOr<Dsn> dsn = ParseDsn(database);
  EXPECT_EQ(dsn.status().code(), absl::StatusCode::kInvalidArgument) << database;
  return std::string(dsn.status().message());
}

TEST(DsnTest, OnlyThePrefixMakesADatabasePostgres) {
  EXPECT_TRUE(IsPostgres("postgres:host=a"));
  EXPECT_TRUE(IsPostgres("postgres:"));
  for (const char* path : {"order.db", "dbname=x.db", "./postgres:x", "/postgres:/x", ""}) {
    EXPECT_FALSE(IsPostgres(path)) << path;
  }
}

TEST(DsnTest, WhatIsMeantForPostgresIsNoFile) {
  for (const char* mistyped :
       {"postgresql:host=a password=s3cret", "postgresql://me:s3cret@a/b", "host=/run/pg dbname=b password=s3cret",
        "password=s3cret host=a", "dbname=x", "user=me", "postgrse:host=a dbname=b password=s3cret", "Postgres:host=a",
        "sqlite:order.db", "file:order.db", "mysql://a/b", "shop host=a"}) {
    EXPECT_TRUE(LooksLikeDsn(mistyped)) << mistyped;
    const absl::Status status = Connection::Open(mistyped).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << mistyped;
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith("--db "), HasSubstr("\"postgres:host=db1 "), Not(HasSubstr("s3cret"))));
  }
  for (const char* fine : {"order.db", "postgres:host=a", "./host=a", "/var/lib/dbname=x/a.db", "user", "a=b.db", "",
                           "./sqlite:a.db", "/data/a:b.db", "my orders.db"}) {
    EXPECT_FALSE(LooksLikeDsn(fine)) << fine;
  }
}

TEST(DsnTest, TakesLibpqsPairsAndQuoting) {
  const Dsn dsn = ParseDsn("postgres: host=/run/pg  dbname='my shop' user=it\\'s options='-c \\'a\\\\b\\''\n").value();
  EXPECT_EQ(dsn.libpq.at("host"), "/run/pg");
  EXPECT_EQ(dsn.libpq.at("dbname"), "my shop");
  EXPECT_EQ(dsn.libpq.at("user"), "it's");
  EXPECT_EQ(dsn.libpq.at("options"), "-c 'a\\b'");
  EXPECT_THAT(dsn.Uri(), HasSubstr("dbname=my%20shop&"));
  EXPECT_THAT(dsn.Uri(), Not(HasSubstr(" ")));
}

TEST(DsnTest, EveryConnectionHasTimeouts) {
  const Dsn dsn = ParseDsn("postgres:host=a").value();
  for (const char* key : {"connect_timeout", "tcp_user_timeout", "keepalives_idle"}) {
    EXPECT_EQ(dsn.libpq.count(key), 1U) << key;
  }
  EXPECT_EQ(dsn.lock_timeout, absl::Seconds(5));
  const Dsn other =
      ParseDsn(
          "postgres:connect_timeout=9 statement_timeout=1m lock_timeout=250ms idle_in_transaction_session_timeout=2s")
          .value();
  EXPECT_EQ(other.libpq.at("connect_timeout"), "9");
  EXPECT_EQ(other.statement_timeout, absl::Minutes(1));
  EXPECT_EQ(other.lock_timeout, absl::Milliseconds(250));
  EXPECT_EQ(other.idle_in_transaction_session_timeout, absl::Seconds(2));
  EXPECT_EQ(other.libpq.count("lock_timeout"), 0U);
}

TEST(DsnTest, APasswordComesFromAFileAndIsInNoMessage) {
  const TempDir dir;
  std::ofstream(dir.File("secret")) << "pass word%\n";
  Dsn dsn = ParseDsn("postgres:host=db1 port=77 dbname=d user=u password_file=" + dir.File("secret")).value();
  EXPECT_EQ(dsn.libpq.at("password"), "pass word%");
  EXPECT_THAT(dsn.Uri(), HasSubstr("password=pass%20word%25"));
  EXPECT_EQ(dsn.name, "database d at db1:77 as u");
  std::ofstream(dir.File("empty")) << "\n";
  const std::string empty = "password_file=" + dir.File("empty");
  EXPECT_EQ(ErrorOf("postgres:" + empty), "--db: " + empty + " cannot be read, or has no password in its first line");
  ErrorOf("postgres:password_file=/none/such");
  std::ofstream(dir.File("secret")) << "another\n";
  EXPECT_TRUE(dsn.ReadPassword().ok());
  EXPECT_EQ(dsn.libpq.at("password"), "another");
}

TEST(DsnTest, TheNameOfADatabaseTellsWhereItIsAndNoPassword) {
  const TempDir dir;
  std::ofstream(dir.File("secret")) << "s3cret\n";
  const std::string database = "postgres:host=db1 port=77 dbname=d user=u password_file=" + dir.File("secret");
  EXPECT_EQ(NameOfDatabase(database), "postgres database d at db1:77 as u");
  std::filesystem::remove(dir.File("secret"));
  EXPECT_EQ(NameOfDatabase(database), "postgres");
  EXPECT_EQ(NameOfDatabase("/var/lib/order.db"), "sqlite /var/lib/order.db");
  EXPECT_EQ(NameOfDatabase("order.db"), "sqlite " + (std::filesystem::current_path() / "order.db").string());
}

TEST(DsnTest, SaysWhichPairIsWrong) {
  EXPECT_EQ(
      ErrorOf("postgres:host=a password=b"),
      "--db: password= could be read by every user of this machine; name a file with password_file= or passfile=");
  EXPECT_EQ(ErrorOf("postgres:hots=a"), "--db: there is no setting hots=");
  EXPECT_EQ(ErrorOf("postgres:host=a host=b"), "--db: host is there twice");
  EXPECT_EQ(ErrorOf("postgres:host='a"), "--db: the value of host has no closing quote");
  EXPECT_EQ(
      ErrorOf("postgres:shop"),
      "--db: after postgres: there must be KEY=VALUE pairs, such as host=db1 dbname=shop user=me, but pair 1 is none");
  EXPECT_THAT(ErrorOf("postgres:port=1 host = a"), HasSubstr("pair 2 is none"));
  EXPECT_THAT(ErrorOf("postgres:me:s3cret@db1"), Not(HasSubstr("s3cret")));
  EXPECT_EQ(ErrorOf("postgres:lock_timeout=5"), "--db: lock_timeout=5 must be a time of 1ms to 24h, such as 10s");
  EXPECT_THAT(ErrorOf("postgres://me@db1/shop"), HasSubstr("a URI is not read"));
}

}  // namespace
}  // namespace unwind
