// The barrier's table of before goes on under this program.
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "common/db/migrate.h"
#include "common/participant/barrier_rows.h"
#include "common/participant/participant.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

extern const unwind::Migrations kBarrierMigrations;

namespace unwind {
namespace {

Migrations OnlyTheFirst() {
  Migrations first;
  for (const auto& file : kBarrierMigrations) {
    if (absl::StrContains(file.first, "/0001_")) first.push_back(file);
  }
  return first;
}

TEST(BarrierMigration, RowsOfBeforeAreFoundAndKept) {
  const TempDir folder;
  const std::unique_ptr<Connection> connection = OpenTestDatabase(folder.File("barrier.db"));
  ASSERT_TRUE(Migrate(*connection, kBarrierComponent, OnlyTheFirst()).ok());
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  ASSERT_TRUE(connection
                  ->Write([](soci::session& session) {
                    session << "INSERT INTO saga_barrier VALUES"
                               " ('s1', 'take', 1, 1, 'abc', 'aGk=', 1700000000000000),"
                               " ('s1', 'take', 2, 1, 'abd', '', 1700000000000000),"
                               " ('s2', 'pay', 1, 4, 'abc', '', 1600000000000000),"
                               " ('k1', '', 1, 3, '', '', 1600000000000000)";
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_TRUE(Participant::Migrate(*connection).ok());
  const absl::Status used = connection->Write([&](soci::session& session) {
    const barrier::Rows rows =
        barrier::LoadRows(session, {{"", "s1", "take"}, {"", "s2", "pay"}, {"", "k1", ""}, {"mina", "k1", ""}});
    EXPECT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows.at({"", "s1", "take", barrier::Phase::kAction}), (barrier::Row{barrier::Outcome::kOk, "abc", "hi"}));
    EXPECT_EQ(
        barrier::InsertRows(
            session, {{{"", "s1", "take", barrier::Phase::kAction}, {barrier::Outcome::kOk, "abc", "", now}}}, now),
        0u);
    EXPECT_EQ(
        barrier::InsertRows(
            session, {{{"mina", "k1", "", barrier::Phase::kAction}, {barrier::Outcome::kOk, "abc", "", now}}}, now),
        1u);
    EXPECT_EQ(barrier::PurgeRows(session, now + absl::Hours(24 * 30), 10), 2u);  // mina's and k1's
    EXPECT_EQ(barrier::PurgeRows(session, now + absl::Hours(24 * 30 + 1), 10), 2u);
    EXPECT_EQ(barrier::LoadRows(session, {{"", "s2", "pay"}}).size(), 1u);
    const barrier::SettledRow fenced{barrier::Outcome::kPending, {barrier::Outcome::kSettling, "abc", "", now}};
    EXPECT_EQ(barrier::SettleRows(session, {{{"", "s2", "pay", barrier::Phase::kAction}, fenced}}, now), 1u);
    EXPECT_EQ(barrier::SettleRows(session, {{{"", "s2", "pay", barrier::Phase::kAction}, fenced}}, now), 0u);
    return absl::OkStatus();
  });
  EXPECT_TRUE(used.ok()) << used;
}

}  // namespace
}  // namespace unwind
