// What the audit reads is what the databases hold, whichever kind they are.
#include "tests/support/books.h"

#include "common/db/dsn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

namespace unwind {
namespace {

using testing::ElementsAre;

TEST(Books, TellNumbersTextsAndWhatIsNull) {
  const TempDir folder;
  const std::string database = TestDatabaseAt(folder.File("shop.db"));
  const auto connection = Connection::Open(database);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const absl::Status filled = (*connection)->Write([](soci::session& session) {
    session << "CREATE TABLE saga (id TEXT, parent TEXT, version BIGINT)";
    session << "INSERT INTO saga VALUES ('born', 'a', 10), ('called', NULL, 9), ('of nobody', '', NULL)";
    return absl::OkStatus();
  });
  ASSERT_TRUE(filled.ok()) << filled;
  const auto books = Books::Open({{"sagas", database}});
  ASSERT_TRUE(books.ok()) << books.status();
  const auto select = [&](const std::string& which) {
    const auto rows = (*books)->Select("SELECT id FROM sagas.saga WHERE " + which + " ORDER BY version");
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(std::vector<std::string>());
  };
  EXPECT_THAT(select("parent IS NULL"), ElementsAre("called"));
  EXPECT_THAT(select("parent = ''"), ElementsAre("of nobody"));
  EXPECT_THAT(select("version IS NOT NULL"), ElementsAre("called", "born"));
  EXPECT_EQ((*books)->Number("SELECT SUM(version) FROM sagas.saga").value_or(-1), 19);
}

// Tables that are asked for nothing may be too large to be copied.
TEST(Books, LeaveOutWhatNobodyAsksFor) {
  const TempDir folder;
  const std::string database = TestDatabaseAt(folder.File("shop.db"));
  const auto connection = Connection::Open(database);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const absl::Status filled = (*connection)->Write([](soci::session& session) {
    session << "CREATE TABLE saga (id TEXT)";
    session << "CREATE TABLE saga_event (saga_id TEXT)";
    session << "INSERT INTO saga VALUES ('one')";
    return absl::OkStatus();
  });
  ASSERT_TRUE(filled.ok()) << filled;
  const auto books = Books::Open({{"sagas", database}}, {"saga_event"});
  ASSERT_TRUE(books.ok()) << books.status();
  EXPECT_EQ((*books)->Number("SELECT COUNT(*) FROM sagas.saga").value_or(-1), 1);
  const bool copies = IsPostgres(database);  // a file is attached as it is
  EXPECT_EQ((*books)->Number("SELECT COUNT(*) FROM sagas.saga_event").ok(), !copies);
}

}  // namespace
}  // namespace unwind
