#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "absl/functional/function_ref.h"
#include "common/db/connection.h"
#include "orchestrator/store/claim.h"
#include "orchestrator/store/soci_saga_store.h"
#include "soci/soci.h"
#include "tests/contract/first_release.h"
#include "tests/contract/saga_store_contract.h"
#include "tests/contract/saga_store_followers_contract.h"
#include "tests/contract/saga_store_resting_contract.h"

namespace unwind {
namespace {

namespace fs = std::filesystem;

// A folder of its own, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "saga_store_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string Contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// In place and of the same size: every process that has the file open sees it.
void Overwrite(const std::string& file, const std::string& contents) {
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary) << contents;
}

class SqliteHome final : public StoreHome {
 public:
  SqliteHome() { Reopen(); }
  SagaStore& store() override { return *store_; }
  bool Reopen() override {
    store_ = nullptr;
    store_ = SociSagaStore::Open(scratch_.File("sagas.db")).value();
    return true;
  }

 private:
  Scratch scratch_;
  std::unique_ptr<SagaStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, SagaStoreContract,
                         testing::Values(MakeStoreHome([] { return std::make_unique<SqliteHome>(); })));
INSTANTIATE_TEST_SUITE_P(Sqlite, SagaStoreFollowers,
                         testing::Values(MakeStoreHome([] { return std::make_unique<SqliteHome>(); })));
INSTANTIATE_TEST_SUITE_P(Sqlite, SagaStoreResting,
                         testing::Values(MakeStoreHome([] { return std::make_unique<SqliteHome>(); })));

class SqliteSagaStore : public testing::Test {
 protected:
  void SetUp() override {
    store_ = SociSagaStore::Open(file_).value();
    lease_ = store_->Acquire("orchestrator-1", "127.0.0.1:9", absl::Seconds(15)).value();
  }

  // Runs `body` on a connection that is not the store's.
  void OnAnotherConnection(absl::FunctionRef<void(soci::session&)> body) {
    const auto connection = Connection::Open(file_).value();
    const absl::Status status = connection->Write([&](soci::session& sql) {
      body(sql);
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
  }
  std::string Column(const std::string& query) {
    std::string value;
    OnAnotherConnection([&](soci::session& sql) { sql << query, soci::into(value); });
    return value;
  }
  void Execute(const std::string& statement) {
    OnAnotherConnection([&](soci::session& sql) { sql << statement; });
  }

  Scratch scratch_;
  const std::string file_ = scratch_.File("sagas.db");
  std::unique_ptr<SociSagaStore> store_;
  Lease lease_;
};

// An instance that does not know the follower ends the parent.
TEST_F(SqliteSagaStore, FollowersThatAnotherInstanceBroughtCountAtOnce) {
  const Saga parent = SampleParent("p1");
  ASSERT_EQ(store_->Commit(lease_, {InsertOf(parent)})->front(), WriteResult::kStored);
  const auto other = SociSagaStore::Open(file_).value();
  ASSERT_EQ(other->PutFollowers(0, {SampleFollower()}), absl::OkStatus());
  ASSERT_EQ(store_->Commit(lease_, {FinishOf(parent)})->front(), WriteResult::kStored);
  const std::vector<Child> children = other->Children("p1").value();
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(children[0].definition, (DefinitionVersion{"after-order", 3}));
  EXPECT_EQ(other->Load(children[0].id)->owner, "orchestrator-1");
}

TEST_F(SqliteSagaStore, AFollowerThatCannotBeReadStopsOnlyWhatItFollows) {
  PlayAFollowerThatCannotBeRead(*store_, lease_, [this](const std::string& sql) { Execute(sql); });
}

TEST_F(SqliteSagaStore, WhatHappenedAndWhenIsReadableInSql) {
  const SagaWrite write = InsertOf(SampleSaga("s1"));
  ASSERT_TRUE(store_->Commit(lease_, {write, UpdateOf(write.saga, SagaState::kParked)}).ok());
  EXPECT_EQ(Column("SELECT group_concat(what, ' ') FROM saga_event"), "started replied");
  EXPECT_EQ(Column("SELECT group_concat(DISTINCT typeof(detail)) FROM saga_event"), "blob");
  EXPECT_EQ(Column("SELECT typeof(accepted) || typeof(progress) FROM saga"), "blobblob");
  EXPECT_EQ(Column("SELECT CAST(next_run_at AS TEXT) FROM saga"), "9223372036854775807");
  EXPECT_EQ(Column("SELECT CAST(create_time AS TEXT) FROM saga"), "1700000000123456789");
}

// A reply may be large, and every one would be there twice.
TEST_F(SqliteSagaStore, AReplyIsStoredOnce) {
  SagaWrite insert = InsertOf(SampleSaga("s1")), update = UpdateOf(insert.saga, SagaState::kRunning);
  const std::string reply(10'000, 'r');
  update.saga.steps[0].reply = std::get<Replied>(update.events[0].event).reply = reply;
  SagaWrite other = UpdateOf(update.saga, SagaState::kRunning);  // of a compensation, which the step does not keep
  other.saga.steps[0].reply = reply;
  ASSERT_TRUE(store_->Commit(lease_, {insert, update, other}).ok());
  EXPECT_EQ(Column("SELECT CAST(SUM(length(detail)) < 200 AS TEXT) FROM saga_event"), "1");
  EXPECT_THAT(store_->History("s1", 0, 10).value(), ElementsAre(insert.events[0], update.events[0], other.events[0]));
}

TEST_F(SqliteSagaStore, ALeaseRunsByTheDatabasesClock) {
  ASSERT_TRUE(store_->Renew(lease_, absl::Hours(1)).ok());
  EXPECT_EQ(
      Column("SELECT CAST(abs(lease_until / 1000000000 - strftime('%s', 'now') - 3600) <= 2 AS TEXT) FROM instance"),
      "1");
  ASSERT_TRUE(store_->Renew(lease_, absl::InfiniteDuration()).ok());
  EXPECT_EQ(Column("SELECT typeof(lease_until) FROM instance"), "integer");
  EXPECT_EQ(Column("SELECT address FROM instance"), "127.0.0.1:9");
}

// Whatever another process or an older release left there is told apart, and never taken for something else.
TEST_F(SqliteSagaStore, ADamagedRowIsDataLossAndNamesTheSaga) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  for (const char* damage : {"progress = x'ff'", "accepted = x'0a05'", "state = 9",
                             "progress = x'220408091001'",               // a step in state 9, of no sends
                             "progress = x'220a080110001a0400000000'",   // in phase 0
                             "progress = x'2209080110011a03000000'"}) {  // with three counts of sends
    const std::string set = damage;
    Execute("CREATE TABLE kept AS SELECT * FROM saga");
    Execute("UPDATE saga SET " + set);
    const absl::Status status = store_->Load("s1").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << damage;
    EXPECT_THAT(std::string(status.message()), testing::StartsWith("the stored saga s1 cannot be read: ")) << damage;
    Execute("DELETE FROM saga");
    Execute("INSERT INTO saga SELECT * FROM kept");
    Execute("DROP TABLE kept");
    ASSERT_TRUE(store_->Load("s1").ok());
  }
  Execute("UPDATE saga_event SET detail = x''");
  EXPECT_EQ(store_->History("s1", 0, 10).status(),
            absl::DataLossError("the stored event 1 of saga s1 cannot be read: it is of no known kind"));
}

// One that a newer version wrote, or that is damaged, is named; all others are loaded, listed and claimed.
TEST_F(SqliteSagaStore, AnUnreadableRowIsNoErrorOfTheOthers) {
  const std::vector<std::string> ids = {"s1", "s2", "s3", "s4"};
  std::vector<SagaWrite> writes;
  for (const std::string& id : ids) writes.push_back(InsertOf(SampleSaga(id)));
  ASSERT_TRUE(store_->Commit(lease_, writes).ok());
  Execute("UPDATE saga SET progress = x'ff' WHERE id IN ('s2', 's4')");
  const auto expect = [](const absl::StatusOr<SagaPage>& page, const std::vector<std::string>& readable,
                         const std::vector<std::string>& unreadable) {
    ASSERT_TRUE(page.ok()) << page.status();
    std::vector<std::string> sagas, others;
    for (const Saga& saga : page->sagas) sagas.push_back(saga.id);
    for (const UnreadableSaga& saga : page->unreadable) {
      others.push_back(saga.id);
      EXPECT_THAT(saga.why, testing::StartsWith("the stored saga " + saga.id + " cannot be read: "));
    }
    EXPECT_EQ(sagas, readable);
    EXPECT_EQ(others, unreadable);
  };
  expect(store_->LoadMany(ids), {"s1", "s3"}, {"s2", "s4"});
  expect(store_->List({}), {"s3", "s1"}, {"s4", "s2"});
  EXPECT_EQ(store_->List({})->last_id, "s1");
  expect(store_->LoadOwned(lease_, "", 50), {"s1", "s3"}, {"s2", "s4"});
  expect(store_->LoadOwned(lease_, "", 2), {"s1"}, {"s2"});
  EXPECT_EQ(store_->LoadOwned(lease_, "", 2)->last_id, "s2");

  const Lease other = store_->Acquire("orchestrator-2", "127.0.0.1:9", absl::Seconds(15)).value();
  ASSERT_TRUE(store_->Release(lease_).ok());
  expect(store_->Claim(other, kAll, 2), {"s1", "s3"}, {"s2"});
  expect(store_->Claim(other, kAll, 2), {}, {"s2", "s4"});
  EXPECT_EQ(store_->Take(other, "s4").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Column("SELECT group_concat(owner, ' ') FROM saga ORDER BY id"),
            "orchestrator-2 orchestrator-1 orchestrator-2 orchestrator-1");
}

TEST_F(SqliteSagaStore, AStateOfANewerVersionMakesARowUnreadable) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  Execute("UPDATE saga SET state = 6");
  EXPECT_EQ(store_->Load("s1").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->List({})->unreadable.size(), 1u);
}

TEST_F(SqliteSagaStore, ReadersDoNotWaitForACommit) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  absl::StatusOr<std::vector<WriteResult>> committed;
  std::thread committer;
  OnAnotherConnection([&](soci::session& sql) {  // holds the write lock, so the commit below cannot end
    sql << "UPDATE saga SET update_time = 0";
    committer = std::thread([&] { committed = store_->Commit(lease_, {InsertOf(SampleSaga("s2"))}); });
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(store_->Load("s1").ok());
    EXPECT_EQ(store_->Load("s1")->update_time, kNoon);
  });
  if (committer.joinable()) committer.join();
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(store_->Load("s1")->update_time, absl::UnixEpoch());
  EXPECT_TRUE(store_->Load("s2").ok());
}

TEST_F(SqliteSagaStore, WhatWasCommittedSurvivesAnEndWithoutWarning) {
  SagaWrite write = InsertOf(SampleSaga("s1"));
  ASSERT_TRUE(store_->Commit(lease_, {write}).ok());
  for (const char* file : {"sagas.db", "sagas.db-wal"}) {  // as the disk stands while the store is open
    fs::copy_file(scratch_.File(file), scratch_.File(std::string("left-") + file));
  }
  const auto left = SociSagaStore::Open(scratch_.File("left-sagas.db")).value();
  write.saga.owner = lease_.instance;
  EXPECT_EQ(left->Load("s1").value(), write.saga);
  EXPECT_EQ(left->History("s1", 0, 10).value(), write.events);
}

TEST_F(SqliteSagaStore, AnOwnerThatHasRenewedItsLeaseMeanwhileKeepsItsSagas) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  const Lease other = store_->Acquire("orchestrator-2", "127.0.0.1:9", absl::Seconds(15)).value();
  const auto connection = Connection::Open(file_).value();
  const auto claimed = [&] {
    return ClaimSagas(*connection, other, {{.instance = lease_.instance}}, kAll, 10).value().rows();
  };
  EXPECT_EQ(claimed(), 0u);
  ASSERT_TRUE(store_->Release(lease_).ok());
  EXPECT_EQ(claimed(), 1u);
}

TEST_F(SqliteSagaStore, WhoHoldsALeaseIsTold) {
  EXPECT_FALSE(store_->Holder("nobody").value().has_value());
  EXPECT_EQ(store_->Holder("orchestrator-1").value()->address, "127.0.0.1:9");
  EXPECT_TRUE(store_->Holder("orchestrator-1").value()->is_current);
  ASSERT_TRUE(store_->Release(lease_).ok());
  EXPECT_FALSE(store_->Holder("orchestrator-1").value()->is_current);
}

TEST_F(SqliteSagaStore, AFailedCommitDoesNotSpoilTheNext) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  SagaWrite twice = InsertOf(SampleSaga("s2"));
  twice.events.push_back(twice.events[0]);  // one seq twice: an SQL error, after two statements that worked
  EXPECT_EQ(store_->Commit(lease_, {InsertOf(SampleSaga("s3")), twice}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(store_->Load("s2").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Load("s3").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(store_->Commit(lease_, {InsertOf(SampleSaga("s2"))}).value(), ElementsAre(WriteResult::kStored));
}

// While it is so every call fails with a status, and once it is mended the store goes on, with a session of its own
// making.
TEST_F(SqliteSagaStore, ADestroyedFileIsAnErrorUntilItIsMended) {
  ASSERT_TRUE(store_->Commit(lease_, {InsertOf(SampleSaga("s1"))}).ok());
  OnAnotherConnection([](soci::session& sql) {  // so that no cached page is trusted, and the file holds all
    sql << "UPDATE instance SET address = 'elsewhere'";
    sql << "PRAGMA wal_autocheckpoint = 1";
  });
  const std::string contents = Contents(file_);
  Overwrite(file_, std::string(contents.size(), 'x'));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store_->Renew(lease_, absl::Seconds(15)).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store_->Commit(lease_, {InsertOf(SampleSaga("s2"))}).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_FALSE(store_->Load("s1").ok());
  }
  Overwrite(file_, contents);
  EXPECT_EQ(store_->Renew(lease_, absl::Seconds(15)), absl::OkStatus());
  EXPECT_THAT(store_->Commit(lease_, {InsertOf(SampleSaga("s2"))}).value(), ElementsAre(WriteResult::kStored));
  EXPECT_TRUE(store_->Load("s1").ok());
  EXPECT_TRUE(store_->Load("s2").ok());
}

// One sentence for the person who starts the program.
TEST_F(SqliteSagaStore, ABadPathIsOneClearSentence) {
  const auto message = [](const std::string& path) {
    return std::string(SociSagaStore::Open(path).status().message());
  };
  const std::string missing = scratch_.File("missing/sagas.db");
  EXPECT_EQ(message(missing), absl::StrCat("the folder of the database ", missing, " does not exist; make it first"));
  const std::string text = scratch_.File("text.db");
  std::ofstream(text) << std::string(5000, 'x');
  EXPECT_EQ(message(text), absl::StrCat(text, " is not a SQLite database"));
}

TEST_F(SqliteSagaStore, ANewerDatabaseIsRefused) {
  store_ = nullptr;
  Execute("INSERT INTO schema_version (component, version) VALUES ('orchestrator', 999)");
  const absl::Status status = SociSagaStore::Open(file_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "the database's schema \"orchestrator\" is at version 999, but this program knows only 6; start "
            "the newer program that made it");
}

TEST_F(SqliteSagaStore, ADatabaseOfTheFirstReleaseGoesOn) {
  const std::string database = scratch_.File("first.db");
  MakeFirstRelease(*Connection::Open(database).value());
  ExpectFirstRelease(*SociSagaStore::Open(database).value());
  ExpectUnreadableIsKept(*Connection::Open(database).value());
}

// Of large rows one statement would have more bytes than the database takes.
TEST_F(SqliteSagaStore, RowsOfTheFirstReleaseAreWrittenInPagesOfSoManyBytes) {
  for (const bool small : {true, false}) {
    const std::string database = scratch_.File(small ? "small.db" : "large.db");
    const std::unique_ptr<Connection> connection = Connection::Open(database).value();
    MakeFirstRelease(*connection);
    const auto written = small ? std::pair(4, 12) : std::pair(1, 1);  // a row at a time, or all at once
    EXPECT_EQ(WrittenInPagesOf(*connection, small ? 1 : kJsonPageBytes), written);
    ExpectFirstRelease(*SociSagaStore::Open(database).value());
  }
}

}  // namespace
}  // namespace unwind
