// What every SagaStore promises of follow-ups (S17): a part of the suite in saga_store_contract.h.
#ifndef UNWIND_TESTS_CONTRACT_SAGA_STORE_FOLLOWERS_CONTRACT_H_
#define UNWIND_TESTS_CONTRACT_SAGA_STORE_FOLLOWERS_CONTRACT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/engine/births.h"
#include "tests/contract/saga_store_contract.h"

namespace unwind {

// Copies field 1 of the parent's input, which SampleParent fills, into its field 2.
inline Follower SampleFollower(const std::string& name = "after-order", const std::string& parent = "place-order") {
  return {.parent = {parent, 1},
          .definition = {name, 3},
          .on = SagaState::kCompleted,
          .reasons = {},
          .steps = 2,
          .first_step = 0,
          .copies = {{.root = kParentInput, .source = {1}, .target = {2}}},
          .why_not_built = {}};
}

inline Saga SampleParent(const std::string& id, const std::string& definition = "place-order") {
  Saga saga = SampleSaga(id, definition);
  saga.input = "\x0a\x03kim";  // field 1: "kim"
  return saga;
}

inline SagaWrite AbortOf(const Saga& saga, const std::string& reason) {
  SagaWrite write = UpdateOf(saga, SagaState::kAborted);
  write.saga.backward = true;
  write.saga.failure.reason = reason;
  return write;
}

// Of a store in SQL: `execute` runs a statement at its database.
inline void PlayAFollowerThatCannotBeRead(SagaStore& store, const Lease& lease,
                                          const std::function<void(const std::string&)>& execute) {
  ASSERT_EQ(store.PutFollowers(0, {SampleFollower(), SampleFollower("after-order", "checkout")}), absl::OkStatus());
  const Saga order = SampleParent("p1"), checkout = SampleParent("p2", "checkout");
  ASSERT_TRUE(store.Commit(lease, {InsertOf(order), InsertOf(checkout)}).ok());
  for (const char* content : {"\\xff", ""}) {
    execute(absl::StrCat("UPDATE follower SET content = '", content, "' WHERE parent = 'place-order'"));
    execute("UPDATE follower_set SET generation = generation + 1");
    const absl::Status refused = store.Commit(lease, {FinishOf(order), InsertOf(SampleParent("p4"))}).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << "such as the engine halves until the write stands alone";
    EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("the followers of saga place-order version 1"));
  }
  EXPECT_EQ(store.Commit(lease, {InsertOf(SampleParent("p3"))}).value(), std::vector<WriteResult>{kStored});
  EXPECT_FALSE(store.Load("p4").ok());
  EXPECT_EQ(store.Load("p1")->state, SagaState::kRunning);
  EXPECT_EQ(store.Commit(lease, {FinishOf(checkout)}).value(), std::vector<WriteResult>{kStored});
  EXPECT_EQ(store.Children("p2")->size(), 1u);
  FollowerSet set = store.Followers().value();
  ASSERT_EQ(set.followers.size(), 2u);
  EXPECT_FALSE(set.followers[0].unreadable.has_value());
  EXPECT_EQ(set.followers[1].parent, (DefinitionVersion{"place-order", 1}));
  EXPECT_EQ(set.followers[1].unreadable, "");
  set.followers[1].unreadable = "\xff";
  ASSERT_EQ(store.PutFollowers(set.generation, set.followers), absl::OkStatus());
  EXPECT_EQ(store.Followers()->followers, set.followers) << "it is written back as it was";
  EXPECT_EQ(store.Commit(lease, {FinishOf(order)}).status().code(), absl::StatusCode::kDataLoss);
  execute("DELETE FROM follower WHERE parent = 'place-order'");
  execute("UPDATE follower_set SET generation = generation + 1");
  EXPECT_EQ(store.Commit(lease, {FinishOf(order)}).value(), std::vector<WriteResult>{kStored});
}

class SagaStoreFollowers : public SagaStoreContract {
 protected:
  void Follow(const std::vector<Follower>& followers) {
    ASSERT_EQ(store().PutFollowers(store().Followers()->generation, followers), absl::OkStatus());
  }
  Saga Running(const std::string& id, const std::string& definition = "place-order") {
    return Stored(InsertOf(SampleParent(id, definition)));
  }
  std::vector<Child> ChildrenOf(const std::string& id) {
    const auto children = store().Children(id);
    EXPECT_TRUE(children.ok()) << children.status();
    return children.value_or(std::vector<Child>());
  }
  std::vector<std::string> Followed(const std::string& id) {
    std::vector<std::string> names;
    for (const Child& child : ChildrenOf(id)) names.push_back(child.definition.name);
    return names;
  }
  std::vector<std::string> Due(absl::Time now, int limit = 50) {
    return Ids(store().LoadDue(lease_, {"after-order", 3}, DueFor::kStart, now, {}, limit));
  }
  std::string OnlyChild(const std::string& id) {
    const std::vector<Child> children = ChildrenOf(id);
    EXPECT_EQ(children.size(), 1u);
    return children.empty() ? "" : children[0].id;
  }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SagaStoreFollowers);

TEST_P(SagaStoreFollowers, TheEndOfASagaGivesBirthToWhatFollowsIt) {
  const Saga parent = Running("p1");
  Follow({SampleFollower()});
  const SagaWrite end = FinishOf(parent);
  Stored(end);
  const Saga child = Loaded(OnlyChild("p1"));
  EXPECT_EQ(child.definition, "after-order");
  EXPECT_EQ(child.definition_version, 3);
  EXPECT_EQ(child.key, "p1");
  EXPECT_EQ(child.parent, "p1");
  EXPECT_EQ(child.owner, "orchestrator-1");
  EXPECT_EQ(child.input, "\x12\x03kim");
  EXPECT_EQ(child.trace, parent.trace);
  EXPECT_EQ(child.state, SagaState::kRunning);
  EXPECT_EQ(child.version, 1);
  EXPECT_EQ(child.create_time, end.saga.update_time);
  EXPECT_EQ(child.steps, std::vector<Step>(2));
  const std::vector<HistoryEvent> history = HistoryOf(child.id);
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].event, Event(Born{}));
  EXPECT_EQ(history[0].state, SagaState::kRunning);
  EXPECT_EQ(ChildrenOf("p1"), (std::vector<Child>{{child.id, {"after-order", 3}, SagaState::kRunning}}));
  EXPECT_EQ(store().LoadByKey("after-order", "", "p1")->id, child.id);
  EXPECT_EQ(BirthsOf(*store().Followers(), end)[0].saga.id, child.id) << "the same write has the same births";
}

TEST_P(SagaStoreFollowers, ATransitionThatEndsNothingGivesBirthToNothing) {
  Follow({SampleFollower()});
  const Saga saga = Running("p1");
  Stored(UpdateOf(saga, SagaState::kParked));
  EXPECT_THAT(ChildrenOf("p1"), IsEmpty());
  EXPECT_THAT(ChildrenOf(""), IsEmpty());
}

// It is an insert, and no update.
TEST_P(SagaStoreFollowers, ASagaThatStartsAndEndsInOneTurnIsFollowed) {
  Follow({SampleFollower()});
  SagaWrite write = InsertOf(SampleParent("p1"));
  const SagaWrite end = FinishOf(write.saga);
  write.saga = end.saga;
  write.events.insert(write.events.end(), end.events.begin(), end.events.end());
  Stored(write);
  EXPECT_EQ(Loaded(OnlyChild("p1")).input, "\x12\x03kim");
  EXPECT_THAT(HistoryOf("p1"), SizeIs(2));
}

// The compare-and-set of the parent loses.
TEST_P(SagaStoreFollowers, AnEndThatIsNotStoredGivesBirthToNothing) {
  Follow({SampleFollower()});
  const Saga moved = Running("moved");
  Stored(UpdateOf(moved, SagaState::kRunning));
  EXPECT_EQ(Committed(FinishOf(moved)), kConflict);
  const Saga taken = Running("taken");
  const Lease other = Acquired("orchestrator-2");
  ASSERT_TRUE(store().Take(other, "taken").ok());
  EXPECT_EQ(Committed(FinishOf(taken)), kConflict);
  EXPECT_EQ(Committed(FinishOf(SampleParent("absent"))), kConflict);
  SagaWrite again = FinishOf(SampleParent("again"));
  again.seen_version = 0;
  again.saga.key = "moved";
  EXPECT_EQ(Committed(again), kKeyExists);
  for (const char* id : {"moved", "taken", "absent", "again"}) EXPECT_THAT(ChildrenOf(id), IsEmpty()) << id;
  const Saga fenced = Running("fenced");
  Acquired("orchestrator-1");
  EXPECT_EQ(store().Commit(lease_, {FinishOf(fenced)}).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(ChildrenOf("fenced"), IsEmpty());
}

// A repeat after an unknown commit finds the child's key taken.
TEST_P(SagaStoreFollowers, AChildThatIsThereAlreadyIsASuccessAndStaysAsItIs) {
  Follow({SampleFollower()});
  Saga there = SampleSaga("there", "after-order");
  there.key = "p1";
  const Saga before = Stored(InsertOf(there));
  const Saga parent = Running("p1");
  EXPECT_EQ(Committed(FinishOf(parent)), kStored);
  EXPECT_EQ(Loaded("p1").state, SagaState::kCompleted);
  EXPECT_EQ(Loaded("there"), before);
  EXPECT_THAT(HistoryOf("there"), SizeIs(1));
  EXPECT_THAT(ChildrenOf("p1"), IsEmpty()) << "it is another's";

  const SagaWrite end = FinishOf(Running("p2"));
  EXPECT_EQ(Committed(end), kStored);
  const std::string child = OnlyChild("p2");
  EXPECT_EQ(Committed(end), kConflict) << "the repeat";
  EXPECT_EQ(OnlyChild("p2"), child);
  EXPECT_THAT(HistoryOf(child), SizeIs(1));
}

// Each parent names its followers itself.
TEST_P(SagaStoreFollowers, OnlyTheVersionAndTheEndThatAreFollowedCount) {
  Follower on_abort = SampleFollower("after-abort"), on_reason = SampleFollower("after-sold-out");
  on_abort.on = on_reason.on = SagaState::kAborted;
  on_reason.reasons = {"OTHER", "STOCK_NOT_ENOUGH"};
  Follower of_checkout = SampleFollower("after-order", "checkout");
  Follower of_version_2 = SampleFollower("after-version-2");
  of_version_2.parent.version = 2;
  Follow({SampleFollower(), on_abort, on_reason, of_checkout, of_version_2});
  Stored(FinishOf(Running("done")));
  EXPECT_THAT(Followed("done"), ElementsAre("after-order"));
  Stored(FinishOf(Running("checkout", "checkout")));
  EXPECT_THAT(Followed("checkout"), ElementsAre("after-order"));
  Stored(AbortOf(Running("declined"), "PAYMENT_FAILED"));
  EXPECT_THAT(Followed("declined"), ElementsAre("after-abort"));
  Stored(AbortOf(Running("sold-out"), "STOCK_NOT_ENOUGH"));
  EXPECT_THAT(Followed("sold-out"), ElementsAre("after-abort", "after-sold-out"));
  Stored(FinishOf(Running("cancel", "cancel-order")));
  EXPECT_THAT(Followed("cancel"), IsEmpty());
}

TEST_P(SagaStoreFollowers, OneCommitBearsTheChildrenOfManyAndKeepsThemApart) {
  Follow({SampleFollower("a"), SampleFollower("b")});
  const Saga one = Running("p1"), two = Running("p2"), lost = Running("p3");
  Stored(UpdateOf(lost, SagaState::kRunning));
  EXPECT_THAT(Committed(lease_, {FinishOf(one), FinishOf(lost), FinishOf(two), InsertOf(SampleParent("p4"))}),
              ElementsAre(kStored, kConflict, kStored, kStored));
  EXPECT_THAT(Followed("p1"), ElementsAre("a", "b"));
  EXPECT_THAT(Followed("p2"), ElementsAre("a", "b"));
  EXPECT_THAT(Followed("p3"), IsEmpty());
  EXPECT_THAT(Followed("p4"), IsEmpty());
}

// What counts is what is stored, not what the instance knew when it began.
TEST_P(SagaStoreFollowers, FollowersThatCameOrChangedMeanwhileCount) {
  const Saga one = Running("p1"), two = Running("p2"), three = Running("p3");
  Stored(FinishOf(one));
  EXPECT_THAT(ChildrenOf("p1"), IsEmpty());
  Follow({SampleFollower()});
  Stored(FinishOf(two));
  EXPECT_EQ(ChildrenOf("p2")[0].definition, (DefinitionVersion{"after-order", 3}));
  Follower newer = SampleFollower();
  newer.definition.version = 4;
  Follow({newer});
  Stored(FinishOf(three));
  EXPECT_EQ(ChildrenOf("p3")[0].definition, (DefinitionVersion{"after-order", 4}));
  Follow({});
  Stored(FinishOf(Running("p4")));
  EXPECT_THAT(ChildrenOf("p4"), IsEmpty());
}

// The parent ends, whatever its follower needs of it.
TEST_P(SagaStoreFollowers, WhatCannotBeBuiltIsBornParked) {
  Follower unfit = SampleFollower("unfit");
  unfit.why_not_built = "version 1 of place-order has no step 'charge'";
  unfit.first_step = 1;
  Follow({unfit, SampleFollower("unreadable")});
  Saga parent = SampleParent("p1");
  parent.input = "\x0a\x7f";
  Stored(FinishOf(Stored(InsertOf(parent))));
  EXPECT_EQ(Loaded("p1").state, SagaState::kCompleted);
  ASSERT_THAT(Followed("p1"), ElementsAre("unfit", "unreadable"));
  for (const Child& child : ChildrenOf("p1")) {
    const Saga saga = Loaded(child.id);
    const std::size_t first = child.definition.name == "unfit" ? 1 : 0;
    EXPECT_EQ(saga.state, SagaState::kParked);
    EXPECT_TRUE(saga.steps[first].parked);
    EXPECT_EQ(saga.failure.reason, "PARENT_NOT_READ");
    EXPECT_EQ(saga.failure.code, static_cast<int>(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(saga.failure.message, testing::EndsWith("; skip the step, and do by hand what it was for"));
    if (child.definition.name == "unfit") {
      EXPECT_THAT(saga.failure.message, testing::StartsWith("version 1 of place-order has no step 'charge'"));
    }
    EXPECT_EQ(std::get<Born>(HistoryOf(child.id)[0].event).why_parked, saga.failure);
  }
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), SizeIs(2)) << "they wait for a person, not for their turn";
  EXPECT_THAT(*store().CountUnstarted(lease_.instance), IsEmpty());
}

// No mail brings it to its shard.
TEST_P(SagaStoreFollowers, AChildIsFoundByWhenItIsDueUntilItIsStarted) {
  Follow({SampleFollower()});
  Saga late = Running("p2");
  late.update_time += absl::Seconds(1);
  Stored(FinishOf(Running("p1")));
  Stored(FinishOf(late));
  const std::string first = OnlyChild("p1"), second = OnlyChild("p2");
  const absl::Time born = Loaded(first).create_time;
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), IsEmpty());
  EXPECT_THAT(Due(born - absl::Nanoseconds(1)), IsEmpty());
  EXPECT_THAT(Due(born), ElementsAre(first));
  EXPECT_THAT(Due(born + absl::Hours(1)), testing::UnorderedElementsAre(first, second));
  EXPECT_THAT(Due(born + absl::Hours(1), 1), ElementsAre(first));
  EXPECT_THAT(Ids(store().LoadDue(lease_, {"after-order", 2}, DueFor::kStart, absl::InfiniteFuture(), {}, 50)),
              IsEmpty());
  EXPECT_THAT(Ids(store().LoadDue(Acquired("orchestrator-2"), {"after-order", 3}, DueFor::kStart,
                                  absl::InfiniteFuture(), {}, 50)),
              IsEmpty());
  EXPECT_THAT(*store().CountUnstarted(lease_.instance),
              ElementsAre(testing::Pair(DefinitionVersion{"after-order", 3}, 2)));

  Stored(WakeOf(Loaded(first)));
  EXPECT_THAT(Due(absl::InfiniteFuture()), ElementsAre(second));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), ElementsAre(first));
  Stored(UpdateOf(Loaded(first), SagaState::kRunning));
  EXPECT_THAT(Due(absl::InfiniteFuture()), ElementsAre(second));
  SagaWrite cancelled = AbortOf(Loaded(second), "SAGA_CANCELLED");
  cancelled.saga.due_at = absl::InfiniteFuture();
  cancelled.changes_due_at = true;
  Stored(cancelled);
  EXPECT_THAT(Due(absl::InfiniteFuture()), IsEmpty());
  EXPECT_THAT(*store().CountUnstarted(lease_.instance), IsEmpty());
}

TEST_P(SagaStoreFollowers, ChildrenAreClaimedWithTheRestAndStillWaitForTheirTurn) {
  Follow({SampleFollower()});
  Stored(FinishOf(Running("p1")));
  const std::string child = OnlyChild("p1");
  ASSERT_EQ(store().Release(lease_), absl::OkStatus());
  lease_ = Acquired("orchestrator-2");
  EXPECT_THAT(Ids(store().Claim(lease_, {{"after-order", 3}}, 10)), ElementsAre(child));
  EXPECT_THAT(Due(absl::InfiniteFuture()), ElementsAre(child));
  EXPECT_THAT(Ids(store().LoadOwned(lease_, "", 50)), IsEmpty());
}

TEST_P(SagaStoreFollowers, AChildNeedsNothingOfAParentThatIsPurged) {
  Follow({SampleFollower()});
  Stored(FinishOf(Running("p1")));
  const Saga child = Loaded(OnlyChild("p1"));
  EXPECT_EQ(store().Purge(lease_, absl::InfiniteFuture(), 10).value(), 1);
  EXPECT_FALSE(store().Load("p1").ok());
  EXPECT_EQ(Loaded(child.id), child);
  EXPECT_EQ(OnlyChild("p1"), child.id);
}

TEST_P(SagaStoreFollowers, WhoFollowsIsChangedAsItWasSeen) {
  const FollowerSet none = store().Followers().value();
  EXPECT_THAT(none.followers, IsEmpty());
  Follower rich = SampleFollower("b");
  rich.on = SagaState::kAborted;
  rich.reasons = {"NO", "NEVER"};
  rich.first_step = 1;
  rich.copies = {{.root = kParentFacts, .source = {2, 1}, .target = {3, 4, 5}},
                 {.root = 7, .source = {1}, .target = {1}}};
  rich.why_not_built = "it's \n \xea\xb0\x80";
  ASSERT_EQ(store().PutFollowers(none.generation, {rich, SampleFollower("a")}), absl::OkStatus());
  const FollowerSet two = store().Followers().value();
  EXPECT_THAT(two.followers, ElementsAre(SampleFollower("a"), rich));
  EXPECT_GT(two.generation, none.generation);
  EXPECT_EQ(store().PutFollowers(none.generation, {}).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(store().Followers().value(), two);
  if (home_->Reopen()) {
    EXPECT_EQ(store().Followers().value(), two);
  }
  ASSERT_EQ(store().PutFollowers(two.generation, {}), absl::OkStatus());
  EXPECT_THAT(store().Followers()->followers, IsEmpty());
}

TEST_P(SagaStoreFollowers, TheDefinitionOfAFollowerIsKept) {
  for (const char* name : {"after-order", "unused"}) {
    for (const int version : {2, 3}) ASSERT_EQ(store().PutDefinition({name, version, "h", "y", "d"}), absl::OkStatus());
  }
  const std::vector<DefinitionVersion> all = {{"after-order", 2}, {"after-order", 3}, {"unused", 2}, {"unused", 3}};
  EXPECT_EQ(store().StoredDefinitions().value(), all);
  Follow({SampleFollower()});
  const absl::Duration any = -absl::Hours(1);  // also what was put just now
  EXPECT_THAT(*store().PurgeDefinitions(any), SizeIs(3));
  EXPECT_THAT(*store().StoredDefinitions(), ElementsAre(DefinitionVersion{"after-order", 3}));
}

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_SAGA_STORE_FOLLOWERS_CONTRACT_H_
