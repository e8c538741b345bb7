// Who follows whom, when instances come and go with different files: the table is right whatever each of them knows.
#include "orchestrator/host/follower_table.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/host/definition_files.h"
#include "tests/contract/saga_samples.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Definitions = std::vector<std::shared_ptr<const Definition>>;

constexpr char kServes[] = "shop.checkout.v1.CheckoutService/PlaceOrder";

class FollowerTableTest : public testing::Test {
 protected:
  static std::string Parent(const std::string& name, int version, const std::string& step = "reserve",
                            const std::string& serves = kServes) {
    return absl::StrCat(
        "saga: ", name, "\nversion: ", version, "\nserves: ", serves, "\nsteps:\n  - name: ", step,
        "\n    action: shop.stock.v1.StockService/Reserve\n    compensation: none\n"
        "    request: { reservation_id: saga.id, items: input.items }\nresponse: { order_id: saga.id }\n");
  }
  static std::string Follower(const std::string& name, int version, const std::string& follows,
                              const std::string& on = "completed", const std::string& reads = "parent.id",
                              const std::string& calls = "shop.stock.v1.StockService/Release") {
    return absl::StrCat("saga: ", name, "\nversion: ", version, "\nfollows: [", follows, "]\non: ", on,
                        "\nsteps:\n  - name: release\n    kind: retriable\n    action: ", calls,
                        "\n    request: { reservation_id: ", reads, " }\n");
  }

  // As an instance does that starts with these files.
  absl::Status Start(const std::vector<std::string>& yamls) {
    std::vector<std::string> files;
    for (const std::string& yaml : yamls) {
      files.push_back(absl::StrCat(dir_.path(), "/", files.size(), ".yaml"));
      std::ofstream(files.back()) << yaml;
    }
    absl::StatusOr<Definitions> loaded = LoadDefinitionFiles(files, *LoadDescriptors({}, UNWIND_PROTOSET));
    if (!loaded.ok()) return loaded.status();
    DefinitionCatalog catalog;
    if (absl::Status served = ServeDefinitions(*loaded, catalog); !served.ok()) return served;
    if (absl::Status checked = CheckFollowers(store_, *loaded); !checked.ok()) return checked;
    if (absl::Status stored = StoreDefinitions(store_, *loaded); !stored.ok()) return stored;
    return UpdateFollowers(store_, *loaded);
  }

  // Each as "parent version -> follower version", with a mark if it cannot be built.
  std::vector<std::string> Table() {
    std::vector<std::string> rows;
    const FollowerSet set = store_.Followers().value();
    for (const auto& row : set.followers) {
      rows.push_back(absl::StrCat(row.parent.name, " ", row.parent.version, " -> ", row.definition.name, " ",
                                  row.definition.version, row.why_not_built.empty() ? "" : " parked"));
    }
    return rows;
  }

  void Unfinished(const std::string& definition, int version) {
    const Lease lease = *store_.Acquire("another", "", absl::Seconds(15));
    Saga saga = SampleSaga(absl::StrCat(definition, version), definition);
    saga.definition_version = version;
    ASSERT_EQ(store_.Commit(lease, {InsertOf(saga)})->front(), WriteResult::kStored);
  }

  // Stored by one whose definitions say what this one does not know.
  void OfANewerProgram(const std::string& name, int version) {
    StoredDefinition stored = store_.LoadDefinition(name, 1).value();
    stored.version = version;
    stored.hash = "newer";
    absl::StrAppend(&stored.yaml, "unheard_of: true\n");
    ASSERT_EQ(store_.PutDefinition(stored), absl::OkStatus());
  }

  static unwind::Follower Unreadable(const unwind::Follower& row) {
    unwind::Follower unreadable;
    unreadable.parent = row.parent;
    unreadable.definition = row.definition;
    unreadable.on = SagaState::kRunning;
    unreadable.unreadable = "\xff";
    return unreadable;
  }

  TempDir dir_;
  FaultyStore store_;
};

TEST_F(FollowerTableTest, FollowersAreNotedForEveryVersionOfTheirParents) {
  ASSERT_EQ(Start({Parent("place-order", 1)}), absl::OkStatus());
  EXPECT_THAT(Table(), IsEmpty());
  EXPECT_EQ(store_.Followers()->generation, 0) << "where nobody follows nothing is written";
  ASSERT_EQ(Start({Parent("place-order", 2), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1", "place-order 2 -> after-order 1"));
  const FollowerSet before = *store_.Followers();
  ASSERT_EQ(Start({Parent("place-order", 2), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_EQ(*store_.Followers(), before) << "a restart changes nothing";
}

// Instances of a rolling start, in either order.
TEST_F(FollowerTableTest, AnInstanceWithoutTheFollowerOrWithAnOlderOneLeavesItAsItIs) {
  const std::string parent = Parent("place-order", 1);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  ASSERT_EQ(Start({parent, Follower("after-order", 2, "place-order", "aborted")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2"));
  ASSERT_EQ(Start({parent}), absl::OkStatus());
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2"));
}

// The other way round: it has the follower only from the database, and brings a new parent.
TEST_F(FollowerTableTest, ANewVersionOfAParentIsFollowedThoughItsInstanceDoesNotKnowTheFollower) {
  ASSERT_EQ(Start({Parent("place-order", 1), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  ASSERT_EQ(Start({Parent("place-order", 2)}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1", "place-order 2 -> after-order 1"));
}

// In a rolling upgrade: an instance of the release before starts again.
TEST_F(FollowerTableTest, AnInstanceThatCannotLoadTheFollowerLeavesItsRowsAsTheyAre) {
  const std::string parent = Parent("place-order", 1);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  OfANewerProgram("after-order", 2);
  FollowerSet newer = *store_.Followers();
  newer.followers[0].definition.version = 2;
  ASSERT_EQ(store_.PutFollowers(newer.generation, newer.followers), absl::OkStatus());
  ASSERT_EQ(Start({parent}), absl::OkStatus());
  EXPECT_EQ(store_.Followers()->followers, newer.followers);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_EQ(store_.Followers()->followers, newer.followers);
  ASSERT_EQ(Start({parent, Follower("other", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2", "place-order 1 -> other 1"));
}

// It stops only what it follows, and no start: an instance that is started again is what mends it.
TEST_F(FollowerTableTest, ARowThatCannotBeReadIsMadeAnewWhereItsDefinitionsLoad) {
  const std::string parent = Parent("place-order", 1);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  const FollowerSet whole = *store_.Followers();
  ASSERT_EQ(store_.PutFollowers(whole.generation, {Unreadable(whole.followers[0])}), absl::OkStatus());
  ASSERT_EQ(Start({parent}), absl::OkStatus());
  EXPECT_EQ(store_.Followers()->followers, whole.followers);
}

TEST_F(FollowerTableTest, ARowOfANewerProgramThatCannotBeReadIsLeftAsItIs) {
  const std::string parent = Parent("place-order", 1);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  OfANewerProgram("after-order", 2);
  FollowerSet newer = *store_.Followers();
  newer.followers[0].definition.version = 2;
  newer.followers[0] = Unreadable(newer.followers[0]);
  ASSERT_EQ(store_.PutFollowers(newer.generation, newer.followers), absl::OkStatus());
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order"), Follower("other", 1, "place-order")}),
            absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2", "place-order 1 -> other 1"));
  EXPECT_EQ(store_.Followers()->followers[0], newer.followers[0]);
}

TEST_F(FollowerTableTest, AVersionOfAParentThatAFollowerUnknownHereMayNotFitIsRefused) {
  ASSERT_EQ(Start({Parent("place-order", 1), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  OfANewerProgram("after-order", 2);
  FollowerSet newer = *store_.Followers();
  newer.followers[0].definition.version = 2;
  ASSERT_EQ(store_.PutFollowers(newer.generation, newer.followers), absl::OkStatus());
  EXPECT_THAT(
      std::string(Start({Parent("place-order", 2)}).message()),
      HasSubstr("saga 'after-order' version 2 follows place-order, but does not load here, so that nobody knows "
                "whether it can follow saga 'place-order' version 2"));
  EXPECT_EQ(store_.Followers()->followers, newer.followers);
}

TEST_F(FollowerTableTest, AnInstanceThatCannotLoadAParentLeavesItsRowsAsTheyAre) {
  const std::string follower = Follower("after-order", 1, "place-order");
  ASSERT_EQ(Start({Parent("place-order", 1), follower}), absl::OkStatus());
  OfANewerProgram("place-order", 2);
  FollowerSet newer = *store_.Followers();
  newer.followers.push_back(newer.followers[0]);
  newer.followers[1].parent.version = 2;
  ASSERT_EQ(store_.PutFollowers(newer.generation, newer.followers), absl::OkStatus());
  Unfinished("place-order", 2);
  ASSERT_EQ(Start({Parent("place-order", 1), follower}), absl::OkStatus());
  EXPECT_EQ(store_.Followers()->followers, newer.followers);
  ASSERT_EQ(Start({Parent("place-order", 1), Follower("other", 1, "place-order")}).code(),
            absl::StatusCode::kInvalidArgument)
      << "nobody has found whether it can follow version 2";
}

TEST_F(FollowerTableTest, AFollowerThatAnUnfinishedVersionCannotServeIsRefused) {
  ASSERT_EQ(Start({Parent("place-order", 1, "reserve")}), absl::OkStatus());
  Unfinished("place-order", 1);
  const std::vector<std::string> files = {
      Parent("place-order", 2, "hold"),
      Follower("after-order", 1, "place-order", "completed", "parent.hold.reservation_id")};
  EXPECT_THAT(std::string(Start(files).message()),
              AllOf(HasSubstr("1.yaml:3: saga 'after-order' version 1 follows saga 'place-order' version 1, which has "
                              "unfinished sagas: version 1 of saga 'place-order' has no step 'hold'"),
                    HasSubstr("wait until those sagas have ended")));
  EXPECT_THAT(Table(), IsEmpty());
}

TEST_F(FollowerTableTest, WhatIsRefusedIsNotStoredAndCanBeCorrected) {
  ASSERT_EQ(Start({Parent("place-order", 1, "reserve")}), absl::OkStatus());
  Unfinished("place-order", 1);
  const std::string parent = Parent("place-order", 2, "hold");
  ASSERT_EQ(
      Start({parent, Follower("after-order", 1, "place-order", "completed", "parent.hold.reservation_id")}).code(),
      absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1", "place-order 2 -> after-order 1"));
}

TEST_F(FollowerTableTest, AVersionThatIsNotInUseIsNotedAsOneThatCannotBeRead) {
  ASSERT_EQ(Start({Parent("place-order", 1, "reserve")}), absl::OkStatus());
  ASSERT_EQ(Start({Parent("place-order", 2, "hold"),
                   Follower("after-order", 1, "place-order", "completed", "parent.hold.reservation_id")}),
            absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1 parked", "place-order 2 -> after-order 1"));
}

TEST_F(FollowerTableTest, ANewVersionOfAParentThatAFollowerCannotReadIsRefused) {
  ASSERT_EQ(Start({Parent("place-order", 1, "reserve"),
                   Follower("after-order", 1, "place-order", "completed", "parent.reserve.reservation_id")}),
            absl::OkStatus());
  EXPECT_THAT(std::string(Start({Parent("place-order", 2, "hold")}).message()),
              HasSubstr("saga 'after-order' version 1 follows saga 'place-order' version 2: version 2 of saga "
                        "'place-order' has no step 'reserve'"));
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1"));
  ASSERT_EQ(Start({Parent("place-order", 2, "hold"),
                   Follower("after-order", 2, "place-order", "completed", "parent.hold.reservation_id")}),
            absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2 parked", "place-order 2 -> after-order 2"));
}

TEST_F(FollowerTableTest, WhoFollowsNoMoreIsNotBroughtBackByAnOlderFile) {
  const std::string parent = Parent("place-order", 1);
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  ASSERT_EQ(Start({parent, Follower("after-order", 2, "place-order", "never")}), absl::OkStatus());
  ASSERT_EQ(Start({parent, Follower("after-order", 1, "place-order")}), absl::OkStatus());
  ASSERT_THAT(Table(), ElementsAre("place-order 1 -> after-order 2"));
  EXPECT_EQ(store_.Followers()->followers[0].on, SagaState::kRunning) << "no saga ends so";
}

TEST_F(FollowerTableTest, FollowersInACircleAreRefused) {
  const std::string parent = Parent("place-order", 1);
  EXPECT_THAT(std::string(Start({parent, Follower("a", 1, "place-order, b"), Follower("b", 1, "a")}).message()),
              HasSubstr("there is no saga 'b' to follow"))
      << "of two files that need each other none can be loaded first";
  ASSERT_EQ(Start({parent, Follower("a", 1, "place-order"), Follower("b", 1, "a")}), absl::OkStatus());
  // One that is stored closes the circle: here c is a saga that is called, there a follower of a.
  ASSERT_EQ(Start({parent, Follower("a", 1, "place-order"), Follower("c", 2, "a")}), absl::OkStatus());
  EXPECT_THAT(std::string(Start({Parent("c", 1), Follower("a", 2, "c")}).message()),
              HasSubstr("1.yaml:3: saga 'a' follows sagas that follow it"));
}

// A follower whose step starts the saga that it follows.
TEST_F(FollowerTableTest, AFollowerThatCallsWhatASagaServesIsRefused) {
  ASSERT_EQ(Start({Parent("place-order", 1)}), absl::OkStatus());
  const std::string again =
      "saga: again\nversion: 1\nfollows: [place-order]\non: completed\nsteps:\n  - name: order\n    kind: retriable\n"
      "    action: shop.checkout.v1.CheckoutService/PlaceOrder\n"
      "    request: { member_id: parent.input.member_id, items: parent.input.items, payment_method: "
      "parent.input.payment_method }\n";
  EXPECT_THAT(std::string(Start({Parent("place-order", 1), again}).message()),
              HasSubstr("a saga cannot be a step of another"));
  EXPECT_THAT(Table(), IsEmpty());
}

// Two instances start at once: each puts what it knows, and the second looks again.
TEST_F(FollowerTableTest, WhatOthersChangeMeanwhileIsNotLost) {
  ASSERT_EQ(Start({Parent("place-order", 1)}), absl::OkStatus());
  store_.SetBeforePutFollowers([this] {
    EXPECT_EQ(Start({Parent("place-order", 1), Follower("other", 1, "place-order")}), absl::OkStatus());
  });
  ASSERT_EQ(Start({Parent("place-order", 1), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1", "place-order 1 -> other 1"));
}

// The other one brings a parent: it finds that nobody follows yet, and puts nothing.
TEST_F(FollowerTableTest, AVersionThatAnotherInstanceStoresMeanwhileIsFollowed) {
  ASSERT_EQ(Start({Parent("place-order", 1)}), absl::OkStatus());
  store_.SetBeforePutFollowers([this] {
    EXPECT_EQ(Start({Parent("place-order", 2)}), absl::OkStatus());
    EXPECT_THAT(Table(), IsEmpty());
  });
  ASSERT_EQ(Start({Parent("place-order", 1), Follower("after-order", 1, "place-order")}), absl::OkStatus());
  EXPECT_THAT(Table(), ElementsAre("place-order 1 -> after-order 1", "place-order 2 -> after-order 1"));
}

TEST_F(FollowerTableTest, WhileTheStoreDoesNotAnswerNothingIsServed) {
  store_.SetScansFail(true);
  EXPECT_TRUE(absl::IsUnavailable(Start({Parent("place-order", 1), Follower("after-order", 1, "place-order")})));
  EXPECT_EQ(Start({Parent("place-order", 2)}), absl::OkStatus()) << "where nobody follows nothing is asked";
}

}  // namespace
}  // namespace unwind
