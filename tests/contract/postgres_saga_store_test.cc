#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/db/connection.h"
#include "orchestrator/store/soci_saga_store.h"
#include "soci/soci.h"
#include "tests/contract/first_release.h"
#include "tests/contract/saga_store_contract.h"
#include "tests/contract/saga_store_followers_contract.h"
#include "tests/contract/saga_store_resting_contract.h"
#include "tests/support/poll.h"
#include "tests/support/postgres.h"

namespace unwind {
namespace {

class PostgresHome final : public StoreHome {
 public:
  PostgresHome() { Reopen(); }
  SagaStore& store() override { return *store_; }
  bool Reopen() override {
    store_ = nullptr;
    store_ = SociSagaStore::Open(database_, /*writers=*/4).value();
    return true;
  }

 private:
  const std::string database_ = NewTestDatabase();
  std::unique_ptr<SagaStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, SagaStoreContract,
                         testing::Values(MakeStoreHome([] { return std::make_unique<PostgresHome>(); })));
INSTANTIATE_TEST_SUITE_P(Postgres, SagaStoreFollowers,
                         testing::Values(MakeStoreHome([] { return std::make_unique<PostgresHome>(); })));
INSTANTIATE_TEST_SUITE_P(Postgres, SagaStoreResting,
                         testing::Values(MakeStoreHome([] { return std::make_unique<PostgresHome>(); })));

// What the failure tests keep of their sagas: what the store said, or did not say.
class PostgresSagaStore : public testing::Test {
 protected:
  void SetUp() override { lease_ = store_->Acquire("orchestrator-1", "127.0.0.1:9", absl::Seconds(15)).value(); }

  std::vector<std::vector<std::string>> Ask(const std::string& sql) {
    const auto rows = TestPostgres().Execute(name_, sql);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(std::vector<std::vector<std::string>>());
  }
  std::string Column(const std::string& sql) {
    const auto rows = Ask(sql);
    return rows.size() == 1 ? rows[0][0] : absl::StrCat(rows.size(), " rows");
  }

  const std::string database_ = NewTestDatabase();
  const std::string name_ = database_.substr(database_.find("user=") + 5);
  std::unique_ptr<SociSagaStore> store_ = SociSagaStore::Open(database_, /*writers=*/2).value();
  Lease lease_;
};

// An instance that does not know the follower ends the parent.
TEST_F(PostgresSagaStore, FollowersThatAnotherInstanceBroughtCountAtOnce) {
  const Saga parent = SampleParent("p1");
  ASSERT_EQ(store_->Commit(lease_, {InsertOf(parent)})->front(), WriteResult::kStored);
  const auto other = SociSagaStore::Open(database_).value();
  ASSERT_EQ(other->PutFollowers(0, {SampleFollower()}), absl::OkStatus());
  ASSERT_EQ(store_->Commit(lease_, {FinishOf(parent)})->front(), WriteResult::kStored);
  const std::vector<Child> children = other->Children("p1").value();
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(children[0].definition, (DefinitionVersion{"after-order", 3}));
  EXPECT_EQ(other->Load(children[0].id)->owner, "orchestrator-1");
}

TEST_F(PostgresSagaStore, AFollowerThatCannotBeReadStopsOnlyWhatItFollows) {
  PlayAFollowerThatCannotBeRead(*store_, lease_, [this](const std::string& sql) { Ask(sql); });
}

// The one statement of a turn cannot be torn: whatever kills its session, every saga is where one of its writes left
// it, its history has each of them once, and a write that the store called stored is there.
TEST_F(PostgresSagaStore, SessionsThatAreKilledInMidTurnLoseAndDoubleNothing) {
  constexpr int kSagas = 40;
  constexpr int kRounds = 60;
  constexpr int kRoundsMax = 3000;  // until a kill met a commit
  std::vector<Saga> sagas;
  std::vector<SagaWrite> inserts;
  for (int i = 0; i < kSagas; ++i) {
    inserts.push_back(InsertOf(SampleSaga(absl::StrCat("s", i))));
    sagas.push_back(inserts.back().saga);
  }
  ASSERT_TRUE(store_->Commit(lease_, inserts).ok());
  std::atomic<bool> done = false;
  std::thread killer([&] {
    while (!done) {
      Ask(absl::StrCat("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '", name_,
                       "' AND state = 'active'"));
    }
  });
  int unknown = 0;
  for (int round = 0; round < kRounds || (unknown == 0 && round < kRoundsMax); ++round) {
    std::vector<SagaWrite> writes;
    for (const Saga& saga : sagas) writes.push_back(UpdateOf(saga, SagaState::kRunning));
    const auto results = store_->Commit(lease_, writes);
    if (results.ok()) {
      EXPECT_EQ(*results, std::vector<WriteResult>(kSagas, kStored));
    } else {
      EXPECT_EQ(results.status().code(), absl::StatusCode::kUnavailable) << results.status();
      ++unknown;
    }
    for (std::size_t i = 0; i < sagas.size(); ++i) {
      absl::StatusOr<Saga> stored;
      ASSERT_TRUE(Eventually(absl::Seconds(30), [&] { return (stored = store_->Load(sagas[i].id)).ok(); }))
          << stored.status();
      ASSERT_THAT(stored->version, testing::AnyOf(sagas[i].version, sagas[i].version + 1));
      ASSERT_TRUE(!results.ok() || stored->version == sagas[i].version + 1);
      ASSERT_EQ(stored->version, store_->Load(sagas[0].id).value_or(*stored).version) << "a turn was torn";
      sagas[i] = *stored;
    }
  }
  done = true;
  killer.join();
  EXPECT_GT(unknown, 0);
  EXPECT_EQ(Column("SELECT count(*) FROM saga AS s WHERE version <> (SELECT count(*) FROM saga_event WHERE saga_id ="
                   " s.id) OR version <> (SELECT max(seq) FROM saga_event WHERE saga_id = s.id)"),
            "0");
}

TEST_F(PostgresSagaStore, WhoHoldsALeaseIsTold) {
  EXPECT_FALSE(store_->Holder("nobody").value().has_value());
  EXPECT_EQ(store_->Holder("orchestrator-1").value()->address, "127.0.0.1:9");
  EXPECT_TRUE(store_->Holder("orchestrator-1").value()->is_current);
  ASSERT_TRUE(store_->Release(lease_).ok());
  EXPECT_FALSE(store_->Holder("orchestrator-1").value()->is_current);
}

// A write that is UNAVAILABLE is repeated; one that is INTERNAL quarantines its saga.
TEST_F(PostgresSagaStore, ARightThatIsTakenAwayIsTheStoresFaultAndNoSagas) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  const Saga saga = store_->Load("s1").value();
  for (const char* table : {"saga", "saga_event"}) {
    Ask(absl::StrCat("REVOKE INSERT, UPDATE ON ", table, " FROM ", name_));
    for (const SagaWrite& write : {InsertOf(SampleSaga("s2")), UpdateOf(saga, SagaState::kRunning)}) {
      const absl::Status status = store_->Commit(lease_, {write}).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_THAT(std::string(status.message()), testing::HasSubstr("(42501)"));
    }
    Ask(absl::StrCat("GRANT INSERT, UPDATE ON ", table, " TO ", name_));
  }
  EXPECT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s2")), UpdateOf(saga, SagaState::kRunning)}).ok());
}

TEST_F(PostgresSagaStore, AServerThatIsStoppedAtOnceAndStartedAgainCostsTimeOnly) {
  constexpr int kStops = 4;
  std::atomic<bool> done = false;
  std::atomic<int> acknowledged = 0, unknown = 0;
  std::thread writer([&] {
    Saga saga = SampleSaga("s1");
    SagaWrite write = InsertOf(saga);
    while (!done) {
      const auto results = store_->Commit(lease_, {write});
      if (results.ok()) {
        EXPECT_NE(results->at(0), WriteResult::kConflict);
        acknowledged = static_cast<int>(write.saga.version);
      } else {
        EXPECT_EQ(results.status().code(), absl::StatusCode::kUnavailable) << results.status();
        ++unknown;
      }
      absl::StatusOr<Saga> stored = absl::UnavailableError("not asked yet");
      ASSERT_TRUE(Eventually(absl::Seconds(60), [&] {
        stored = store_->Load("s1");
        return stored.ok() || absl::IsNotFound(stored.status());
      })) << stored.status();
      if (!stored.ok()) continue;  // the insert was lost with the server
      EXPECT_GE(stored->version, acknowledged);
      write = UpdateOf(*stored, SagaState::kRunning);
    }
  });
  for (int i = 0; i < kStops; ++i) {
    const int before = acknowledged;
    EXPECT_TRUE(Eventually(absl::Seconds(60), [&] { return acknowledged > before + 20; }));
    EXPECT_TRUE(TestPostgres().StopNow().ok());
    EXPECT_TRUE(TestPostgres().StartAgain().ok());
  }
  const int before = acknowledged;
  EXPECT_TRUE(Eventually(absl::Seconds(60), [&] { return acknowledged > before; }));
  done = true;
  writer.join();
  EXPECT_GT(unknown, 0);
  EXPECT_EQ(Column("SELECT count(*) - max(version) FROM saga JOIN saga_event ON saga_id = id"), "0");
  EXPECT_GE(std::stoi(Column("SELECT max(version) FROM saga")), acknowledged);
}

// A turn that began before the new epoch and commits after it would be an old owner's write.
TEST_F(PostgresSagaStore, ANewEpochWaitsForTheTurnThatIsUnderWay) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  const std::unique_ptr<Connection> turn = Connection::Open(database_).value();
  std::atomic<bool> acquired = false;
  std::thread next;
  ASSERT_TRUE(turn->Write([&](soci::session& sql) {
                    sql << "SELECT 1 FROM instance WHERE id = 'orchestrator-1' AND epoch = 1 FOR KEY SHARE";
                    EXPECT_TRUE(store_->Renew(lease_, absl::Seconds(15)).ok());  // a renewal does not wait
                    next = std::thread([&] {
                      EXPECT_EQ(store_->Acquire("orchestrator-1", "127.0.0.1:9", absl::Seconds(15))->epoch, 2);
                      acquired = true;
                    });
                    EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
                      return Column("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1";
                    }));
                    EXPECT_FALSE(acquired);
                    return absl::OkStatus();
                  })
                  .ok());
  next.join();
  EXPECT_EQ(store_->Commit(lease_, {InsertOf(SampleSaga("s2"))}).status().code(), absl::StatusCode::kAborted);
}

TEST_F(PostgresSagaStore, KeysAreInsertedInOneOrder) {
  const auto insert = [](const std::string& key) {
    return absl::StrCat(
        "INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner, next_run_at,"
        " create_time, update_time, accepted, progress) VALUES ('other ",
        key, "', 'place-order', 1, '', '", key, "', 1, 1, '', 0, 0, 0, '', '') ON CONFLICT DO NOTHING");
  };
  Saga late_key = SampleSaga("id 1"), early_key = SampleSaga("id 2");
  late_key.key = "z";
  early_key.key = "a";
  const std::unique_ptr<Connection> other = Connection::Open(database_).value();
  std::thread turn;
  EXPECT_EQ(other->Write([&](soci::session& sql) {
    sql << insert("a");
    turn = std::thread([&] { EXPECT_TRUE(store_->Commit(lease_, {InsertOf(late_key), InsertOf(early_key)}).ok()); });
    EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
      return Column("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1";
    }));
    sql << "SET LOCAL lock_timeout = '100ms'";
    sql << insert("z");  // which the turn has not inserted yet
    return absl::OkStatus();
  }),
            absl::OkStatus());
  turn.join();
}

// A claim of an older life that ended after the new one had looked would give it sagas that it does not know of.
TEST_F(PostgresSagaStore, ANewEpochWaitsForTheClaimAndTheTakeThatAreUnderWay) {
  const Lease other = store_->Acquire("orchestrator-2", "127.0.0.1:9", absl::Seconds(15)).value();
  ASSERT_TRUE(store_->Commit(other, {InsertOf(SampleSaga("claimed")), InsertOf(SampleSaga("taken"))}).ok());
  ASSERT_TRUE(store_->Release(other).ok());
  const auto waiting = [&](const char* for_locks) {
    return Column("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == for_locks;
  };
  const std::function<void()> steps[] = {
      [&] { EXPECT_EQ(store_->Take(lease_, "taken")->owner, lease_.instance); },
      [&] { EXPECT_EQ(store_->Claim(lease_, kAll, 10)->rows(), 1u); },
  };
  for (const std::function<void()>& step : steps) {
    const std::unique_ptr<Connection> obstacle = Connection::Open(database_).value();
    std::atomic<bool> acquired = false;
    std::thread old_life, new_life;
    Lease next;
    ASSERT_TRUE(obstacle
                    ->Write([&](soci::session& sql) {
                      sql << "LOCK TABLE saga IN EXCLUSIVE MODE";
                      old_life = std::thread(step);
                      EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return waiting("1"); }));
                      new_life = std::thread([&] {
                        next = store_->Acquire(lease_.instance, "127.0.0.1:9", absl::Seconds(15)).value();
                        acquired = true;
                      });
                      EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return acquired || waiting("2"); }));
                      EXPECT_FALSE(acquired);
                      return absl::OkStatus();
                    })
                    .ok());
    old_life.join();
    new_life.join();
    lease_ = next;
  }
  EXPECT_EQ(store_->LoadOwned(lease_, "", 10)->rows(), 2u);
}

TEST_F(PostgresSagaStore, ALeaseIsRenewedWhileEveryWriterWaits) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  const std::unique_ptr<SagaStore> store = SociSagaStore::Open(database_, /*writers=*/1).value();
  const std::unique_ptr<Connection> other = Connection::Open(database_).value();
  std::atomic<bool> committed = false;
  std::thread writer;
  ASSERT_TRUE(other
                  ->Write([&](soci::session& sql) {
                    sql << "UPDATE saga SET update_time = 0";
                    writer = std::thread([&] {
                      EXPECT_TRUE(store->Commit(lease_, {FinishOf(SampleSaga("s1"))}).ok());
                      committed = true;
                    });
                    EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
                      return Column("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1";
                    }));
                    EXPECT_TRUE(store->Renew(lease_, absl::Seconds(15)).ok());
                    EXPECT_FALSE(committed);
                    return absl::OkStatus();
                  })
                  .ok());
  writer.join();
}

TEST_F(PostgresSagaStore, ALeaseRunsByTheDatabasesClock) {
  ASSERT_TRUE(store_->Renew(lease_, absl::Hours(1)).ok());
  EXPECT_EQ(Column("SELECT abs(lease_until / 1000000000 - extract(epoch FROM now()) - 3600) <= 2 FROM instance"), "t");
  ASSERT_TRUE(store_->Renew(lease_, absl::InfiniteDuration()).ok());
}

// Such an update would write every index of the table again.
TEST_F(PostgresSagaStore, ATransitionTouchesNoIndex) {
  Saga saga = SampleSaga("s1");
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(saga)}).ok());
  for (int i = 0; i < 20; ++i) {
    const SagaWrite update = UpdateOf(saga, SagaState::kRunning);
    ASSERT_TRUE(store_->Commit(lease_, {update}).ok());
    saga = update.saga;
  }
  store_ = nullptr;  // a session reports what it did when it ends
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    return Column("SELECT n_tup_upd = 20 AND n_tup_hot_upd = 20 FROM pg_stat_user_tables WHERE relname = 'saga'") ==
           "t";
  })) << Column("SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'saga'");
}

// A plan that was made while the table was empty must not read all of it when it is large.
TEST_F(PostgresSagaStore, KeptPlansUseTheKeys) {
  store_ = nullptr;  // it made the indexes, and read the table for each
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] {
    return Column("SELECT seq_scan > 0 FROM pg_stat_user_tables WHERE relname = 'saga'") == "t";
  }));
  Ask("SELECT pg_stat_reset()");
  store_ = SociSagaStore::Open(database_).value();
  lease_ = store_->Acquire("orchestrator-1", "127.0.0.1:9", absl::Seconds(15)).value();
  Saga saga = SampleSaga("s1");
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(saga)}).ok());
  for (int i = 0; i < 20; ++i) {  // enough for the plan that is kept
    const SagaWrite update = UpdateOf(saga, SagaState::kRunning);
    ASSERT_TRUE(store_->Commit(lease_, {update}).ok());
    ASSERT_TRUE(store_->Load("s1").ok());
    ASSERT_TRUE(store_->LoadNewer({{"s1", 0}}).ok());
    ASSERT_TRUE(store_->ListHeads({.definition = saga.definition}).ok());
    ASSERT_TRUE(store_->ListUnfinished({}, "", 10).ok());
    saga = update.saga;
  }
  store_ = nullptr;
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    return Column("SELECT seq_scan = 0 AND idx_scan >= 60 FROM pg_stat_user_tables WHERE relname = 'saga'") == "t";
  })) << Column("SELECT seq_scan || ' ' || idx_scan FROM pg_stat_user_tables WHERE relname = 'saga'");
}

TEST_F(PostgresSagaStore, ADatabaseOfTheFirstReleaseGoesOn) {
  const std::string database = NewTestDatabase();
  MakeFirstRelease(*Connection::Open(database).value());
  ExpectFirstRelease(*SociSagaStore::Open(database).value());
  ExpectUnreadableIsKept(*Connection::Open(database).value());
}

// Of large rows one statement would have more bytes than the database takes.
TEST_F(PostgresSagaStore, RowsOfTheFirstReleaseAreWrittenInPagesOfSoManyBytes) {
  for (const bool small : {true, false}) {
    const std::string database = NewTestDatabase();
    const std::unique_ptr<Connection> connection = Connection::Open(database).value();
    MakeFirstRelease(*connection);
    const auto written = small ? std::pair(4, 12) : std::pair(1, 1);  // a row at a time, or all at once
    EXPECT_EQ(WrittenInPagesOf(*connection, small ? 1 : kJsonPageBytes), written);
    ExpectFirstRelease(*SociSagaStore::Open(database).value());
  }
}

}  // namespace
}  // namespace unwind
