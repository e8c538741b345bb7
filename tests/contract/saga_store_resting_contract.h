// What every SagaStore promises of sagas that rest: a part of the suite in saga_store_contract.h.
#ifndef UNWIND_TESTS_CONTRACT_SAGA_STORE_RESTING_CONTRACT_H_
#define UNWIND_TESTS_CONTRACT_SAGA_STORE_RESTING_CONTRACT_H_

#include <string>
#include <vector>

#include "tests/contract/saga_store_contract.h"

namespace unwind {

class SagaStoreResting : public SagaStoreContract {
 protected:
  static constexpr absl::Duration kEndless = absl::InfiniteDuration();

  // A transition after which it rests: due after `due`, its wait over after `ends`, or endless since `since` before.
  static SagaWrite RestOf(const Saga& saga, absl::Duration due, absl::Duration ends = kEndless,
                          absl::Duration since = kEndless) {
    SagaWrite write = UpdateOf(saga, SagaState::kRunning);
    write.saga.due_at = kNoon + due;
    write.wait_ends_at = kNoon + ends;
    write.waits_since = since == kEndless ? absl::InfiniteFuture() : kNoon - since;
    write.changes_due_at = true;
    return write;
  }
  Saga Resting(const std::string& id, absl::Duration due, absl::Duration ends = kEndless,
               absl::Duration since = kEndless, const std::string& definition = "place-order") {
    return Stored(RestOf(Stored(InsertOf(SampleSaga(id, definition))), due, ends, since));
  }
  std::vector<std::string> Due(DueFor what, absl::Duration after, int limit = 50) {
    return Ids(store().LoadDue(lease_, {"place-order", 1}, what, kNoon + after, {}, limit));
  }
  std::vector<std::string> Polls(absl::Duration after, int limit = 50) { return Due(DueFor::kPoll, after, limit); }
  std::vector<std::string> Ends(absl::Duration after) { return Due(DueFor::kWaitEnd, after); }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SagaStoreResting);

TEST_P(SagaStoreResting, WhatRestsIsFoundWhenItIsDueAndNotByARestart) {
  const Saga late = Resting("a", absl::Seconds(30)), soon = Resting("b", absl::Seconds(20));
  const Saga driven = Stored(InsertOf(SampleSaga("c")));
  EXPECT_EQ(Loaded("a"), late);
  EXPECT_EQ(Loaded("a").due_at, kNoon + absl::Seconds(30));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre("c"));
  EXPECT_THAT(Polls(absl::Seconds(19)), IsEmpty());
  EXPECT_THAT(Polls(absl::Seconds(20)), ElementsAre("b"));
  EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("b", "a")) << "what is due first";
  EXPECT_THAT(Polls(absl::Hours(1), 1), ElementsAre("b"));
  EXPECT_THAT(Due(DueFor::kStart, absl::Hours(1)), IsEmpty());
  EXPECT_THAT(Ends(absl::Hours(1)), IsEmpty());
  if (home_->Reopen()) {
    EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("b", "a"));
  }
}

TEST_P(SagaStoreResting, WhatIsDrivenAgainIsNotDue) {
  Saga saga = Resting("a", absl::Seconds(20), absl::Minutes(5));
  saga = Stored(WakeOf(saga));
  EXPECT_EQ(Loaded("a").due_at, absl::InfiniteFuture());
  EXPECT_THAT(Polls(absl::Hours(1)), IsEmpty());
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre("a"));
  saga = Stored(RestOf(saga, absl::Seconds(60)));
  EXPECT_THAT(Polls(absl::Seconds(59)), IsEmpty());
  EXPECT_THAT(Polls(absl::Seconds(60)), ElementsAre("a"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), IsEmpty());
  SagaWrite end = FinishOf(saga);
  end.saga.due_at = absl::InfiniteFuture();
  end.changes_due_at = true;
  Stored(end);
  EXPECT_THAT(Polls(absl::Hours(1)), IsEmpty());
  EXPECT_THAT(*store().CountResting(lease_.instance), IsEmpty());
}

// The polls may be held back; the ends of waits are found all the same.
TEST_P(SagaStoreResting, TheEndsOfWaitsAreFoundByThemselves) {
  Resting("a", absl::Seconds(10), absl::Minutes(5));
  Resting("b", absl::Seconds(20), absl::Minutes(4));
  const Saga endless = Resting("c", absl::Seconds(30));
  EXPECT_THAT(Ends(absl::Minutes(4) - absl::Nanoseconds(1)), IsEmpty());
  EXPECT_THAT(Ends(absl::Minutes(4)), ElementsAre("b"));
  EXPECT_THAT(Ends(absl::Hours(1)), ElementsAre("b", "a"));
  EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("a", "b", "c"));
  Stored(WakeOf(Loaded("b")));
  EXPECT_THAT(Ends(absl::Hours(1)), ElementsAre("a"));
}

TEST_P(SagaStoreResting, OnlyItsOwnOfTheDefinitionThatWasAskedFor) {
  Resting("a", absl::Seconds(10), absl::Seconds(10));
  Resting("b", absl::Seconds(10), absl::Seconds(10), kEndless, "cancel-order");
  const absl::Time later = kNoon + absl::Hours(1);
  for (const DueFor what : {DueFor::kPoll, DueFor::kWaitEnd}) {
    EXPECT_THAT(Ids(store().LoadDue(lease_, {"cancel-order", 1}, what, later, {}, 50)), ElementsAre("b"));
    EXPECT_THAT(Ids(store().LoadDue(lease_, {"cancel-order", 2}, what, later, {}, 50)), IsEmpty());
    EXPECT_THAT(Ids(store().LoadDue(Acquired("orchestrator-2"), {"place-order", 1}, what, later, {}, 50)), IsEmpty());
  }
}

TEST_P(SagaStoreResting, WhatIsLeftOutTakesNoPlace) {
  Resting("a", absl::Seconds(10), absl::Seconds(10));
  Resting("b", absl::Seconds(20), absl::Seconds(20));
  const absl::Time later = kNoon + absl::Hours(1);
  for (const DueFor what : {DueFor::kPoll, DueFor::kWaitEnd}) {
    EXPECT_THAT(Ids(store().LoadDue(lease_, {"place-order", 1}, what, later, {"a", "c"}, 1)), ElementsAre("b"));
    EXPECT_THAT(Ids(store().LoadDue(lease_, {"place-order", 1}, what, later, {"b", "a"}, 1)), IsEmpty());
  }
}

TEST_P(SagaStoreResting, WhoTakesItHasItAtRest) {
  const Saga saga = Resting("a", absl::Seconds(10), absl::Seconds(10));
  Resting("b", absl::Seconds(20));
  ASSERT_EQ(store().Release(lease_), absl::OkStatus());
  lease_ = Acquired("orchestrator-2");
  EXPECT_EQ(store().Take(lease_, "a")->due_at, saga.due_at);
  const SagaPage claimed = *store().Claim(lease_, kAll, 10);
  ASSERT_THAT(claimed.sagas, SizeIs(1));
  EXPECT_EQ(claimed.sagas[0].due_at, kNoon + absl::Seconds(20));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), IsEmpty());
  EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("a", "b"));
  EXPECT_THAT(Ends(absl::Hours(1)), ElementsAre("a"));
}

// A million customers who have not paid yet keep nobody waiting whose call was out.
TEST_P(SagaStoreResting, WhatWasDrivenIsClaimedFirst) {
  for (const char* id : {"a", "b", "c"}) Resting(id, absl::Seconds(10));
  Stored(InsertOf(SampleSaga("d")));
  SagaWrite undone = RestOf(Stored(InsertOf(SampleSaga("e"))), absl::Seconds(10));
  undone.saga.state = SagaState::kCompensating;
  Stored(undone);
  ASSERT_EQ(store().Release(lease_), absl::OkStatus());
  lease_ = Acquired("orchestrator-2");
  EXPECT_THAT(Ids(store().Claim(lease_, kAll, 2)), ElementsAre("e", "d"));
  EXPECT_THAT(Ids(store().Claim(lease_, kAll, 10)), ElementsAre("a", "b", "c"));
  EXPECT_EQ(store().Claim(lease_, kAll, 10)->rows(), 0u);
}

TEST_P(SagaStoreResting, TheyAreCountedWithTheOldestEndlessWait) {
  EXPECT_THAT(*store().CountResting(lease_.instance), IsEmpty());
  Resting("a", absl::Seconds(10), absl::Minutes(5));
  Resting("b", absl::Seconds(10), kEndless, absl::Hours(2));
  Resting("c", absl::Seconds(10), kEndless, absl::Hours(3));
  Resting("d", absl::Seconds(10), absl::Minutes(5), kEndless, "cancel-order");
  Stored(InsertOf(SampleSaga("e")));
  const RestingCount cancels = {{"cancel-order", 1}, 1, absl::InfiniteFuture()};
  EXPECT_THAT(*store().CountResting(lease_.instance),
              ElementsAre(cancels, RestingCount{{"place-order", 1}, 3, kNoon - absl::Hours(3)}));
  EXPECT_THAT(*store().CountUnstarted(lease_.instance), IsEmpty());
  EXPECT_THAT(*store().CountResting("orchestrator-2"), IsEmpty());
  Stored(WakeOf(Loaded("c")));
  EXPECT_THAT(*store().CountResting(lease_.instance),
              ElementsAre(cancels, RestingCount{{"place-order", 1}, 2, kNoon - absl::Hours(2)}));
}

// A page of them is bounded in bytes as any other; one is always read.
TEST_P(SagaStoreResting, SomeThatAreLargeAreReadInPages) {
  for (const char* id : {"c", "b", "a"}) {
    Saga large = SampleSaga(id);
    large.input.assign(kPageBytesMax / 2 + 1, 'x');
    const absl::Duration due = absl::Seconds(*id == 'a' ? 30 : *id == 'b' ? 20 : 10);
    Stored(RestOf(Stored(InsertOf(large)), due, due));
  }
  EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("c", "b"));
  EXPECT_THAT(Ends(absl::Hours(1)), ElementsAre("c", "b"));
}

TEST_P(SagaStoreResting, ManyOfOneCommitAreKeptApart) {
  std::vector<SagaWrite> inserts, rests;
  for (const char* id : {"a", "b", "c"}) inserts.push_back(InsertOf(SampleSaga(id)));
  Committed(lease_, inserts);
  rests = {RestOf(inserts[0].saga, absl::Seconds(10), absl::Seconds(40)),
           UpdateOf(inserts[1].saga, SagaState::kRunning),
           RestOf(inserts[2].saga, absl::Seconds(20), kEndless, absl::Hours(1))};
  EXPECT_THAT(Committed(lease_, rests), ElementsAre(kStored, kStored, kStored));
  EXPECT_THAT(Polls(absl::Hours(1)), ElementsAre("a", "c"));
  EXPECT_THAT(Ends(absl::Hours(1)), ElementsAre("a"));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre("b"));
  EXPECT_EQ(Committed(RestOf(inserts[1].saga, absl::Seconds(1))), kConflict);
  EXPECT_THAT(Polls(absl::Seconds(5)), IsEmpty());
}

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_SAGA_STORE_RESTING_CONTRACT_H_
