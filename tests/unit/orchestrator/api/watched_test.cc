// What a watcher is told of what was loaded: pure.
#include "orchestrator/api/watched.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr SagaState kRunning = SagaState::kRunning, kParked = SagaState::kParked, kCompleted = SagaState::kCompleted;

// A store of heads, and what a turn loads of it.
class Rows {
 public:
  void Put(const std::string& id, std::int64_t version, SagaState state = kRunning) {
    heads_[id] = {id, version, state};
  }
  void Damage(const std::string& id) { unreadable_.insert(id); }
  // Of what is wanted above it nothing is loaded.
  void CutAt(const std::string& id) { cut_at_ = id; }

  std::vector<SagaHead> Listed(const SagaFilter& filter) const {
    std::vector<SagaHead> listed;
    for (auto it = heads_.rbegin(); it != heads_.rend() && static_cast<int>(listed.size()) < filter.limit; ++it) {
      if (!filter.state.has_value() || it->second.state == *filter.state) listed.push_back(it->second);
    }
    return listed;
  }

  Loaded Load(const std::vector<SagaHead>& wanted) const {
    Loaded loaded;
    if (!cut_at_.empty()) loaded.last_id = cut_at_;
    for (const SagaHead& head : wanted) {
      const auto it = heads_.find(head.id);
      if (it == heads_.end() || it->second.version <= head.version) continue;
      if (loaded.last_id.has_value() && head.id > *loaded.last_id) continue;
      if (unreadable_.count(head.id) > 0) {
        loaded.unreadable[head.id] = "damaged";
        continue;
      }
      auto saga = std::make_shared<saga::v1::Saga>();
      saga->set_saga_id(head.id);
      saga->set_version(it->second.version);
      saga->set_state(static_cast<saga::v1::Saga::State>(it->second.state));
      saga->set_key(std::string(ballast_, 'x'));
      loaded.sagas[head.id] = saga;
    }
    return loaded;
  }

  std::size_t ballast_ = 0;

 private:
  std::map<std::string, SagaHead> heads_;
  std::set<std::string> unreadable_;
  std::string cut_at_;
};

// One look: "id version", in the order in which they are told, and then how it ends.
std::vector<std::string> Look(Watched& watched, const Rows& rows) {
  std::vector<SagaHead> listed;
  if (watched.filter() != nullptr) listed = rows.Listed(*watched.filter());
  const Telling telling = watched.Hear(rows.Load(watched.Wanted(listed)));
  std::vector<std::string> told;
  for (const SharedSaga& saga : telling.sagas) told.push_back(absl::StrCat(saga->saga_id(), " ", saga->version()));
  if (telling.end.has_value()) told.push_back(telling.end->ok() ? "end" : GetErrorInfo(*telling.end).reason);
  return told;
}

TEST(WatchedSagaTest, EachVersionIsToldOnceAndTheLastEndsIt) {
  Rows rows;
  rows.Put("a", 3);
  WatchedSaga watched("a", 0);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 3"));
  EXPECT_THAT(Look(watched, rows), IsEmpty());
  rows.Put("a", 7);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 7"));
  rows.Put("a", 9, kCompleted);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 9", "end"));
}

TEST(WatchedSagaTest, WhatWasSeenIsNotToldAgainButThatItHasEndedIs) {
  Rows rows;
  rows.Put("a", 3);
  WatchedSaga watched("a", 3);
  EXPECT_THAT(Look(watched, rows), IsEmpty());
  rows.Put("a", 4, kParked);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 4"));
  rows.Put("b", 5, kCompleted);
  WatchedSaga ended("b", 5);
  EXPECT_THAT(Look(ended, rows), ElementsAre("b 5", "end"));
}

TEST(WatchedSagaTest, WhatIsNotThereOrUnreadableEndsIt) {
  Rows rows;
  WatchedSaga absent("a", 0);
  EXPECT_THAT(Look(absent, rows), ElementsAre("SAGA_NOT_FOUND"));
  rows.Put("b", 1);
  rows.Damage("b");
  WatchedSaga damaged("b", 0);
  EXPECT_THAT(Look(damaged, rows), ElementsAre("SAGA_UNREADABLE"));
}

TEST(WatchedSagaTest, OneThatWasNotLookedAtIsNotCalledAbsent) {
  Rows rows;
  rows.Put("b", 1);
  rows.CutAt("a");
  WatchedSaga watched("b", 0);
  EXPECT_THAT(Look(watched, rows), IsEmpty());
  rows.CutAt("b");
  EXPECT_THAT(Look(watched, rows), ElementsAre("b 1"));
}

TEST(WatchedListTest, ItBeginsWithWhatHasNotEnded) {
  Rows rows;
  rows.Put("a", 1);
  rows.Put("b", 5, kCompleted);
  rows.Put("c", 2, kParked);
  WatchedList watched({});
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 1", "c 2"));
  EXPECT_THAT(Look(watched, rows), IsEmpty());
  rows.Put("a", 6, kCompleted);
  rows.Put("d", 3, kCompleted);  // it came and ended between two looks
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 6", "d 3"));
  EXPECT_THAT(Look(watched, rows), IsEmpty());
}

TEST(WatchedListTest, WhatNoLongerFitsIsToldOnceMore) {
  Rows rows;
  rows.Put("a", 2, kParked);
  rows.Put("b", 2);
  WatchedList watched({.state = kParked});
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 2"));
  rows.Put("a", 3, SagaState::kCompensating);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 3"));
  rows.Put("a", 4, SagaState::kAborted);
  EXPECT_THAT(Look(watched, rows), IsEmpty());
  rows.Put("b", 3, kParked);
  EXPECT_THAT(Look(watched, rows), ElementsAre("b 3"));
}

TEST(WatchedListTest, WhatWasToldIsFollowedWhenNewerOnesPushItOut) {
  Rows rows;
  rows.Put("a-0", 1);
  rows.Put("a-1", 1, kCompleted);
  WatchedList watched({});
  EXPECT_THAT(Look(watched, rows), ElementsAre("a-0 1"));
  for (int i = 0; i < WatchedList::kListMax; ++i) rows.Put(absl::StrFormat("b-%03d", i), 1, kCompleted);
  EXPECT_EQ(Look(watched, rows).size(), static_cast<std::size_t>(WatchedList::kListMax));
  rows.Put("a-0", 2, kParked);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a-0 2"));
  rows.Put("a-0", 3, kCompleted);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a-0 3"));
  rows.Put("a-0", 4, kCompleted);
  EXPECT_THAT(Look(watched, rows), IsEmpty());
}

// Else a watcher would come to know every saga there ever was.
TEST(WatchedListTest, OnlySoManyAreFollowed) {
  Rows rows;
  WatchedList watched({});
  Look(watched, rows);
  for (int i = 0; i < 3 * WatchedList::kListMax; ++i) {
    rows.Put(absl::StrFormat("a-%04d", i), 1);
    if (i % WatchedList::kListMax == WatchedList::kListMax - 1) Look(watched, rows);
  }
  EXPECT_EQ(watched.Wanted(rows.Listed(*watched.filter())).size(), static_cast<std::size_t>(WatchedList::kListMax));
  rows.Put("a-0499", 2);  // followed no more
  rows.Put("a-0500", 2);
  EXPECT_THAT(Look(watched, rows), ElementsAre("a-0500 2"));
}

TEST(WatchedListTest, AMessageIsBoundedAndTheRestComesNext) {
  Rows rows;
  rows.ballast_ = WatchedList::kMessageBytesMax / 2;
  for (const char* id : {"a", "b", "c"}) rows.Put(id, 1);
  WatchedList watched({});
  EXPECT_THAT(Look(watched, rows), ElementsAre("a 1"));
  EXPECT_THAT(Look(watched, rows), ElementsAre("b 1"));
  rows.ballast_ = 2 * WatchedList::kMessageBytesMax;  // one alone may be larger
  EXPECT_THAT(Look(watched, rows), ElementsAre("c 1"));
}

TEST(WatchedListTest, AnUnreadableSagaIsLeftAloneAndTheOthersAreTold) {
  Rows rows;
  rows.Put("a", 1);
  rows.Put("b", 1);
  rows.Damage("a");
  WatchedList watched({});
  EXPECT_THAT(Look(watched, rows), ElementsAre("b 1"));
  rows.Put("a", 2);
  EXPECT_THAT(watched.Wanted(rows.Listed(*watched.filter())), IsEmpty());
}

}  // namespace
}  // namespace unwind
