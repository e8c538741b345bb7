// What every SagaStore promises, as one suite. A test file makes its store with a StoreHome and instantiates the suite
// over it.
#ifndef UNWIND_TESTS_CONTRACT_SAGA_STORE_CONTRACT_H_
#define UNWIND_TESTS_CONTRACT_SAGA_STORE_CONTRACT_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/engine/saga_store.h"
#include "tests/contract/saga_samples.h"
#include "tests/support/poll.h"

namespace unwind {

// Where a store lives while a test runs.
class StoreHome {
 public:
  virtual ~StoreHome() = default;
  virtual SagaStore& store() = 0;
  // Ends the store and opens it again, as a restart does. False: it does not outlive its process.
  virtual bool Reopen() = 0;
};

using MakeStoreHome = std::function<std::unique_ptr<StoreHome>()>;

class SagaStoreContract : public testing::TestWithParam<MakeStoreHome> {
 protected:
  void SetUp() override {
    home_ = GetParam()();
    lease_ = Acquired("orchestrator-1");
  }

  SagaStore& store() { return home_->store(); }

  Lease Acquired(const std::string& instance) {
    const absl::StatusOr<Lease> lease = store().Acquire(instance, "127.0.0.1:9", absl::Seconds(15));
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.value_or(Lease());
  }

  std::vector<WriteResult> Committed(const Lease& lease, const std::vector<SagaWrite>& writes) {
    const auto results = store().Commit(lease, writes);
    EXPECT_TRUE(results.ok()) << results.status();
    return results.value_or(std::vector<WriteResult>());
  }
  WriteResult Committed(const SagaWrite& write) { return Committed(lease_, {write}).at(0); }

  // Stores `write` and gives the saga as it must now be loaded.
  Saga Stored(const SagaWrite& write) {
    EXPECT_EQ(Committed(write), WriteResult::kStored);
    return Owned(write.saga);
  }
  Saga Owned(Saga saga) const {
    saga.owner = lease_.instance;
    return saga;
  }

  Saga Loaded(const std::string& id) {
    const absl::StatusOr<Saga> saga = store().Load(id);
    EXPECT_TRUE(saga.ok()) << saga.status();
    return saga.value_or(Saga());
  }
  std::vector<HistoryEvent> HistoryOf(const std::string& id, std::int64_t after = 0, int limit = 1'000'000) {
    const auto history = store().History(id, after, limit);
    EXPECT_TRUE(history.ok()) << history.status();
    return history.value_or(std::vector<HistoryEvent>());
  }
  // As a list of sagas and as one of heads, which must be the same.
  std::vector<std::string> Listed(const SagaFilter& filter) {
    const std::vector<std::string> ids = Ids(store().List(filter));
    const absl::StatusOr<std::vector<SagaHead>> heads = store().ListHeads(filter);
    EXPECT_TRUE(heads.ok()) << heads.status();
    std::vector<std::string> of_heads;
    if (heads.ok()) {
      for (const SagaHead& head : *heads) of_heads.push_back(head.id);
    }
    EXPECT_EQ(of_heads, ids);
    return ids;
  }
  static std::vector<std::string> Ids(const absl::StatusOr<SagaPage>& page) {
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> ids;
    if (page.ok()) {
      for (const Saga& saga : page->sagas) ids.push_back(saga.id);
    }
    return ids;
  }

  std::unique_ptr<StoreHome> home_;
  Lease lease_;
};

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
constexpr WriteResult kStored = WriteResult::kStored;
constexpr WriteResult kConflict = WriteResult::kConflict;
constexpr WriteResult kKeyExists = WriteResult::kKeyExists;
const std::vector<DefinitionVersion> kAll = {{"place-order", 1}, {"cancel-order", 1}};  // of SampleSaga

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SagaStoreContract);

// ---- inserts

TEST_P(SagaStoreContract, AnInsertedSagaIsFoundByIdAndByKey) {
  const SagaWrite write = InsertOf(SampleSaga("s1"));
  const Saga saga = Stored(write);
  EXPECT_EQ(saga.owner, "orchestrator-1");
  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_EQ(store().LoadByKey("place-order", "", "s1").value(), saga);
  EXPECT_EQ(HistoryOf("s1"), write.events);
}

TEST_P(SagaStoreContract, ManyAreLoadedAtOnceAndWhatIsNotThereIsLeftOut) {
  const Saga a = Stored(InsertOf(SampleSaga("a"))), b = Stored(InsertOf(SampleSaga("b")));
  Stored(InsertOf(SampleSaga("c")));
  const SagaPage page = store().LoadMany({"b", "absent", "a", "b"}).value();
  EXPECT_THAT(page.sagas, testing::UnorderedElementsAre(a, b));
  EXPECT_THAT(page.unreadable, IsEmpty());
  EXPECT_THAT(Ids(store().LoadMany({})), IsEmpty());
  EXPECT_THAT(Ids(store().LoadMany({"absent"})), IsEmpty());
}

TEST_P(SagaStoreContract, APageEndsWithTheRowThatMakesItTooLong) {
  for (const char* id : {"a", "b", "c", "d"}) {
    Saga saga = SampleSaga(id);
    saga.input.assign(kPageBytesMax / 2, 'x');
    Stored(InsertOf(saga));
  }
  const SagaPage page = store().LoadMany({"d", "c", "b", "a"}).value();
  EXPECT_THAT(Ids(page), ElementsAre("a", "b"));
  EXPECT_TRUE(page.is_cut);
  EXPECT_EQ(page.last_id, "b");
  EXPECT_FALSE(store().LoadMany({"d"})->is_cut);
  const SagaPage list = store().List({}).value();
  EXPECT_THAT(Ids(list), ElementsAre("d", "c"));
  EXPECT_TRUE(list.is_cut);
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "b", 50)), ElementsAre("c", "d"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "b", 1)), ElementsAre("c"));
  EXPECT_TRUE(store().ListUnfinished({}, "", 50)->is_cut);
  EXPECT_THAT(Ids(store().ListUnfinished({}, "", 50)), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(store().ListUnfinished({}, "b", 50)), ElementsAre("c", "d"));
}

TEST_P(SagaStoreContract, UnfinishedSagasAreListedOldestFirstOfAllOwners) {
  const Saga a = Stored(InsertOf(SampleSaga("a")));
  Stored(UpdateOf(Stored(InsertOf(SampleSaga("b"))), SagaState::kParked));
  Stored(FinishOf(Stored(InsertOf(SampleSaga("c")))));
  Committed(Acquired("orchestrator-2"), {InsertOf(SampleSaga("d"))});
  Stored(UpdateOf(Stored(InsertOf(SampleSaga("e"))), SagaState::kCompensating));
  const auto listed = [this](std::optional<SagaState> state, const std::string& after, int limit) {
    return Ids(store().ListUnfinished(state, after, limit));
  };
  EXPECT_THAT(listed({}, "", 50), ElementsAre("a", "b", "d", "e"));
  EXPECT_THAT(listed({}, "a", 2), ElementsAre("b", "d"));
  EXPECT_THAT(listed({}, "e", 2), IsEmpty());
  EXPECT_THAT(listed(SagaState::kRunning, "", 50), ElementsAre("a", "d"));
  EXPECT_THAT(listed(SagaState::kParked, "", 50), ElementsAre("b"));
  EXPECT_THAT(listed(SagaState::kCompensating, "a", 50), ElementsAre("e"));
  EXPECT_THAT(listed(SagaState::kCompleted, "", 50), IsEmpty());
  EXPECT_THAT(store().ListUnfinished({}, "", 1)->sagas, ElementsAre(a));
}

// One page of whole sagas is bounded by kPageBytesMax; a list of heads must not be cut by it.
TEST_P(SagaStoreContract, HeadsAreListedWithVersionAndStateHoweverLargeTheSagasAre) {
  Saga large = SampleSaga("a");
  large.input.assign(kPageBytesMax, 'x');
  Stored(InsertOf(large));
  large.id = large.key = "b";
  Stored(UpdateOf(Stored(InsertOf(large)), SagaState::kParked));
  EXPECT_THAT(store().ListHeads({}).value(),
              ElementsAre(SagaHead{"b", 2, SagaState::kParked}, SagaHead{"a", 1, SagaState::kRunning}));
}

TEST_P(SagaStoreContract, OfTheSagasThatWereSeenTheNewerOnesAreLoaded) {
  const Saga a = Stored(UpdateOf(Stored(InsertOf(SampleSaga("a"))), SagaState::kRunning));
  const Saga b = Stored(FinishOf(Stored(InsertOf(SampleSaga("b")))));
  Stored(InsertOf(SampleSaga("c")));
  EXPECT_THAT(store().LoadNewer({{"c", 1}, {"b", 1}, {"absent", 0}, {"a", 1}})->sagas, ElementsAre(a, b));
  EXPECT_THAT(Ids(store().LoadNewer({{"a", 2}, {"b", 3}, {"c", 0}})), ElementsAre("c"));
  EXPECT_THAT(Ids(store().LoadNewer({})), IsEmpty());
}

TEST_P(SagaStoreContract, APageOfNewerSagasIsCutAsEveryPageIs) {
  for (const char* id : {"a", "b", "c"}) {
    Saga saga = SampleSaga(id);
    saga.input.assign(kPageBytesMax / 2, 'x');
    Stored(InsertOf(saga));
  }
  const SagaPage page = store().LoadNewer({{"a", 0}, {"b", 0}, {"c", 0}}).value();
  EXPECT_THAT(Ids(page), ElementsAre("a", "b"));
  EXPECT_TRUE(page.is_cut);
}

TEST_P(SagaStoreContract, WhatIsNotThereIsNotFound) {
  Stored(InsertOf(SampleSaga("s1")));
  EXPECT_EQ(store().Load("s2").status(), absl::NotFoundError("there is no saga s2"));
  EXPECT_EQ(store().Load("s").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().LoadByKey("place-order", "", "s2").status(),
            absl::NotFoundError("there is no saga of definition place-order with key s2"));
  EXPECT_EQ(store().LoadByKey("cancel-order", "", "s1").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(HistoryOf("s2"), IsEmpty());
}

TEST_P(SagaStoreContract, ATakenKeyChangesNothing) {
  const Saga first = Stored(InsertOf(SampleSaga("s1")));
  Saga second = SampleSaga("s2");
  second.key = "s1";
  EXPECT_EQ(Committed(InsertOf(second)), kKeyExists);
  EXPECT_EQ(store().Load("s2").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(HistoryOf("s2"), IsEmpty());
  EXPECT_EQ(store().LoadByKey("place-order", "", "s1").value(), first);

  second.definition = "cancel-order";
  EXPECT_EQ(Committed(InsertOf(second)), kStored);
}

TEST_P(SagaStoreContract, OneKeyIsOneSagaOfEachScope) {
  const auto scoped = [](const std::string& id, const std::string& scope) {
    Saga saga = SampleSaga(id);
    saga.key = "k";
    saga.key_scope = scope;
    return saga;
  };
  const Saga anns = Stored(InsertOf(scoped("s1", "ann"))), bobs = Stored(InsertOf(scoped("s2", "bob")));
  EXPECT_EQ(anns.key_scope, "ann");
  EXPECT_EQ(Committed(InsertOf(scoped("s3", "ann"))), kKeyExists);
  EXPECT_EQ(store().LoadByKey("place-order", "ann", "k").value(), anns);
  EXPECT_EQ(store().LoadByKey("place-order", "bob", "k").value(), bobs);
  EXPECT_TRUE(absl::IsNotFound(store().LoadByKey("place-order", "", "k").status()));
  EXPECT_TRUE(absl::IsNotFound(store().LoadByKey("place-order", "eve", "k").status()));
}

// So that nothing is started twice when callers begin to be told apart.
TEST_P(SagaStoreContract, AKeyFromBeforeThereWereScopesIsFoundInEachScope) {
  Saga first = SampleSaga("s1");
  first.key = "k";
  first = Stored(InsertOf(first));
  Saga second = SampleSaga("s2");
  second.key = "k";
  second.key_scope = "ann";
  EXPECT_EQ(Committed(InsertOf(second)), kKeyExists);
  EXPECT_TRUE(absl::IsNotFound(store().Load("s2").status()));
  EXPECT_THAT(HistoryOf("s2"), IsEmpty());
  EXPECT_EQ(store().LoadByKey("place-order", "ann", "k").value(), first);
}

TEST_P(SagaStoreContract, TheKeyOfOnesOwnScopeIsFoundBeforeOneFromBeforeThereWereScopes) {
  Saga ann = SampleSaga("s1"), nobody = SampleSaga("s2");
  ann.key = nobody.key = "k";
  ann.key_scope = "ann";
  ann = Stored(InsertOf(ann));
  nobody = Stored(InsertOf(nobody));
  EXPECT_EQ(store().LoadByKey("place-order", "ann", "k").value(), ann);
  EXPECT_EQ(store().LoadByKey("place-order", "", "k").value(), nobody);
}

// A commit whose outcome nobody heard of is repeated: what it then finds is the saga itself, not another under its key.
TEST_P(SagaStoreContract, AnInsertThatIsRepeatedFindsItself) {
  for (const char* scope : {"", "ann"}) {
    Saga fresh = SampleSaga(absl::StrCat("s", scope));
    fresh.key_scope = scope;
    const SagaWrite write = InsertOf(fresh);
    const Saga saga = Stored(write);
    EXPECT_EQ(Committed(write), kConflict);
    EXPECT_EQ(Loaded(saga.id), saga);
    EXPECT_EQ(HistoryOf(saga.id), write.events);
  }
}

TEST_P(SagaStoreContract, ATakenIdUnderAnotherKeyIsAConflict) {
  const SagaWrite write = InsertOf(SampleSaga("s1"));
  const Saga saga = Stored(write);
  Saga other = SampleSaga("s1");
  other.key = "other";
  EXPECT_EQ(Committed(InsertOf(other)), kConflict);
  EXPECT_EQ(store().LoadByKey("place-order", "", "other").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_EQ(HistoryOf("s1"), write.events);
}

// ---- updates

TEST_P(SagaStoreContract, AnUpdateReplacesTheRowAndAddsToTheHistory) {
  const SagaWrite insert = InsertOf(SampleSaga("s1"));
  const SagaWrite update = UpdateOf(Stored(insert), SagaState::kParked);
  const Saga saga = Stored(update);
  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_THAT(HistoryOf("s1"), ElementsAre(insert.events[0], update.events[0]));
}

TEST_P(SagaStoreContract, AWriteMayCarrySeveralEvents) {
  const SagaWrite insert = InsertOf(SampleSaga("s1"));
  SagaWrite update = UpdateOf(Stored(insert), SagaState::kRunning);
  const SagaWrite further = UpdateOf(update.saga, SagaState::kCompleted);
  update.saga = further.saga;
  update.events.push_back(further.events[0]);
  EXPECT_EQ(Committed(update), kStored);
  EXPECT_EQ(Loaded("s1").version, 3);
  EXPECT_THAT(HistoryOf("s1"), ElementsAre(insert.events[0], update.events[0], update.events[1]));
}

TEST_P(SagaStoreContract, AnUpdateLeavesWhatWasAccepted) {
  const Saga accepted = Stored(InsertOf(SampleSaga("s1")));
  SagaWrite update = UpdateOf(accepted, SagaState::kRunning);
  Saga expected = update.saga;
  update.saga.definition = "other";
  update.saga.definition_version = 9;
  update.saga.key = "other";
  update.saga.input_hash = "other";
  update.saga.input = "other";
  update.saga.trace = {"other", "other", "other"};
  update.saga.owner = "other";
  update.saga.create_time += absl::Seconds(1);
  EXPECT_EQ(Committed(update), kStored);
  EXPECT_EQ(Loaded("s1"), expected);
  EXPECT_EQ(store().LoadByKey("place-order", "", "s1").value(), expected);
}

TEST_P(SagaStoreContract, AStaleVersionIsAConflictAndChangesNothing) {
  const SagaWrite insert = InsertOf(SampleSaga("s1"));
  const Saga first = Stored(insert);
  const SagaWrite update = UpdateOf(first, SagaState::kRunning);
  const Saga second = Stored(update);
  EXPECT_EQ(Committed(UpdateOf(first, SagaState::kAborted)), kConflict);
  SagaWrite ahead = UpdateOf(second, SagaState::kAborted);
  ahead.seen_version = 7;
  EXPECT_EQ(Committed(ahead), kConflict);
  EXPECT_EQ(Loaded("s1"), second);
  EXPECT_THAT(HistoryOf("s1"), ElementsAre(insert.events[0], update.events[0]));
}

TEST_P(SagaStoreContract, AnotherInstancesSagaIsAConflict) {
  const Lease other = Acquired("orchestrator-2");
  const Saga saga = Stored(InsertOf(SampleSaga("s1")));
  EXPECT_THAT(Committed(other, {UpdateOf(saga, SagaState::kRunning)}), ElementsAre(kConflict));
  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_THAT(HistoryOf("s1"), SizeIs(1));
}

// ---- batches

TEST_P(SagaStoreContract, OneConflictLeavesTheOthersOfItsBatchStanding) {
  const Saga a = Stored(InsertOf(SampleSaga("a")));
  const Saga b = Stored(InsertOf(SampleSaga("b")));
  SagaWrite stale = UpdateOf(b, SagaState::kAborted);
  stale.seen_version = 5;
  Saga taken = SampleSaga("c");
  taken.key = "a";
  const std::vector<SagaWrite> batch = {stale, UpdateOf(a, SagaState::kCompleted), InsertOf(taken),
                                        UpdateOf(SampleSaga("absent"), SagaState::kRunning), InsertOf(SampleSaga("d"))};
  EXPECT_THAT(Committed(lease_, batch), ElementsAre(kConflict, kStored, kKeyExists, kConflict, kStored));
  EXPECT_EQ(Loaded("a"), Owned(batch[1].saga));
  EXPECT_EQ(Loaded("b"), b);
  EXPECT_EQ(Loaded("d"), Owned(batch[4].saga));
  EXPECT_THAT(HistoryOf("a"), SizeIs(2));
  EXPECT_THAT(HistoryOf("b"), SizeIs(1));
  EXPECT_THAT(HistoryOf("c"), IsEmpty());
  EXPECT_THAT(HistoryOf("absent"), IsEmpty());
  EXPECT_THAT(HistoryOf("d"), SizeIs(1));
}

TEST_P(SagaStoreContract, AWriteSeesTheOnesBeforeItInTheBatch) {
  const Saga a = SampleSaga("a");
  Saga twin = SampleSaga("b");
  twin.key = "a";
  const std::vector<SagaWrite> batch = {InsertOf(a), InsertOf(twin), UpdateOf(a, SagaState::kRunning),
                                        UpdateOf(a, SagaState::kAborted)};
  EXPECT_THAT(Committed(lease_, batch), ElementsAre(kStored, kKeyExists, kStored, kConflict));
  EXPECT_EQ(Loaded("a"), Owned(batch[2].saga));
  EXPECT_THAT(HistoryOf("a"), ElementsAre(batch[0].events[0], batch[2].events[0]));
}

TEST_P(SagaStoreContract, ABatchMayBeEmptyOrLarge) {
  EXPECT_THAT(Committed(lease_, {}), IsEmpty());
  std::vector<SagaWrite> inserts, updates;
  for (int i = 0; i < 1000; ++i) {
    inserts.push_back(InsertOf(SampleSaga(absl::StrFormat("s%04d", i))));
    updates.push_back(FinishOf(inserts.back().saga));
  }
  EXPECT_EQ(Committed(lease_, inserts), std::vector<WriteResult>(1000, kStored));
  EXPECT_EQ(Committed(lease_, updates), std::vector<WriteResult>(1000, kStored));
  EXPECT_THAT(Listed({.state = SagaState::kCompleted, .limit = 2000}), SizeIs(1000));
  for (const SagaWrite& update : updates) {
    ASSERT_EQ(Loaded(update.saga.id), Owned(update.saga));
    ASSERT_THAT(HistoryOf(update.saga.id), SizeIs(2));
  }
}

// ---- leases

TEST_P(SagaStoreContract, TheSameInstanceGetsTheNextEpoch) {
  EXPECT_EQ(lease_, (Lease{.instance = "orchestrator-1", .epoch = 1}));
  EXPECT_EQ(Acquired("orchestrator-1"), (Lease{.instance = "orchestrator-1", .epoch = 2}));
  EXPECT_EQ(Acquired("orchestrator-2"), (Lease{.instance = "orchestrator-2", .epoch = 1}));
}

TEST_P(SagaStoreContract, AStaleLeaseWritesNothing) {
  const Saga saga = Stored(InsertOf(SampleSaga("s1")));
  const Lease stale = lease_;
  lease_ = Acquired("orchestrator-1");
  const absl::Status over = absl::AbortedError("epoch 1 of instance orchestrator-1 is over");
  EXPECT_EQ(store().Commit(stale, {InsertOf(SampleSaga("s2")), FinishOf(saga)}).status(), over);
  EXPECT_EQ(store().Load("s2").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_THAT(HistoryOf("s1"), SizeIs(1));
  EXPECT_EQ(store().Renew(stale, absl::Seconds(15)), over);
  EXPECT_EQ(store().Purge(stale, absl::InfiniteFuture(), 10).status(), over);

  EXPECT_EQ(Committed(FinishOf(saga)), kStored);  // the next epoch owns the sagas of the one before
  EXPECT_EQ(store().Purge(stale, absl::InfiniteFuture(), 10).status(), over);
  EXPECT_EQ(Loaded("s1").version, 2);
  EXPECT_EQ(store().Renew(lease_, absl::Seconds(15)), absl::OkStatus());
}

TEST_P(SagaStoreContract, ALeaseThatWasNeverTakenWritesNothing) {
  const Lease unknown{.instance = "stranger", .epoch = 1};
  const absl::Status over = absl::AbortedError("epoch 1 of instance stranger is over");
  EXPECT_EQ(store().Commit(unknown, {InsertOf(SampleSaga("s1"))}).status(), over);
  EXPECT_EQ(store().Renew(unknown, absl::Seconds(15)), over);
  EXPECT_EQ(store().Load("s1").status().code(), absl::StatusCode::kNotFound);
}

// ---- reading pages

TEST_P(SagaStoreContract, HistoryIsReadInPages) {
  Saga saga = Stored(InsertOf(SampleSaga("s1")));
  Stored(InsertOf(SampleSaga("s2")));
  while (saga.version < 5) saga = Stored(UpdateOf(saga, SagaState::kRunning));
  const std::vector<HistoryEvent> all = HistoryOf("s1");
  ASSERT_THAT(all, SizeIs(5));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].seq, static_cast<std::int64_t>(i) + 1);
  EXPECT_THAT(HistoryOf("s1", 0, 2), ElementsAre(all[0], all[1]));
  EXPECT_THAT(HistoryOf("s1", 2, 2), ElementsAre(all[2], all[3]));
  EXPECT_THAT(HistoryOf("s1", 4, 2), ElementsAre(all[4]));
  EXPECT_THAT(HistoryOf("s1", 5, 2), IsEmpty());
  EXPECT_THAT(HistoryOf("s1", 0, 0), IsEmpty());
  EXPECT_THAT(HistoryOf("s1", 0, -1), IsEmpty());
}

TEST_P(SagaStoreContract, ListsAreFilteredAndPagedNewestFirst) {
  const Saga a = Stored(InsertOf(SampleSaga("a", "place-order")));
  Stored(InsertOf(SampleSaga("c", "place-order")));
  const Saga b = Stored(InsertOf(SampleSaga("b", "cancel-order")));
  const Saga d = Stored(InsertOf(SampleSaga("d", "place-order")));
  Stored(FinishOf(a));
  Stored(FinishOf(b));
  const Saga done = Stored(FinishOf(d));
  Stored(UpdateOf(Stored(InsertOf(SampleSaga("0", "place-order"))), SagaState::kParked));

  EXPECT_THAT(Listed({}), ElementsAre("d", "c", "b", "a", "0"));
  EXPECT_EQ(store().List({.limit = 1}).value().sagas, std::vector<Saga>{done});
  EXPECT_THAT(Listed({.definition = "place-order"}), ElementsAre("d", "c", "a", "0"));
  EXPECT_THAT(Listed({.state = SagaState::kCompleted}), ElementsAre("d", "b", "a"));
  EXPECT_THAT(Listed({.definition = "place-order", .state = SagaState::kCompleted}), ElementsAre("d", "a"));
  EXPECT_THAT(Listed({.definition = "place-order", .state = SagaState::kParked}), ElementsAre("0"));
  EXPECT_THAT(Listed({.definition = "cancel-order", .state = SagaState::kParked}), IsEmpty());
  EXPECT_THAT(Listed({.state = SagaState::kAborted}), IsEmpty());
  EXPECT_THAT(Listed({.definition = "unknown"}), IsEmpty());

  EXPECT_THAT(Listed({.limit = 2}), ElementsAre("d", "c"));
  EXPECT_THAT(Listed({.before_id = "c", .limit = 2}), ElementsAre("b", "a"));
  EXPECT_THAT(Listed({.before_id = "bb", .limit = 2}), ElementsAre("b", "a"));
  EXPECT_THAT(Listed({.before_id = "0", .limit = 2}), IsEmpty());
  EXPECT_THAT(Listed({.definition = "place-order", .before_id = "d"}), ElementsAre("c", "a", "0"));
  EXPECT_THAT(Listed({.state = SagaState::kCompleted, .before_id = "d", .limit = 1}), ElementsAre("b"));
  EXPECT_THAT(Listed({.definition = "place-order", .state = SagaState::kCompleted, .before_id = "d"}),
              ElementsAre("a"));
  EXPECT_THAT(Listed({.limit = 0}), IsEmpty());
  EXPECT_THAT(Listed({.limit = -1}), IsEmpty());
}

TEST_P(SagaStoreContract, ListsAreFilteredByKeyAndTime) {
  for (const char* id : {"a", "b", "c", "d"}) {
    Saga saga = SampleSaga(id);
    saga.key = *id == 'd' ? "k" : id;
    saga.create_time = kNoon + absl::Seconds(*id - 'a');
    Stored(InsertOf(saga));
  }
  Saga scoped = SampleSaga("e");
  scoped.key = "k";
  scoped.key_scope = "ann";
  scoped.create_time = kNoon + absl::Seconds(9);
  scoped.definition = "cancel-order";
  Stored(InsertOf(scoped));
  EXPECT_THAT(Listed({.definition = "place-order", .key = "b"}), ElementsAre("b"));
  EXPECT_THAT(Listed({.definition = "place-order", .key = "k"}), ElementsAre("d"));
  EXPECT_THAT(Listed({.definition = "cancel-order", .key = "k"}), ElementsAre("e"));
  EXPECT_THAT(Listed({.definition = "cancel-order", .key = "b"}), IsEmpty());
  EXPECT_THAT(Listed({.definition = "place-order", .key = "b", .state = SagaState::kRunning}), ElementsAre("b"));
  EXPECT_THAT(Listed({.definition = "place-order", .key = "b", .state = SagaState::kParked}), IsEmpty());

  EXPECT_THAT(Listed({.created_from = kNoon + absl::Seconds(1)}), ElementsAre("e", "d", "c", "b"));
  EXPECT_THAT(Listed({.created_before = kNoon + absl::Seconds(2)}), ElementsAre("b", "a"));
  EXPECT_THAT(Listed({.definition = "place-order",
                      .state = SagaState::kRunning,
                      .created_from = kNoon + absl::Seconds(1),
                      .created_before = kNoon + absl::Seconds(3),
                      .limit = 1}),
              ElementsAre("c"));
}

TEST_P(SagaStoreContract, OwnedUnfinishedSagasAreReadInPages) {
  const Lease other = Acquired("orchestrator-2");
  std::vector<Saga> sagas;
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) sagas.push_back(Stored(InsertOf(SampleSaga(id))));
  sagas[0] = Stored(UpdateOf(sagas[0], SagaState::kParked));
  Stored(UpdateOf(sagas[1], SagaState::kCompleted));
  sagas[2] = Stored(UpdateOf(sagas[2], SagaState::kCompensating));
  Stored(UpdateOf(sagas[3], SagaState::kAborted));
  EXPECT_THAT(Committed(other, {InsertOf(SampleSaga("bb"))}), ElementsAre(kStored));

  EXPECT_EQ(store().LoadOwned(lease_, "", 50).value().sagas,
            (std::vector<Saga>{sagas[0], sagas[2], sagas[4], sagas[5]}));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 2)), ElementsAre("a", "c"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "c", 2)), ElementsAre("e", "f"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "f", 2)), IsEmpty());
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 0)), IsEmpty());
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", -1)), IsEmpty());
  EXPECT_THAT(Ids(store().LoadOwned(other, "", 50)), ElementsAre("bb"));
}

// ---- changes of ownership

TEST_P(SagaStoreContract, SagasOfALeaseThatIsOverAreClaimedOnceThoseThatGoBackFirst) {
  const Lease other = Acquired("orchestrator-2"), third = Acquired("orchestrator-3");
  std::vector<Saga> sagas;
  for (const char* id : {"a", "b", "c", "d"}) sagas.push_back(Stored(InsertOf(SampleSaga(id))));
  Stored(UpdateOf(sagas[0], SagaState::kCompleted));
  sagas[1] = Stored(UpdateOf(sagas[1], SagaState::kParked));
  sagas[3] = Stored(UpdateOf(sagas[3], SagaState::kCompensating));
  EXPECT_THAT(Ids(store().Claim(other, kAll, 10)), IsEmpty());

  ASSERT_TRUE(store().Release(lease_).ok());
  EXPECT_THAT(Ids(store().Claim(other, kAll, 0)), IsEmpty());
  const auto first = store().Claim(other, kAll, 1);
  ASSERT_THAT(Ids(first), ElementsAre("d"));
  EXPECT_EQ(first->sagas.front().owner, "orchestrator-2");
  sagas[3].owner = "orchestrator-2";
  EXPECT_EQ(first->sagas.front(), sagas[3]);
  EXPECT_EQ(Loaded("d"), sagas[3]);
  EXPECT_THAT(Ids(store().Claim(third, kAll, 10)), testing::UnorderedElementsAre("b", "c"));
  EXPECT_THAT(Ids(store().Claim(other, kAll, 10)), IsEmpty());
  EXPECT_THAT(Ids(store().LoadOwned(third, "", 10)), ElementsAre("b", "c"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 10)), IsEmpty());
}

TEST_P(SagaStoreContract, ALeaseEndsByItselfUnlessItIsRenewed) {
  const Lease other = Acquired("orchestrator-2");
  Stored(InsertOf(SampleSaga("s1")));
  ASSERT_TRUE(store().Renew(lease_, absl::Hours(1)).ok());
  EXPECT_THAT(Ids(store().Claim(other, kAll, 10)), IsEmpty());
  ASSERT_TRUE(store().Renew(lease_, absl::ZeroDuration()).ok());
  absl::StatusOr<SagaPage> claimed;
  EXPECT_TRUE(Eventually(absl::Seconds(10), [&] {
    claimed = store().Claim(other, kAll, 10);
    return !claimed.ok() || claimed->rows() > 0;
  }));
  EXPECT_THAT(Ids(claimed), ElementsAre("s1"));
  EXPECT_EQ(claimed->released, 0u);
}

TEST_P(SagaStoreContract, AClaimTellsHowManyWereLeftByAnOwnerThatStopped) {
  const Lease other = Acquired("orchestrator-2"), third = Acquired("orchestrator-3");
  Stored(InsertOf(SampleSaga("s1")));
  ASSERT_THAT(Committed(third, {InsertOf(SampleSaga("s2"))}), ElementsAre(kStored));
  ASSERT_TRUE(store().Release(lease_).ok());
  ASSERT_TRUE(store().Renew(third, -absl::Hours(1)).ok());  // it has expired
  const auto claimed = store().Claim(other, kAll, 10);
  EXPECT_THAT(Ids(claimed), testing::UnorderedElementsAre("s1", "s2"));
  EXPECT_EQ(claimed->released, 1u);
}

// It drives them: claimed, the first ones would be taken over again and again.
TEST_P(SagaStoreContract, WhoseOwnLeaseIsOverClaimsOnlyTheSagasOfOthers) {
  const Lease other = Acquired("orchestrator-2");
  Stored(InsertOf(SampleSaga("own")));
  ASSERT_THAT(Committed(other, {InsertOf(SampleSaga("another's"))}), ElementsAre(kStored));
  for (const Lease& lease : {lease_, other}) ASSERT_TRUE(store().Release(lease).ok());
  EXPECT_THAT(Ids(store().Claim(lease_, kAll, 10)), ElementsAre("another's"));
  EXPECT_THAT(Ids(store().Claim(lease_, kAll, 10)), IsEmpty());
}

TEST_P(SagaStoreContract, OnlySagasOfDrivableDefinitionsAreClaimed) {
  const Lease other = Acquired("orchestrator-2");
  Saga newer = SampleSaga("a");
  newer.definition_version = 2;
  Stored(InsertOf(newer));
  Stored(InsertOf(SampleSaga("b", "cancel-order")));
  Stored(InsertOf(SampleSaga("c")));
  ASSERT_TRUE(store().Release(lease_).ok());
  EXPECT_THAT(Ids(store().Claim(other, {}, 10)), IsEmpty());
  EXPECT_THAT(Ids(store().Claim(other, {{"place-order", 1}, {"cancel-order", 2}}, 10)), ElementsAre("c"));
  EXPECT_EQ(Loaded("a").owner, "orchestrator-1");
  EXPECT_EQ(Loaded("b").owner, "orchestrator-1");
  EXPECT_THAT(Ids(store().Claim(other, {{"place-order", 2}}, 10)), ElementsAre("a"));
}

TEST_P(SagaStoreContract, WhoLostASagaWritesNoMoreOfItAndWhoHasItMay) {
  const Lease other = Acquired("orchestrator-2");
  const Saga saga = Stored(InsertOf(SampleSaga("s1")));
  const auto taken = store().Take(other, "s1");
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->version, saga.version);
  EXPECT_THAT(Committed(lease_, {UpdateOf(saga, SagaState::kRunning)}), ElementsAre(kConflict));
  EXPECT_THAT(Committed(other, {UpdateOf(*taken, SagaState::kCompleted)}), ElementsAre(kStored));
  EXPECT_TRUE(absl::IsNotFound(store().Take(lease_, "s1").status()));  // it is finished
  EXPECT_TRUE(absl::IsNotFound(store().Take(lease_, "s2").status()));
}

TEST_P(SagaStoreContract, AnOldEpochNeitherClaimsNorTakesNorReleases) {
  const Lease other = Acquired("orchestrator-2");
  Stored(InsertOf(SampleSaga("s1")));
  ASSERT_TRUE(store().Release(lease_).ok());
  const Lease next = Acquired("orchestrator-1");
  EXPECT_TRUE(store().Release(lease_).ok());
  EXPECT_THAT(Ids(store().Claim(other, kAll, 10)), IsEmpty());  // `next` holds
  ASSERT_TRUE(store().Release(next).ok());
  Acquired("orchestrator-2");
  EXPECT_THAT(Ids(store().Claim(other, kAll, 10)), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(store().Take(other, "s1").status()));
  EXPECT_EQ(Loaded("s1").owner, "orchestrator-1");
}

TEST_P(SagaStoreContract, NoSagaIsClaimedTwiceByManyAtOnce) {
  constexpr int kSagas = 200;
  std::vector<SagaWrite> inserts;
  for (int i = 0; i < kSagas; ++i) inserts.push_back(InsertOf(SampleSaga(absl::StrCat("s", i))));
  Committed(lease_, inserts);
  std::vector<Lease> leases;
  for (int i = 2; i < 6; ++i) leases.push_back(Acquired(absl::StrCat("orchestrator-", i)));
  ASSERT_TRUE(store().Release(lease_).ok());
  std::atomic<int> claimed = 0;
  std::vector<std::thread> threads;
  for (const Lease& lease : leases) {
    threads.emplace_back([&, lease] {
      for (int n = 1; n > 0;) {
        const auto batch = store().Claim(lease, kAll, 7);
        EXPECT_TRUE(batch.ok()) << batch.status();
        n = batch.ok() ? static_cast<int>(batch->sagas.size()) : 0;
        claimed += n;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::size_t owned = 0;
  for (const Lease& lease : leases) owned += Ids(store().LoadOwned(lease, "", kSagas)).size();
  EXPECT_EQ(claimed, static_cast<int>(owned));
  // Who found only rows that others were claiming at that moment has stopped early.
  EXPECT_LE(owned, static_cast<std::size_t>(kSagas));
  while (!Ids(store().Claim(leases[0], kAll, kSagas)).empty()) continue;
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", kSagas)), IsEmpty());
}

// ---- purge

TEST_P(SagaStoreContract, PurgeRemovesOldFinishedSagasWithHistoryAndKey) {
  std::vector<Saga> sagas;
  for (const char* id : {"a", "b", "c", "d", "e"}) sagas.push_back(Stored(InsertOf(SampleSaga(id))));
  Stored(UpdateOf(sagas[0], SagaState::kCompleted));
  Stored(UpdateOf(sagas[1], SagaState::kAborted));
  Stored(UpdateOf(sagas[2], SagaState::kParked));
  Stored(UpdateOf(sagas[3], SagaState::kCompensating));
  const absl::Time finished = kNoon + absl::Milliseconds(5);

  EXPECT_EQ(store().Purge(lease_, finished, 10).value(), 0);  // `before` is not yet
  EXPECT_EQ(store().Purge(lease_, finished + absl::Nanoseconds(1), 0).value(), 0);
  EXPECT_EQ(store().Purge(lease_, finished + absl::Nanoseconds(1), -1).value(), 0);
  EXPECT_EQ(store().Purge(lease_, finished + absl::Nanoseconds(1), 1).value(), 1);
  EXPECT_THAT(Listed({}), SizeIs(4));
  EXPECT_EQ(store().Purge(lease_, finished + absl::Nanoseconds(1), 10).value(), 1);
  EXPECT_EQ(store().Purge(lease_, absl::InfiniteFuture(), 10).value(), 0);
  EXPECT_THAT(Listed({}), ElementsAre("e", "d", "c"));
  for (const char* id : {"a", "b"}) {
    EXPECT_EQ(store().Load(id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(store().LoadByKey("place-order", "", id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(HistoryOf(id), IsEmpty());
  }
  for (const char* id : {"c", "d"}) EXPECT_THAT(HistoryOf(id), SizeIs(2));
  EXPECT_EQ(Committed(InsertOf(SampleSaga("a"))), kStored);
  EXPECT_THAT(HistoryOf("a"), SizeIs(1));
}

// ---- definitions

TEST_P(SagaStoreContract, DefinitionsAreKeptAndNeverReplaced) {
  const StoredDefinition v1{.name = "place-order",
                            .version = 1,
                            .hash = "ab12",
                            .yaml = "saga: place-order\nmessage: \"a 'b' \\\\ c: \xea\xb0\x80\"\n",
                            .descriptors = std::string("\0\x01\xff\\desc", 8)};
  StoredDefinition v2 = v1;
  v2.version = 2;
  StoredDefinition other{.name = "cancel-order", .version = 1, .hash = "cd", .yaml = "", .descriptors = ""};
  EXPECT_TRUE(absl::IsNotFound(store().LoadDefinition("place-order", 2).status()));
  EXPECT_EQ(store().PutDefinition(v2), absl::OkStatus());
  EXPECT_EQ(store().PutDefinition(v1), absl::OkStatus());
  EXPECT_EQ(store().PutDefinition(other), absl::OkStatus());
  EXPECT_EQ(store().PutDefinition(v1), absl::OkStatus());

  StoredDefinition changed = v1;
  changed.hash = "ff";
  changed.yaml = "changed";
  EXPECT_EQ(
      store().PutDefinition(changed),
      absl::AlreadyExistsError("version 1 of definition place-order is stored with other content; give the changed "
                               "one a new version"));
  EXPECT_EQ(store().LoadDefinition("place-order", 1).value(), v1);
  EXPECT_EQ(store().LoadDefinition("place-order", 2).value(), v2);
  EXPECT_EQ(store().LoadDefinition("cancel-order", 1).value(), other);
}

TEST_P(SagaStoreContract, OneDefinitionIsLoadedByNameAndVersion) {
  const StoredDefinition v1{.name = "place-order", .version = 1, .hash = "a", .yaml = "y1", .descriptors = "d1"};
  StoredDefinition v2 = v1;
  v2.version = 2;
  v2.yaml = "y2";
  ASSERT_TRUE(store().PutDefinition(v1).ok());
  ASSERT_TRUE(store().PutDefinition(v2).ok());
  EXPECT_EQ(store().LoadDefinition("place-order", 2).value(), v2);
  EXPECT_EQ(store().LoadDefinition("place-order", 3).status(),
            absl::NotFoundError("version 3 of definition place-order is not stored"));
  EXPECT_TRUE(absl::IsNotFound(store().LoadDefinition("cancel-order", 1).status()));
}

TEST_P(SagaStoreContract, TheDefinitionsInUseAreThoseOfUnfinishedSagas) {
  EXPECT_THAT(store().DefinitionsInUse().value(), IsEmpty());
  Saga newer = SampleSaga("b");
  newer.definition_version = 2;
  Stored(InsertOf(newer));
  Stored(UpdateOf(Stored(InsertOf(SampleSaga("a"))), SagaState::kParked));
  Stored(FinishOf(Stored(InsertOf(SampleSaga("c", "cancel-order")))));
  Stored(InsertOf(SampleSaga("d")));
  EXPECT_THAT(store().DefinitionsInUse().value(),
              ElementsAre(DefinitionVersion{"place-order", 1}, DefinitionVersion{"place-order", 2}));
}

TEST_P(SagaStoreContract, UnfinishedSagasAreCountedByDefinitionVersionAndState) {
  Saga oldest = SampleSaga("a");
  oldest.create_time -= absl::Hours(1);
  Stored(InsertOf(oldest));
  const Saga second = Stored(InsertOf(SampleSaga("b")));
  const Saga parked = Stored(UpdateOf(Stored(InsertOf(SampleSaga("c", "cancel-order"))), SagaState::kParked));
  Stored(FinishOf(Stored(InsertOf(SampleSaga("d")))));
  Saga newer = SampleSaga("e");
  newer.definition_version = 2;
  Stored(InsertOf(newer));
  EXPECT_THAT(store().CountUnfinished(second.owner).value(),
              ElementsAre(UnfinishedCount{{"cancel-order", 1}, SagaState::kParked, 1, parked.create_time},
                          UnfinishedCount{{"place-order", 1}, SagaState::kRunning, 2, oldest.create_time},
                          UnfinishedCount{{"place-order", 2}, SagaState::kRunning, 1, newer.create_time}));
  EXPECT_THAT(store().CountUnfinished("another").value(), IsEmpty());
}

TEST_P(SagaStoreContract, UnfinishedSagasOfAllOwnersAreCountedTogether) {
  const Saga own = Stored(InsertOf(SampleSaga("a")));
  SagaWrite foreign = InsertOf(SampleSaga("b"));
  foreign.saga.create_time = own.create_time - absl::Seconds(1);
  ASSERT_THAT(Committed(Acquired("orchestrator-2"), {foreign}), ElementsAre(kStored));
  Stored(FinishOf(Stored(InsertOf(SampleSaga("c")))));
  EXPECT_THAT(store().CountUnfinished("").value(),
              ElementsAre(UnfinishedCount{{"place-order", 1}, SagaState::kRunning, 2, foreign.saga.create_time}));
}

TEST_P(SagaStoreContract, OrphanedAreTheUnfinishedSagasOfOthersWhoseLeaseIsOver) {
  const Lease other = Acquired("orchestrator-2"), living = Acquired("orchestrator-3");
  const Saga orphan = Stored(InsertOf(SampleSaga("a")));
  Stored(FinishOf(Stored(InsertOf(SampleSaga("b")))));
  ASSERT_THAT(Committed(other, {InsertOf(SampleSaga("c"))}), ElementsAre(kStored));
  ASSERT_THAT(Committed(living, {InsertOf(SampleSaga("d"))}), ElementsAre(kStored));
  EXPECT_THAT(store().CountOrphaned("orchestrator-2").value(), IsEmpty());
  for (const Lease& lease : {lease_, other}) ASSERT_TRUE(store().Release(lease).ok());
  EXPECT_THAT(store().CountOrphaned("orchestrator-2").value(),
              ElementsAre(UnfinishedCount{{"place-order", 1}, SagaState::kRunning, 1, orphan.create_time}));
}

TEST_P(SagaStoreContract, ADefinitionIsRemovedOnceNoSagaHasItAndNobodyPutItForLong) {
  StoredDefinition definition{.name = "place-order", .version = 1, .hash = "a", .yaml = "y", .descriptors = "d"};
  ASSERT_TRUE(store().PutDefinition(definition).ok());
  definition.version = 2;
  ASSERT_TRUE(store().PutDefinition(definition).ok());
  Stored(FinishOf(Stored(InsertOf(SampleSaga("a")))));  // of version 1
  EXPECT_THAT(store().PurgeDefinitions(absl::Hours(1)).value(), IsEmpty());
  EXPECT_THAT(store().PurgeDefinitions(absl::InfiniteDuration()).value(), IsEmpty());
  const absl::Duration any = -absl::Hours(1);  // also what was put just now
  EXPECT_THAT(store().PurgeDefinitions(any).value(), ElementsAre(DefinitionVersion{"place-order", 2}));
  EXPECT_TRUE(absl::IsNotFound(store().LoadDefinition("place-order", 2).status()));
  EXPECT_TRUE(store().LoadDefinition("place-order", 1).ok());
  ASSERT_EQ(store().Purge(lease_, absl::InfiniteFuture(), 10).value(), 1);
  EXPECT_THAT(store().PurgeDefinitions(any).value(), ElementsAre(DefinitionVersion{"place-order", 1}));
  EXPECT_TRUE(absl::IsNotFound(store().LoadDefinition("place-order", 1).status()));
}

// ---- exactness

TEST_P(SagaStoreContract, OddTextsAreKeptByteForByte) {
  const std::vector<std::string> odd = {"it's :not a ':parameter' \"quoted\" ?1 $2 ::text",
                                        "\xec\xa3\xbc\xeb\xac\xb8 \xf0\x9f\x92\xb8", "back\\slash \\0 \\x41",
                                        std::string(2000, 'x')};
  const std::string bytes("nul\0inside, not \xff utf-8 \xc3", 25);  // in texts that are no columns
  for (const std::string& text : odd) {
    Saga saga = SampleSaga(absl::StrCat("id ", text), absl::StrCat("definition ", text));
    saga.key = text;
    saga.key_scope = text;
    saga.input_hash = bytes;
    saga.input = bytes;
    saga.trace = {bytes, bytes, bytes};
    saga.steps[0].reply = bytes;
    saga.failure = {
        .reason = bytes, .domain = bytes, .code = 2, .message = bytes, .step = bytes, .metadata = {{bytes, bytes}}};
    SagaWrite write = InsertOf(saga);
    write.events[0].event = CancelRequested{.actor = bytes, .reason = bytes};
    EXPECT_EQ(Committed(write), kStored);
    SagaWrite another = write;
    another.saga.id = absl::StrCat("another ", text);
    EXPECT_EQ(Committed(another), kKeyExists);
    EXPECT_EQ(Committed(write), kConflict);
    EXPECT_EQ(Loaded(saga.id), Owned(saga));
    EXPECT_EQ(store().LoadByKey(saga.definition, text, text).value(), Owned(saga));
    EXPECT_EQ(HistoryOf(saga.id), write.events);
    EXPECT_THAT(Listed({.definition = saga.definition}), ElementsAre(saga.id));
  }
  EXPECT_THAT(Listed({}), SizeIs(odd.size()));
  const Lease lease = Acquired(odd[0]);
  EXPECT_EQ(lease, (Lease{.instance = odd[0], .epoch = 1}));
  EXPECT_THAT(Committed(lease, {InsertOf(SampleSaga("z"))}), ElementsAre(kStored));
  EXPECT_THAT(Ids(store().LoadOwned(lease, "", 50)), ElementsAre("z"));
}

TEST_P(SagaStoreContract, RandomRowsAndEventsComeBackExactly) {
  const char* fixed = std::getenv("UNWIND_TEST_SEED");
  const std::uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  std::cout << "UNWIND_TEST_SEED=" << seed << "\n";
  SCOPED_TRACE(absl::StrCat("UNWIND_TEST_SEED=", seed));
  SagaDice dice(seed);
  constexpr int kSagas = 300;
  std::vector<SagaWrite> inserts, updates;
  for (int i = 0; i < kSagas; ++i) {
    SagaWrite write;
    write.saga = dice.Saga(absl::StrFormat("%04d", i), lease_.instance, 2);
    write.next_run_at = dice.Time();
    write.events = {dice.History(1), dice.History(2)};
    inserts.push_back(write);
    write.seen_version = 2;
    dice.Change(write.saga);
    write.saga.due_at = dice.Time();
    write.changes_due_at = true;
    write.saga.version = 3;
    write.events = {dice.History(3)};
    updates.push_back(write);
  }
  ASSERT_EQ(Committed(lease_, inserts), std::vector<WriteResult>(kSagas, kStored));
  for (const SagaWrite& write : inserts) {
    ASSERT_EQ(Loaded(write.saga.id), write.saga);
    ASSERT_EQ(HistoryOf(write.saga.id), write.events);
  }
  ASSERT_EQ(Committed(lease_, updates), std::vector<WriteResult>(kSagas, kStored));
  for (const SagaWrite& write : updates) {
    ASSERT_EQ(Loaded(write.saga.id), write.saga);
    ASSERT_EQ(store().LoadByKey(write.saga.definition, write.saga.key_scope, write.saga.key).value(), write.saga);
    ASSERT_EQ(HistoryOf(write.saga.id, 2), write.events);
  }
}

// A retry with jitter, a refusal and a compensation, at times finer than a microsecond.
TEST_P(SagaStoreContract, FoldingTheStoredHistoryGivesTheStoredRow) {
  Plan plan{.name = "place-order",
            .version = 1,
            .deadline = absl::Seconds(30),
            .refusals_max = 5,
            .age_max = absl::Hours(1),
            .steps = {}};
  plan.steps.resize(2);
  plan.steps[0].name = "reserve";
  plan.steps[0].pending = PendingPolicy{absl::Milliseconds(100), absl::Milliseconds(100), absl::Hours(1)};
  plan.steps[1].name = "order";
  plan.steps[1].after = {0};
  Saga fresh = SampleSaga("s1");
  fresh.version = 0;
  fresh.steps = std::vector<Step>(2);
  fresh.create_time = fresh.update_time = absl::UnixEpoch();
  fresh.deadline = absl::InfiniteFuture();
  fresh.owner = lease_.instance;

  const Failure gone{.reason = "GONE", .domain = "d", .code = 14, .message = "m", .step = "", .metadata = {{"k", "v"}}};
  const Failure no{.reason = "NO", .domain = "d", .code = 9, .message = "m", .step = "", .metadata = {}};
  const auto replied = [](int step, Phase phase, int attempt, Outcome outcome, const Failure& failure) {
    return Replied{.step = step,
                   .phase = phase,
                   .attempt = attempt,
                   .outcome = outcome,
                   .effect_free = step == 1,
                   .reply = outcome == Outcome::kOk        ? "ok"
                            : outcome == Outcome::kPending ? absl::StrCat("soon, ", 4 - attempt / 2)
                                                           : "",
                   .failure = failure,
                   .elapsed = absl::Nanoseconds(1501)};
  };
  const std::vector<Event> events = {Started{},
                                     replied(0, Phase::kAction, 1, Outcome::kUnknown, gone),
                                     Ticked{},
                                     replied(0, Phase::kAction, 2, Outcome::kPending, {}),
                                     Ticked{},
                                     replied(0, Phase::kAction, 3, Outcome::kPending, {}),  // the same words
                                     Ticked{},
                                     replied(0, Phase::kAction, 4, Outcome::kPending, {}),
                                     Ticked{},
                                     replied(0, Phase::kAction, 5, Outcome::kOk, {}),
                                     replied(1, Phase::kAction, 1, Outcome::kRefused, no),
                                     replied(0, Phase::kCompensation, 1, Outcome::kUnknown, gone),
                                     TakenOver{},
                                     Ticked{},
                                     replied(0, Phase::kCompensation, 2, Outcome::kOk, {})};
  Saga saga = fresh;
  Moment moment{.now = kNoon, .jitter = 1.0 / 3};
  for (const Event& event : events) {
    moment.now += absl::Milliseconds(200) + absl::Nanoseconds(77);
    moment.jitter = std::nextafter(moment.jitter * 0.9, 1.0);
    const Decision decision = Advance(plan, saga, event, moment);
    if (decision.stale) continue;
    const SagaWrite write{.seen_version = saga.version,
                          .saga = decision.next,
                          .next_run_at = NextRunAt(plan, decision.next),
                          .events = {{.seq = decision.next.version,
                                      .moment = moment,
                                      .event = event,
                                      .state = decision.next.state,
                                      .sends = decision.sends}}};
    ASSERT_EQ(Committed(write), kStored);
    saga = decision.next;
  }
  ASSERT_EQ(saga.state, SagaState::kAborted);
  EXPECT_EQ(Loaded("s1"), saga);

  Saga folded = fresh;
  for (const HistoryEvent& entry : HistoryOf("s1")) {
    const Decision decision = Advance(plan, folded, entry.event, entry.moment);
    EXPECT_FALSE(decision.stale);
    EXPECT_EQ(decision.next.version, entry.seq);
    EXPECT_EQ(decision.next.state, entry.state);
    EXPECT_EQ(decision.sends, entry.sends);
    folded = decision.next;
  }
  EXPECT_EQ(folded, saga);
}

// ---- pauses

TEST_P(SagaStoreContract, APauseIsOfADefinitionThatIsStoredAndKeepsItsTime) {
  EXPECT_EQ(store().PutPause("place-order", "kim", "why").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().RemovePause("place-order").code(), absl::StatusCode::kNotFound);
  for (const char* name : {"place-order", "cancel-order"}) {
    for (const int version : {1, 2}) ASSERT_EQ(store().PutDefinition({name, version, "h", "y", "d"}), absl::OkStatus());
  }
  EXPECT_EQ(store().RemovePause("place-order"), absl::OkStatus()) << "it is not paused";
  const DefinitionPause first = store().PutPause("place-order", "kim", "why").value();
  EXPECT_EQ(first.definition, "place-order");
  EXPECT_EQ(first.actor, "kim");
  EXPECT_EQ(first.reason, "why");
  EXPECT_LT(absl::AbsDuration(absl::Now() - first.since), absl::Hours(1));
  const std::string words = "it's \"so\": \xec\xa0\x84\xed\x99\x94 :name";
  const DefinitionPause again = store().PutPause("place-order", "jane", words).value();
  EXPECT_EQ(again, (DefinitionPause{"place-order", first.since, "jane", words}));
  const DefinitionPause other = store().PutPause("cancel-order", "kim", "").value();
  EXPECT_THAT(store().Pauses().value(), ElementsAre(other, again));
  ASSERT_EQ(store().RemovePause("cancel-order"), absl::OkStatus());
  EXPECT_THAT(store().Pauses().value(), ElementsAre(again));
  if (!home_->Reopen()) GTEST_SKIP() << "it does not outlive its process";
  EXPECT_THAT(store().Pauses().value(), ElementsAre(again));
}

// ---- threads and restarts

TEST_P(SagaStoreContract, ThreadsCommitAndReadAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 25;
  std::atomic<int> keys_won{0}, versions_won{0}, wrong{0};
  Stored(InsertOf(SampleSaga("shared")));
  const auto work = [&](int t) {
    Saga own = Owned(SampleSaga(absl::StrCat("own-", t)));
    Saga contender = SampleSaga(absl::StrCat("contender-", t));
    contender.key = "one";
    const auto first = store().Commit(lease_, {InsertOf(own), InsertOf(contender)});
    if (!first.ok() || first->at(0) != kStored) return void(++wrong);
    if (first->at(1) == kStored) ++keys_won;
    for (int i = 0; i < kRounds; ++i) {
      const absl::StatusOr<Saga> shared = store().Load("shared");
      if (!shared.ok()) return void(++wrong);
      const std::vector<SagaWrite> writes = {UpdateOf(own, SagaState::kRunning),
                                             UpdateOf(*shared, SagaState::kRunning)};
      const auto results = store().Commit(lease_, writes);
      if (!results.ok() || results->at(0) != kStored) return void(++wrong);
      if (results->at(1) == kStored) ++versions_won;
      own = writes[0].saga;
      if (store().Load(own.id).value_or(Saga()) != own) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(keys_won, 1);
  EXPECT_EQ(Loaded("shared").version, 1 + versions_won);
  EXPECT_THAT(HistoryOf("shared"), SizeIs(static_cast<std::size_t>(1 + versions_won)));
  for (int t = 0; t < kThreads; ++t) {
    EXPECT_EQ(Loaded(absl::StrCat("own-", t)).version, 1 + kRounds);
    EXPECT_THAT(HistoryOf(absl::StrCat("own-", t)), SizeIs(1 + kRounds));
  }
}

TEST_P(SagaStoreContract, ARestartKeepsEverything) {
  const SagaWrite insert = InsertOf(SampleSaga("s1"));
  const SagaWrite update = UpdateOf(Stored(insert), SagaState::kParked);
  const Saga saga = Stored(update);
  const StoredDefinition definition{.name = "place-order", .version = 1, .hash = "h", .yaml = "y", .descriptors = "d"};
  ASSERT_EQ(store().PutDefinition(definition), absl::OkStatus());
  if (!home_->Reopen()) GTEST_SKIP() << "it does not outlive its process";

  EXPECT_EQ(Loaded("s1"), saga);
  EXPECT_EQ(store().LoadByKey("place-order", "", "s1").value(), saga);
  EXPECT_THAT(HistoryOf("s1"), ElementsAre(insert.events[0], update.events[0]));
  EXPECT_EQ(store().LoadDefinition("place-order", 1).value(), definition);
  const Lease before = lease_;
  lease_ = Acquired("orchestrator-1");
  EXPECT_EQ(lease_.epoch, before.epoch + 1);
  EXPECT_EQ(store().Commit(before, {FinishOf(saga)}).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre("s1"));
  EXPECT_EQ(Committed(FinishOf(saga)), kStored);
}

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_SAGA_STORE_CONTRACT_H_
