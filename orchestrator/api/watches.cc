#include "orchestrator/api/watches.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

constexpr absl::Duration kPauseMin = absl::Milliseconds(100), kPauseMax = absl::Seconds(1);
constexpr absl::Duration kReadMax = absl::Seconds(1);  // for a reader to take what is under way, when its stream ends
constexpr std::size_t kListsMax = 16;  // different filters that are watched at a time: each costs a query a turn
constexpr absl::Duration kRetryBusyAfter = absl::Milliseconds(100);

// Filters with the same key have the same list.
std::pair<std::string, int> KeyOf(const SagaFilter& filter) {
  return {filter.definition, filter.state.has_value() ? static_cast<int>(*filter.state) : 0};
}

absl::Status Ended(absl::string_view why) {
  return WithRetryAfter(
      MakeError(absl::StatusCode::kUnavailable, absl::StrCat(why, "; watch again from the version that was seen last"),
                {"WATCH_ENDED", kSagaDomain, {}}),
      kRetryBusyAfter);
}

absl::Status TooMany(absl::string_view what) {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, what, {"OVERLOADED", kSagaDomain, {}}),
                        kRetryBusyAfter);
}

}  // namespace

Watches::Watches(SagaStore& store, Show show, const WatchesOptions& options)
    : store_(store), show_(std::move(show)), options_(options), thread_([this] { Run(); }) {}

Watches::~Watches() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

absl::Status Watches::Add(std::shared_ptr<WatchSink> sink, std::unique_ptr<Watched> watched) {
  auto watcher = std::make_shared<Watcher>();
  watcher->sink = std::move(sink);
  watcher->watched = std::move(watched);
  watcher->ends_at = SteadyNow() + options_.age_max;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return Ended("this instance stops");
    if (watchers_.size() >= options_.watchers_max) return TooMany("too many watch; see --watchers_max");
    std::set<std::pair<std::string, int>> lists;
    for (const auto& each : watchers_) {
      if (each->watched->filter() != nullptr) lists.insert(KeyOf(*each->watched->filter()));
    }
    if (watcher->watched->filter() != nullptr) lists.insert(KeyOf(*watcher->watched->filter()));
    if (lists.size() > kListsMax) return TooMany("too many different filters are watched");
    watchers_.push_back(std::move(watcher));
    has_new_ = true;
  }
  wake_.notify_one();
  return absl::OkStatus();
}

void Watches::Remove(const WatchSink* sink) {
  {
    std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [sink](const auto& watcher) { return watcher->sink.get() == sink; });
  }
  gone_.notify_all();
}

void Watches::EndAll() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    watchers = watchers_;
  }
  for (const auto& watcher : watchers) watcher->sink->End(Ended("this instance stops"));
  {
    std::unique_lock lock(mutex_);
    gone_.wait_for(lock, absl::ToChronoMicroseconds(kReadMax), [this] { return watchers_.empty(); });
    watchers = watchers_;
  }
  for (const auto& watcher : watchers) watcher->sink->Cut();
}

void Watches::Run() {
  absl::Duration pause = kPauseMin;
  bool answers = true;  // the store did the last time
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto is_called = [this] { return stopping_ || has_new_; };
      if (watchers_.empty()) {
        wake_.wait(lock, is_called);
      } else {
        wake_.wait_for(lock, absl::ToChronoMicroseconds(pause), is_called);
      }
      if (stopping_) return;
      has_new_ = false;
    }
    const absl::StatusOr<bool> told = Turn();
    if (!told.ok() && answers) {
      Log(Severity::kWarning, "watchers wait for the store", {{"error", told.status().message()}});
    }
    answers = told.ok();
    pause = told.ok() && *told ? kPauseMin : std::min(2 * pause, kPauseMax);
  }
}

absl::StatusOr<bool> Watches::Turn() {
  const std::vector<std::shared_ptr<Watcher>> watchers = Ready();
  ASSIGN_OR_RETURN(const Loaded loaded, Load(watchers));
  bool told = false;
  for (const auto& watcher : watchers) {
    Telling telling = watcher->watched->Hear(loaded);
    if (!telling.sagas.empty()) watcher->sink->Tell(telling.sagas);
    if (telling.end.has_value()) watcher->sink->End(*std::move(telling.end));
    told = told || !telling.sagas.empty();
  }
  return told;
}

// A reader that is slow is passed over: what it is told next is then as new as what the others are told.
std::vector<std::shared_ptr<Watches::Watcher>> Watches::Ready() {
  std::vector<std::shared_ptr<Watcher>> ready;
  {
    std::lock_guard lock(mutex_);
    ready = watchers_;
  }
  const absl::Time now = SteadyNow();
  std::erase_if(ready, [now](const auto& watcher) {
    if (watcher->ends_at <= now) watcher->sink->End(Ended("the stream has lasted as long as one may"));
    if (watcher->ends_at + kReadMax <= now) watcher->sink->Cut();
    return !watcher->sink->IsReady();
  });
  return ready;
}

absl::StatusOr<Loaded> Watches::Load(const std::vector<std::shared_ptr<Watcher>>& watchers) {
  std::map<std::pair<std::string, int>, std::vector<SagaHead>> lists;
  std::map<std::string, std::int64_t> wanted;  // the oldest version that somebody has
  for (const auto& watcher : watchers) {
    std::vector<SagaHead> none;
    const SagaFilter* const filter = watcher->watched->filter();
    const std::vector<SagaHead>* listed = &none;
    if (filter != nullptr) {
      const auto [list, is_first] = lists.try_emplace(KeyOf(*filter));
      if (is_first) {
        ASSIGN_OR_RETURN(list->second, store_.ListHeads(*filter));
      }
      listed = &list->second;
    }
    for (const SagaHead& head : watcher->watched->Wanted(*listed)) {
      const auto [it, is_first] = wanted.emplace(head.id, head.version);
      if (!is_first) it->second = std::min(it->second, head.version);
    }
  }
  Loaded loaded;
  if (wanted.empty()) return loaded;
  std::vector<SagaHead> heads;
  for (const auto& [id, version] : wanted) heads.push_back({.id = id, .version = version});
  ASSIGN_OR_RETURN(const SagaPage page, store_.LoadNewer(heads));
  for (const Saga& saga : page.sagas) loaded.sagas[saga.id] = std::make_shared<const saga::v1::Saga>(show_(saga));
  for (const UnreadableSaga& each : page.unreadable) loaded.unreadable[each.id] = each.why;
  if (page.is_cut) loaded.last_id = page.last_id;
  return loaded;
}

}  // namespace unwind
