// Ownership alone: a copy that is not what is stored is replaced by what is, of any owner.
#include "orchestrator/engine/ownership.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "tests/unit/orchestrator/engine/parts.h"

namespace unwind {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class OwnershipTest : public PartsTest {
 protected:
  Waiter NewWaiter() {
    return {.answer_by = absl::InfiniteFuture(), .accepted = nullptr, .answered = [this](Progress progress) {
              answers_.push_back(std::move(progress));
            }};
  }
  // A saga that is stored, driven here, and awaits a call.
  LiveSaga& Stored(const std::string& id) {
    LiveSaga& live = Start(id);
    live_.Count(live, true);
    pending_.Commit();
    return live;
  }
  // A saga of this instance that is stored and not in memory.
  Saga StoredOfVersion(int version, const std::string& id) {
    Saga saga = Stored("a").saga;
    saga.id = saga.key = id;
    saga.definition_version = version;
    EXPECT_EQ(store_.Commit(context_.lease, {{.seen_version = 0, .saga = saga, .events = {}}})->at(0),
              WriteResult::kStored);
    return saga;
  }
  // Stores `saga` as another writer, under the lease of its owner.
  void Overwrite(Saga saga) { Overwrite(context_.lease, std::move(saga)); }
  void Overwrite(const Lease& lease, Saga saga) {
    const std::int64_t seen = saga.version++;
    ASSERT_EQ(store_.Commit(lease, {{.seen_version = seen, .saga = saga, .events = {}}})->at(0), WriteResult::kStored);
  }
  // A saga that is stored, whose cancellation the store refuses.
  void Quarantine(const std::string& id) {
    LiveSaga& live = Stored(id);
    Move(live, CancelRequested{});
    store_.Refuse(id);
    const std::vector<Landed> landed = pending_.Commit();
    ASSERT_THAT(landed, SizeIs(1));
    ownership_.Quarantine(live, landed[0]);
    store_.Refuse("none");
  }
  Lease GiveTo(const std::string& instance, const std::string& id) {
    const Lease lease = *store_.Acquire(instance, "", absl::Seconds(15));
    EXPECT_TRUE(store_.Take(lease, id).ok());
    return lease;
  }
  AskMail Asked(const std::string& id, std::int64_t seen_version = 0) {
    return {.saga_id = id, .event = CancelRequested{}, .seen_version = seen_version, .waiter = NewWaiter()};
  }

  Ownership ownership_{context_, live_, pending_};
  std::vector<Progress> answers_;
};

TEST_F(OwnershipTest, ARecoveredSagaIsInMemoryAndInFlightOnce) {
  const Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  EXPECT_EQ(context_.admission.in_flight(), 0u);
  LiveSaga* const live = ownership_.Recover(stored);
  ASSERT_NE(live, nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 1u);
  EXPECT_EQ(ownership_.Recover(stored), nullptr);  // driven already
  EXPECT_EQ(context_.admission.in_flight(), 1u);
}

TEST_F(OwnershipTest, ASagaThatWasMovedByAnotherIsRecoveredAnew) {
  Stored("a");
  Saga moved = *store_.Load("a");
  ++moved.version;
  moved.cancel_requested = true;
  LiveSaga* const live = ownership_.Recover(moved);
  ASSERT_NE(live, nullptr);
  EXPECT_TRUE(live->saga.cancel_requested);
}

TEST_F(OwnershipTest, ASagaOfAnUnknownDefinitionIsLeftAlone) {
  Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  stored.definition_version = 99;
  EXPECT_EQ(ownership_.Recover(stored), nullptr);
  EXPECT_EQ(live_.Find("a"), nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
}

TEST_F(OwnershipTest, ASagaWhoseDefinitionCanOnlyBeReadIsLeftAlone) {
  Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  Plan plan = Sequence();
  plan.version = stored.definition_version = 99;
  ASSERT_TRUE(catalog_.Add(std::make_shared<PlainDefinition>(plan), Use::kRead).ok());
  EXPECT_NE(catalog_.Of(stored), nullptr);
  EXPECT_EQ(ownership_.Recover(stored), nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
}

// To ask again is of no use: an operator must give the instance what it lacks.
TEST_F(OwnershipTest, WhoAsksOfASagaThatCannotBeDrivenIsToldWhy) {
  const Saga stored = StoredOfVersion(99, "b");
  ownership_.Ask(Asked("b"));
  ownership_.Load(clock_.Now());
  catalog_.GiveUp(stored.definition, 99, "no route for gift.v1.MailService: give it with --participants");
  ownership_.Ask(Asked("b"));
  ownership_.Load(clock_.Now());
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "SAGA_NOT_HELD") << "it may be learnt";
  EXPECT_GT(GetRetryAfter(answers_[0].status), absl::ZeroDuration());
  EXPECT_EQ(answers_[1].status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(answers_[1].status).reason, "DEFINITION_UNUSABLE");
  EXPECT_THAT(answers_[1].status.message(), testing::HasSubstr("gift.v1.MailService"));
  EXPECT_EQ(GetRetryAfter(answers_[1].status), absl::ZeroDuration());
}

TEST_F(OwnershipTest, WhoWaitsForASagaThatNobodyDrivesIsToldSo) {
  StoredOfVersion(99, "b");
  ownership_.Attach({.saga_id = "b", .waiter = NewWaiter()});
  ownership_.Load(clock_.Now());
  GiveTo("another", "b");
  ownership_.Attach({.saga_id = "b", .waiter = NewWaiter()});
  ownership_.Load(clock_.Now());
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_TRUE(answers_[0].undriven);
  EXPECT_FALSE(answers_[1].undriven) << "its owner may drive it";
}

TEST_F(OwnershipTest, AnUnknownDefinitionIsLoggedOnceForAllItsSagasInWhateverShard) {
  Ownership other_shard(context_, live_, pending_);
  Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  testing::internal::CaptureStderr();
  for (const int version : {98, 99}) {
    stored.definition_version = version;
    for (const char* id : {"b", "c", "d"}) {
      stored.id = id;
      EXPECT_EQ(ownership_.Recover(stored), nullptr);
      EXPECT_EQ(other_shard.Recover(stored), nullptr);
    }
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
  EXPECT_THAT(log, testing::AllOf(testing::HasSubstr("\"version\":\"98\""), testing::HasSubstr("\"version\":\"99\"")));
}

TEST_F(OwnershipTest, ASagaThatHasNotTheStepsOfItsDefinitionIsLeftAlone) {
  Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  stored.steps.emplace_back();
  EXPECT_EQ(ownership_.Recover(stored), nullptr);
  stored.steps.clear();
  EXPECT_EQ(ownership_.Recover(stored), nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
}

TEST_F(OwnershipTest, AStaleCopyIsReplacedByWhatIsStored) {
  LiveSaga& live = Stored("a");
  Saga other = live.saga;
  other.cancel_requested = true;
  Overwrite(other);
  ownership_.Reload(live);
  EXPECT_TRUE(live.stale);
  const std::vector<RecoverMail> recovered = ownership_.Load(clock_.Now()).recovered;
  ASSERT_THAT(recovered, SizeIs(1));
  EXPECT_EQ(ownership_.Recover(recovered[0].saga), &live);
  EXPECT_FALSE(live.stale);
  EXPECT_EQ(live.saga, *store_.Load("a"));
}

TEST_F(OwnershipTest, AnotherInstancesSagaIsWatchedWhileSomebodyWaitsForItAndThenForgotten) {
  LiveSaga& live = Stored("a");
  live_.AddWaiter(live, NewWaiter());
  Stored("b");
  GiveTo("two", "a");
  GiveTo("two", "b");
  ownership_.Reload(live);
  ownership_.Reload(*live_.Find("b"));
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  EXPECT_TRUE(live.owned_by_other);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
  EXPECT_LE(live_.NextTimer(), clock_.Now() + absl::Seconds(1));
  EXPECT_EQ(live_.Find("b"), nullptr);
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(OwnershipTest, AllRowsOfATurnAreLoadedByOneCallAndNoneWhileTheStoreIsAway) {
  for (const char* id : {"a", "b", "c"}) ownership_.Reload(Stored(id));
  for (int i = 0; i < 100; ++i) ownership_.Attach({.saga_id = absl::StrCat(i), .waiter = NewWaiter()});
  store_.SetAway(true);
  const int before = store_.calls();
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  EXPECT_TRUE(pending_.StoreIsDown(clock_.Now()));
  EXPECT_TRUE(ownership_.wants_rows());
  store_.SetAway(false);
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, SizeIs(3));
  EXPECT_EQ(store_.calls(), before + 2);
  EXPECT_FALSE(ownership_.wants_rows());
  EXPECT_THAT(answers_, SizeIs(100));
}

TEST_F(OwnershipTest, AnAttachedCallerIsToldOfAFinishedSagaAndWaitsForAnUnfinishedOne) {
  LiveSaga& finished = Stored("finished");
  Saga saga = finished.saga;
  saga.state = SagaState::kCompleted;
  Overwrite(saga);
  live_.Remove(finished);
  live_.Remove(Stored("a"));
  for (const char* id : {"finished", "a", "nobody"}) ownership_.Attach({.saga_id = id, .waiter = NewWaiter()});
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, SizeIs(1));  // "a", which is this instance's own
  ASSERT_NE(live_.Find("a"), nullptr);
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(answers_[0].saga.state, SagaState::kCompleted);
  EXPECT_EQ(GetErrorInfo(answers_[1].status).reason, "SAGA_NOT_FOUND");
}

TEST_F(OwnershipTest, ARowThatCannotBeReadIsReportedOnceAndItsCallersAreTold) {
  live_.Remove(Stored("a"));
  store_.SetDamaged("a");
  for (int i = 0; i < 2; ++i) {
    ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
    EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  }
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(GetErrorInfo(answers_[0].status), (ErrorInfo{"STORE_FAILED", "saga.unwind", {{"saga_id", "a"}}}));
  EXPECT_EQ(observer_.unreadable, 1);
}

TEST_F(OwnershipTest, WhoseKeyCannotBeLookedUpIsToldSoAndNothingOfTheDatabase) {
  store_.SetBroken(true);
  key_lookup_.Find({.definition = "shape",
                    .key_scope = "",
                    .key = "a",
                    .input_hash = "h",
                    .waiter = NewWaiter(),
                    .if_none = absl::OkStatus()});
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(GetErrorInfo(answers_[0].status), (ErrorInfo{"STORE_FAILED", "saga.unwind", {}}));
  EXPECT_EQ(answers_[0].status.message(), "the saga could not be read from the store");
}

TEST_F(OwnershipTest, OnlySoManyMayWaitForOneSaga) {
  Stored("a");
  GiveTo("two", "a");
  live_.Remove(*live_.Find("a"));
  for (int i = 0; i < 1001; ++i) ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "OVERLOADED");
  EXPECT_THAT(std::string(answers_[0].status.message()), testing::HasSubstr("repeat it with the same key"));
  ownership_.Load(clock_.Now());
  ASSERT_NE(live_.Find("a"), nullptr);
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(GetErrorInfo(answers_[1].status).reason, "OVERLOADED");
}

TEST_F(OwnershipTest, WhoComesSecondUnderAKeyIsToldOfTheFirst) {
  Saga finished = Stored("a").saga;
  finished.state = SagaState::kCompleted;
  Overwrite(finished);
  LiveSaga& second = Start("b");
  live_.Count(second, true);
  second.saga.key = "a";
  live_.AddWaiter(second, NewWaiter());
  ownership_.KeyTaken(second);
  EXPECT_EQ(live_.Find("b"), nullptr);
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].saga.id, "a");
}

TEST_F(OwnershipTest, AQuarantinedSagaStandsStillUntilAnOperatorTakesIt) {
  live_.AddWaiter(Stored("a"), NewWaiter());
  Move(*live_.Find("a"), CancelRequested{});
  store_.Refuse("a");
  const std::vector<Landed> landed = pending_.Commit();
  ASSERT_THAT(landed, SizeIs(1));
  ownership_.Quarantine(*live_.Find("a"), landed[0]);
  EXPECT_EQ(live_.Find("a"), nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  ASSERT_THAT(answers_, SizeIs(2));
  for (const Progress& told : answers_) EXPECT_EQ(GetErrorInfo(told.status).reason, "SAGA_QUARANTINED");
  EXPECT_EQ(ownership_.Recover(*store_.Load("a")), nullptr);
  const std::int64_t version = store_.Load("a")->version;
  ownership_.Ask(Asked("a", version + 1));  // not for this one, so that it stands still all the same
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  EXPECT_EQ(ownership_.Recover(*store_.Load("a")), nullptr);
  ownership_.Ask(Asked("a", version));
  const std::vector<RecoverMail> recovered = ownership_.Load(clock_.Now()).recovered;
  ASSERT_THAT(recovered, SizeIs(1));
  EXPECT_THAT(recovered[0].asks, SizeIs(1));
  EXPECT_NE(ownership_.Recover(recovered[0].saga), nullptr);
}

TEST_F(OwnershipTest, AQuarantineEndsWhenTheSagaMovesElsewhere) {
  Quarantine("a");
  const Lease two = GiveTo("two", "a");
  Saga moved = *store_.Load("a");
  moved.cancel_requested = true;
  Overwrite(two, moved);
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  EXPECT_THAT(answers_, IsEmpty());  // it is watched
  ASSERT_NE(live_.Find("a"), nullptr);
  live_.Remove(*live_.Find("a"));
  EXPECT_NE(ownership_.Recover(*store_.Take(context_.lease, "a")), nullptr);
}

TEST_F(OwnershipTest, ASagaThatMovedElsewhereAndComesBackUnnoticedIsDriven) {
  Quarantine("a");
  const Lease two = GiveTo("two", "a");
  Overwrite(two, *store_.Load("a"));
  EXPECT_NE(ownership_.Recover(*store_.Take(context_.lease, "a")), nullptr);
}

TEST_F(OwnershipTest, AVerbForAnOlderVersionTakesNoSagaFromItsOwner) {
  live_.Remove(Stored("a"));
  const Lease two = GiveTo("two", "a");
  Overwrite(two, *store_.Load("a"));
  ownership_.Ask(Asked("a", store_.Load("a")->version - 1));
  EXPECT_THAT(ownership_.Load(clock_.Now()).recovered, IsEmpty());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "SAGA_MOVED");
  EXPECT_EQ(store_.Load("a")->owner, "two");
}

TEST_F(OwnershipTest, ASagaThatMovedWhileItWasTakenIsDrivenByWhoTookIt) {
  live_.Remove(Stored("a"));
  const Lease two = GiveTo("two", "a");
  const Saga seen = *store_.Load("a");
  ownership_.Ask(Asked("a", seen.version));
  int calls = 0;
  store_.SetDelay([&] {
    if (++calls == 2) Overwrite(two, seen);  // after the load, before the row is taken
  });
  const std::vector<RecoverMail> recovered = ownership_.Load(clock_.Now()).recovered;
  ASSERT_THAT(recovered, SizeIs(1));
  EXPECT_THAT(recovered[0].asks, IsEmpty());
  EXPECT_EQ(recovered[0].saga, *store_.Load("a"));
  EXPECT_EQ(recovered[0].saga.owner, "one");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "SAGA_MOVED");
  EXPECT_NE(ownership_.Recover(recovered[0].saga), nullptr);
}

TEST_F(OwnershipTest, AnOperatorTakesASagaFromItsOwner) {
  live_.Remove(Stored("a"));
  GiveTo("two", "a");
  const std::int64_t version = store_.Load("a")->version;
  ownership_.Ask(Asked("a", version));
  ownership_.Ask(Asked("a", version + 1));
  ownership_.Ask(Asked("nobody"));
  const std::vector<RecoverMail> recovered = ownership_.Load(clock_.Now()).recovered;
  ASSERT_THAT(recovered, SizeIs(1));
  EXPECT_THAT(recovered[0].asks, SizeIs(1));
  EXPECT_EQ(recovered[0].saga.owner, "one");
  EXPECT_EQ(store_.Load("a")->owner, "one");
  ASSERT_THAT(answers_, SizeIs(2));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "SAGA_MOVED");
  EXPECT_EQ(GetErrorInfo(answers_[1].status).reason, "SAGA_NOT_FOUND");
}

TEST_F(OwnershipTest, AShedSagaGoesOnFromItsRowAsIfNothingHadHappened) {
  LiveSaga& live = Stored("a");
  const Saga whole = live.saga;
  live_.Shed(live);
  ownership_.Await({.saga_id = "a", .event = Ticked{}});
  ownership_.Ask(Asked("a"));
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()});
  const LoadedSagas loaded = ownership_.Load(clock_.Now());
  EXPECT_THAT(loaded.recovered, IsEmpty());
  ASSERT_THAT(loaded.refilled, SizeIs(1));
  EXPECT_EQ(loaded.refilled[0].saga_id, "a");
  EXPECT_THAT(loaded.refilled[0].events, SizeIs(1));
  EXPECT_THAT(loaded.refilled[0].asks, SizeIs(1));
  EXPECT_FALSE(live.shed);
  EXPECT_EQ(live.saga, whole);
  EXPECT_THAT(live.waiters, SizeIs(1));
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(OwnershipTest, AShedSagaThatMovedMeanwhileIsRecoveredAndItsEventsAreStale) {
  LiveSaga& live = Stored("a");
  live_.Shed(live);
  GiveTo("two", "a");
  const Saga moved = *store_.Take(context_.lease, "a");  // unnoticed
  Overwrite(moved);
  ownership_.Await({.saga_id = "a", .event = Ticked{}});
  const LoadedSagas loaded = ownership_.Load(clock_.Now());
  EXPECT_THAT(loaded.refilled, IsEmpty());
  ASSERT_THAT(loaded.recovered, SizeIs(1));
  EXPECT_EQ(ownership_.Recover(loaded.recovered[0].saga), &live);
  EXPECT_FALSE(live.shed);
  EXPECT_EQ(live.saga, *store_.Load("a"));
}

TEST_F(OwnershipTest, AShedSagaThatAnotherInstanceHasIsForgotten) {
  live_.Shed(Stored("a"));
  GiveTo("two", "a");
  ownership_.Await({.saga_id = "a", .event = Ticked{}});
  const LoadedSagas loaded = ownership_.Load(clock_.Now());
  EXPECT_THAT(loaded.refilled, IsEmpty());
  EXPECT_THAT(loaded.recovered, IsEmpty());
  EXPECT_EQ(live_.Find("a"), nullptr);
  EXPECT_EQ(context_.admission.in_flight(), 0u);
}

TEST_F(OwnershipTest, WhatDoesNotFitIntoAPageIsLoadedByTheNext) {
  for (const char* id : {"a", "b", "c"}) {
    live_.Shed(Stored(id));
    ownership_.Await({.saga_id = id, .event = Ticked{}});
  }
  store_.SetPageBytesMax(1);
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_TRUE(ownership_.wants_rows());
    const LoadedSagas loaded = ownership_.Load(clock_.Now());
    ASSERT_THAT(loaded.refilled, SizeIs(1));
    EXPECT_EQ(loaded.refilled[0].saga_id, id);
  }
}

TEST_F(OwnershipTest, OnlyTheHeadOfAWatchedSagaIsKept) {
  LiveSaga& live = Stored("a");
  live_.AddWaiter(live, NewWaiter());
  GiveTo("two", "a");
  ownership_.Reload(live);
  ownership_.Load(clock_.Now());
  EXPECT_TRUE(live.owned_by_other);
  EXPECT_EQ(context_.saga_memory.bytes(), 0u);
}

}  // namespace
}  // namespace unwind
