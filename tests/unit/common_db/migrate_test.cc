#include "common/db/migrate.h"

#include <memory>
#include <string>

#include "common/db/connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using ::testing::HasSubstr;

class MigrateTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> Open() {
    auto connection = Connection::Open(dir_.File("test.db"));
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }

  static long long Ask(Connection& connection, const std::string& sql) {
    long long answer = -1;
    EXPECT_TRUE(connection
                    .Read([&](soci::session& session) {
                      session << sql, soci::into(answer);
                      return absl::OkStatus();
                    })
                    .ok())
        << sql;
    return answer;
  }

  TempDir dir_;
  std::unique_ptr<Connection> connection_ = Open();
};

const Migrations kOne = {{"0001_a.sql", "CREATE TABLE a (x BIGINT);\nINSERT INTO a VALUES (1);\n"}};
const Migrations kTwo = {kOne[0], {"0002_b.sql", "CREATE TABLE b (x BIGINT);\nINSERT INTO a VALUES (2);\n"}};

TEST_F(MigrateTest, AppliesEachFileOnce) {
  ASSERT_TRUE(Migrate(*connection_, "shop", kOne).ok());
  ASSERT_TRUE(Migrate(*connection_, "shop", kOne).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM a"), 1);
  connection_ = Open();
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT sum(x) FROM a"), 3);
  EXPECT_EQ(Ask(*connection_, "SELECT max(version) FROM schema_version WHERE component = 'shop'"), 2);
}

TEST_F(MigrateTest, ComponentsCountForThemselves) {
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
  ASSERT_TRUE(Migrate(*connection_, kBarrierComponent, {{"0001_c.sql", "CREATE TABLE c (x BIGINT);\n"}}).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM schema_version"), 3);
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
}

TEST_F(MigrateTest, RefusesTheDatabaseOfAnotherProgram) {
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
  const absl::Status status = Migrate(*connection_, "other", {{"0001_c.sql", "CREATE TABLE c (x BIGINT);\n"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "the database holds the tables of \"shop\", another program; name one of its own in --db");
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM sqlite_master WHERE name = 'c'"), 0);
}

TEST_F(MigrateTest, RefusesADatabaseThatIsNewer) {
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
  const absl::Status status = Migrate(*connection_, "shop", kOne);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "the database's schema \"shop\" is at version 2, but this program knows only 1; start the newer program "
            "that made it");
}

TEST_F(MigrateTest, AFileThatFailsLeavesNothingOfItselfAndIsNamed) {
  const Migrations broken = {kOne[0], {"0002_b.sql", "CREATE TABLE b (x BIGINT);\nCREATE TABEL c (x BIGINT);\n"}};
  const absl::Status status = Migrate(*connection_, "shop", broken);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("migration 0002_b.sql of schema \"shop\" failed"));
  EXPECT_THAT(status.message(), HasSubstr("TABEL"));
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM sqlite_master WHERE name = 'b'"), 0);
  EXPECT_EQ(Ask(*connection_, "SELECT max(version) FROM schema_version"), 1);
  EXPECT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
}

TEST_F(MigrateTest, CommentsWithColonsAndQuotesAndTriggersAreSqlAndNotParameters) {
  const Migrations tricky = {{"0001_a.sql",
                              "-- it's :not a parameter\nCREATE TABLE a (x TEXT DEFAULT ':y');\n"
                              "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE a SET x = 'z';\nEND;\n"
                              "INSERT INTO a VALUES ('w');\n"}};
  ASSERT_TRUE(Migrate(*connection_, "shop", tricky).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT count(*) FROM a WHERE x = 'z'"), 1);
}

TEST_F(MigrateTest, TwoProcessesAtOnceApplyEachFileOnce) {
  // The other one has created the table of versions and stands before the same file.
  ASSERT_TRUE(Migrate(*connection_, "shop", {}).ok());
  std::unique_ptr<Connection> other = Open();
  ASSERT_TRUE(Migrate(*other, "shop", kTwo).ok());
  ASSERT_TRUE(Migrate(*connection_, "shop", kTwo).ok());
  EXPECT_EQ(Ask(*connection_, "SELECT sum(x) FROM a"), 3);
}

}  // namespace
}  // namespace unwind
