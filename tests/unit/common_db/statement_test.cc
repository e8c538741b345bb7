#include "common/db/statement.h"

#include <memory>

#include "common/db/connection.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

TEST(StatementTest, ThreePlacesDifferBetweenTheDatabases) {
  constexpr char kSql[] =
      "SELECT a FROM t WHERE id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) AND b IN (SELECT 1 FROM ROWS(:x) AS xs)"
      " ORDER BY id FOR UPDATE OF t";
  EXPECT_EQ(Translate(Dialect::kSqlite, kSql),
            "SELECT a FROM t WHERE id IN (SELECT r.value ->> 0 FROM json_each(:ids) AS r)"
            " AND b IN (SELECT 1 FROM json_each(:x) AS xs) ORDER BY id");
  EXPECT_EQ(
      Translate(Dialect::kPostgres, kSql),
      "SELECT a FROM t WHERE id = ANY (ARRAY(SELECT r.value ->> 0 FROM jsonb_array_elements(CAST(:ids AS jsonb)) AS "
      "r(value))) AND b IN (SELECT 1 FROM jsonb_array_elements(CAST(:x AS jsonb)) AS xs(value)) ORDER BY id FOR "
      "UPDATE OF t");
  EXPECT_EQ(Translate(Dialect::kPostgres, "DELETE FROM t"), "DELETE FROM t");
  EXPECT_EQ(Translate(Dialect::kPostgres, "SELECT a FROM t WHERE id NOT IN (SELECT r.value ->> 0 FROM ROWS(:x) AS r)"),
            "SELECT a FROM t WHERE id NOT IN (SELECT r.value ->> 0 FROM jsonb_array_elements(CAST(:x AS jsonb)) AS "
            "r(value))");
}

TEST(StatementTest, BindsFetchesAndCounts) {
  const TempDir dir;
  const std::unique_ptr<Connection> connection = Connection::Open(dir.File("test.db")).value();
  const absl::Status status = connection->Write([](soci::session& session) {
    RunOnce(session, "CREATE TABLE t (x BIGINT, note TEXT)");
    const std::string rows = R"([[1,"a"],[2,"b"],[3,"c"]])";
    EXPECT_FALSE(RunOnce(session,
                         "INSERT INTO t SELECT CAST(r.value ->> 0 AS BIGINT), r.value ->> 1 FROM ROWS(:rows) AS r",
                         soci::use(rows)));
    long long x = 0;
    EXPECT_TRUE(RunOnce(session, "SELECT x FROM t WHERE note = 'b'", soci::into(x)));
    EXPECT_EQ(x, 2);
    EXPECT_FALSE(RunOnce(session, "SELECT x FROM t WHERE note = 'z'", soci::into(x)));
    std::string note, all;
    Statement select(session, "SELECT note FROM t WHERE x > :x ORDER BY x", soci::use(1), soci::into(note));
    select.Execute();
    while (select.Fetch()) all += note;
    EXPECT_EQ(all, "bc");
    EXPECT_EQ(Statement(session, "DELETE FROM t WHERE x < 3 RETURNING x", soci::into(x)).CountRows(), 2U);
    EXPECT_EQ(Statement(session, "UPDATE t SET x = 4").CountChanges(), 1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace unwind
