// The commit alone: what failed stays pending, what landed unseen is not written again, and nobody asks a store that is
// away all the time.
#include "orchestrator/engine/pending_commit.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/unit/orchestrator/engine/parts.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class PendingCommitTest : public PartsTest {};

TEST_F(PendingCommitTest, WhatIsStoredIsPendingNoMore) {
  Move(Start("a"), CancelRequested{});
  Start("b");
  EXPECT_TRUE(pending_.Has("a"));
  const std::vector<Landed> landed = pending_.Commit();
  ASSERT_THAT(landed, SizeIs(2));
  EXPECT_EQ(landed[0].saga_id, "a");
  EXPECT_EQ(*landed[0].result, WriteResult::kStored);
  EXPECT_EQ(landed[0].write.seen_version, 0);
  EXPECT_THAT(landed[0].write.events, SizeIs(2));
  EXPECT_TRUE(pending_.empty());
  EXPECT_EQ(*store_.Load("a"), live_.Find("a")->saga);
}

TEST_F(PendingCommitTest, WhatTheStoreRefusesIsSaidForEachWrite) {
  Start("a");
  pending_.Commit();
  live_.Find("a")->saga.version = 7;  // a copy that is not what is stored
  Move(*live_.Find("a"), CancelRequested{});
  Start("b").saga.key = "a";
  const std::vector<Landed> landed = pending_.Commit();
  ASSERT_THAT(landed, SizeIs(2));
  EXPECT_EQ(*landed[0].result, WriteResult::kConflict);
  EXPECT_EQ(*landed[1].result, WriteResult::kKeyExists);
}

TEST_F(PendingCommitTest, WhatFailedStaysPendingAndIsRepeated) {
  store_.FailNextCommit(FaultyStore::Fault::kNotStored);
  Start("a");
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_TRUE(pending_.Has("a"));
  EXPECT_THAT(pending_.Commit(), SizeIs(1));
  EXPECT_TRUE(store_.Load("a").ok());
}

TEST_F(PendingCommitTest, WhatLandedUnseenIsNotWrittenAgain) {
  store_.FailNextCommit(FaultyStore::Fault::kStoredButUnknown);
  Start("a");
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_EQ(observer_.commits_failed, 1);
  const std::vector<Landed> landed = pending_.Commit();
  EXPECT_EQ(observer_.commits_failed, 1);
  ASSERT_THAT(landed, SizeIs(1));
  EXPECT_EQ(*landed[0].result, WriteResult::kStored);  // written again it would be a conflict
}

TEST_F(PendingCommitTest, WhatMayHaveLandedIsLookedUpByOneCallAndNotAtAllWhileTheStoreIsAway) {
  store_.FailNextCommit(FaultyStore::Fault::kStoredButUnknown);
  for (int i = 0; i < 100; ++i) Start(absl::StrCat(i));
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  store_.SetAway(true);
  const int before = store_.calls();
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_EQ(store_.calls(), before + 1);
  EXPECT_TRUE(pending_.StoreIsDown(clock_.Now()));
  store_.SetAway(false);
  EXPECT_THAT(pending_.Commit(), SizeIs(100));
  EXPECT_EQ(store_.calls(), before + 2);
}

TEST_F(PendingCommitTest, ThePauseBeginsWhenTheStoreHasFailed) {
  store_.SetAway(true);
  store_.SetDelay([this] { clock_.Advance(absl::Seconds(15)); });
  Start("a");
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_TRUE(pending_.StoreIsDown(clock_.Now()));
}

TEST_F(PendingCommitTest, TheStoreIsAskedLessOftenTheLongerItIsAway) {
  store_.SetAway(true);
  Start("a");
  absl::Duration before;
  for (int i = 0; i < 10; ++i) {
    pending_.Commit();
    EXPECT_TRUE(pending_.StoreIsDown(clock_.Now()));
    const absl::Duration pause = pending_.retry_at() - clock_.Now();
    EXPECT_GE(pause, before);
    EXPECT_LE(pause, absl::Seconds(2));
    before = pause;
    clock_.Advance(pause);
    EXPECT_FALSE(pending_.StoreIsDown(clock_.Now()));
  }
  clock_.Advance(-absl::Hours(1));  // the clock is set back
  EXPECT_FALSE(pending_.StoreIsDown(clock_.Now()));
}

// What is away is told by health; a saga at fault says nothing of the store.
TEST_F(PendingCommitTest, AShardIsFailingFromAFailedCommitUntilOneLands) {
  Start("a");
  store_.Refuse("a");
  pending_.Commit();
  EXPECT_EQ(context_.shards_failing, 0);
  Start("b");
  store_.SetAway(true);
  for (int i = 0; i < 3; ++i) {
    pending_.Commit();
    EXPECT_EQ(context_.shards_failing, 1);
  }
  store_.SetAway(false);
  pending_.Commit();
  EXPECT_EQ(context_.shards_failing, 0);
}

TEST_F(PendingCommitTest, AFencedCommitEndsTheLease) {
  Start("a");
  ASSERT_TRUE(store_.Acquire("one", "", absl::Seconds(15)).ok());
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_TRUE(context_.lease_lost);
  EXPECT_TRUE(absl::IsNotFound(store_.Load("a").status()));
}

TEST_F(PendingCommitTest, AWriteThatTheStoreRefusesFailsAlone) {
  for (const char* id : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) Start(id);
  store_.Refuse("c");
  int stored = 0;
  for (const Landed& landed : pending_.Commit()) {
    EXPECT_EQ(landed.result.ok(), landed.saga_id != "c");
    stored += landed.result.ok();
  }
  EXPECT_EQ(stored, 8);
  EXPECT_TRUE(pending_.empty());
  EXPECT_FALSE(context_.lease_lost);
  EXPECT_FALSE(pending_.StoreIsDown(clock_.Now()));
  EXPECT_TRUE(absl::IsNotFound(store_.Load("c").status()));
}

TEST_F(PendingCommitTest, AStoreThatRefusesEverythingIsAwayAndNoSagaIsAtFault) {
  store_.SetBroken(true);
  for (const char* id : {"a", "b", "c"}) Start(id);
  EXPECT_THAT(pending_.Commit(), IsEmpty());
  EXPECT_TRUE(pending_.StoreIsDown(clock_.Now()));
  EXPECT_FALSE(context_.lease_lost);
  store_.SetBroken(false);
  EXPECT_THAT(pending_.Commit(), SizeIs(3));
}

// Whenever in the search for the cause it begins to take writes again.
TEST_F(PendingCommitTest, WhileAStoreThatRefusedEverythingRecoversNoSagaIsAtFault) {
  for (int refused = 1; refused <= 8; ++refused) {
    for (const char* id : {"a", "b", "c"}) Start(absl::StrCat(id, refused));
    const int first = store_.calls();
    store_.SetBroken(true);
    store_.SetDelay([&] { store_.SetBroken(store_.calls() - first <= refused); });
    std::vector<Landed> landed;
    while (!pending_.empty()) {
      for (Landed& each : pending_.Commit()) landed.push_back(std::move(each));
    }
    EXPECT_THAT(landed, SizeIs(3));
    for (const Landed& each : landed) EXPECT_TRUE(each.result.ok()) << each.saga_id << " after " << refused;
  }
}

TEST_F(PendingCommitTest, WhatIsTooMuchForOneTransactionIsCommittedInParts) {
  const std::string half(context_.options.turn_bytes_max * 6 / 10, 'x');
  for (const char* id : {"a", "b", "c", "d", "e"}) Start(id);
  live_.Find("a")->saga.input = half + half;
  live_.Find("b")->saga.steps[0].reply = half;
  live_.Find("c")->saga.failure.message = half;
  EXPECT_THAT(pending_.Commit(), SizeIs(5));
  EXPECT_THAT(store_.parts(), ElementsAre(1, 1, 3));
}

}  // namespace
}  // namespace unwind
