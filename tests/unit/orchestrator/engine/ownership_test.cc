// Ownership alone: a copy that is not what is stored is replaced by what is, whoever has the saga by now.
#include "orchestrator/engine/ownership.h"

#include <string>
#include <utility>
#include <vector>

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
  // Stores `saga` as another writer, under the lease of whoever owns it.
  void Overwrite(Saga saga) {
    const std::int64_t seen = saga.version++;
    ASSERT_EQ(store_.Commit(context_.lease, {{.seen_version = seen, .saga = saga, .events = {}}})->at(0),
              WriteResult::kStored);
  }
  void GiveTo(const std::string& instance, const std::string& id) {
    ASSERT_TRUE(store_.Take(*store_.Acquire(instance, "", absl::Seconds(15)), id).ok());
  }
  // What the mailbox would hand to Recover.
  std::vector<Saga> Recovered() {
    std::vector<Saga> sagas;
    for (Mail& mail : mailbox_.Drain()) {
      if (auto* const recover = std::get_if<RecoverMail>(&mail)) sagas.push_back(std::move(recover->saga));
    }
    return sagas;
  }

  Ownership ownership_{context_, mailbox_, live_, pending_};
  std::vector<Progress> answers_;
};

TEST_F(OwnershipTest, ARecoveredSagaIsInMemoryAndInFlightOnce) {
  const Saga stored = Stored("a").saga;
  live_.Remove(*live_.Find("a"));
  EXPECT_EQ(context_.in_flight, 0u);
  LiveSaga* const live = ownership_.Recover(stored);
  ASSERT_NE(live, nullptr);
  EXPECT_EQ(context_.in_flight, 1u);
  EXPECT_EQ(ownership_.Recover(stored), nullptr);  // driven already
  EXPECT_EQ(context_.in_flight, 1u);
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
  EXPECT_EQ(context_.in_flight, 0u);
}

TEST_F(OwnershipTest, AStaleCopyIsReplacedByWhatIsStored) {
  LiveSaga& live = Stored("a");
  Saga other = live.saga;
  other.cancel_requested = true;
  Overwrite(other);
  ownership_.Reload(live, clock_.Now());
  EXPECT_TRUE(live.stale);
  const std::vector<Saga> recovered = Recovered();
  ASSERT_THAT(recovered, SizeIs(1));
  EXPECT_EQ(ownership_.Recover(recovered[0]), &live);
  EXPECT_FALSE(live.stale);
  EXPECT_EQ(live.saga, *store_.Load("a"));
}

TEST_F(OwnershipTest, AnotherInstancesSagaIsWatchedWhileSomebodyWaitsForItAndThenForgotten) {
  LiveSaga& live = Stored("a");
  live_.AddWaiter(live, NewWaiter());
  GiveTo("two", "a");
  ownership_.Reload(live, clock_.Now());
  EXPECT_TRUE(live.owned_by_other);
  EXPECT_EQ(context_.in_flight, 0u);
  EXPECT_LE(live_.NextTimer(), clock_.Now() + absl::Seconds(1));
  live_.Remove(live);

  LiveSaga& alone = Stored("b");
  GiveTo("two", "b");
  ownership_.Reload(alone, clock_.Now());
  EXPECT_EQ(live_.Find("b"), nullptr);
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(OwnershipTest, AnAttachedCallerIsToldOfAFinishedSagaAndWaitsForAnUnfinishedOne) {
  Stored("a");
  live_.Remove(*live_.Find("a"));
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()}, clock_.Now());
  ASSERT_NE(live_.Find("a"), nullptr);
  EXPECT_THAT(answers_, IsEmpty());
  ownership_.Attach({.saga_id = "nobody", .waiter = NewWaiter()}, clock_.Now());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(GetErrorInfo(answers_[0].status).reason, "SAGA_NOT_FOUND");
}

TEST_F(OwnershipTest, AQuarantinedSagaStandsStillUntilAnOperatorTakesIt) {
  LiveSaga& live = Stored("a");
  live_.AddWaiter(live, NewWaiter());
  Move(live, CancelRequested{});
  store_.Refuse("a");
  const std::vector<Landed> landed = pending_.Commit();
  ASSERT_THAT(landed, SizeIs(1));
  ownership_.Quarantine(live, landed[0]);
  EXPECT_EQ(live_.Find("a"), nullptr);
  EXPECT_EQ(context_.in_flight, 0u);
  ownership_.Attach({.saga_id = "a", .waiter = NewWaiter()}, clock_.Now());
  ASSERT_THAT(answers_, SizeIs(2));
  for (const Progress& told : answers_) EXPECT_EQ(GetErrorInfo(told.status).reason, "SAGA_QUARANTINED");
  EXPECT_EQ(ownership_.Recover(*store_.Load("a")), nullptr);
  EXPECT_NE(ownership_.Recover(*ownership_.Take("a")), nullptr);
}

TEST_F(OwnershipTest, AnOperatorTakesASagaFromItsOwner) {
  Stored("a");
  GiveTo("two", "a");
  EXPECT_EQ(ownership_.Take("a")->owner, "one");
  EXPECT_EQ(store_.Load("a")->owner, "one");
  EXPECT_EQ(GetErrorInfo(ownership_.Take("nobody").status()).reason, "SAGA_NOT_FOUND");
  store_.SetAway(true);
  EXPECT_EQ(GetErrorInfo(ownership_.Take("a").status()).reason, "STORE_UNAVAILABLE");
}

}  // namespace
}  // namespace unwind
