#include "orchestrator/api/watched.h"

#include <algorithm>
#include <limits>

#include "orchestrator/api/store_errors.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

bool HasEnded(const saga::v1::Saga& saga) { return IsTerminal(static_cast<SagaState>(saga.state())); }

}  // namespace

std::vector<SagaHead> WatchedSaga::Wanted(const std::vector<SagaHead>&) {
  // At first whatever its version: that there is none, and that it has ended, is told too.
  return {{.id = id_, .version = found_ ? told_ : 0}};
}

Telling WatchedSaga::Hear(const Loaded& loaded) {
  if (const auto bad = loaded.unreadable.find(id_); bad != loaded.unreadable.end()) {
    return {.sagas = {}, .end = ToCaller(absl::DataLossError(bad->second), ById(id_))};
  }
  const auto it = loaded.sagas.find(id_);
  if (it == loaded.sagas.end()) {
    const bool was_looked_at = !loaded.last_id.has_value() || id_ <= *loaded.last_id;
    if (found_ || !was_looked_at) return {};
    return {.sagas = {}, .end = ToCaller(absl::NotFoundError("there is none"), ById(id_))};
  }
  found_ = true;
  if (HasEnded(*it->second)) return {.sagas = {it->second}, .end = absl::OkStatus()};
  if (it->second->version() <= told_) return {};
  told_ = it->second->version();
  return {.sagas = {it->second}, .end = std::nullopt};
}

std::vector<SagaHead> WatchedList::Wanted(const std::vector<SagaHead>& listed) {
  std::map<std::string, Known> known;
  std::vector<SagaHead> wanted;
  for (const SagaHead& head : listed) {
    const auto before = known_.find(head.id);
    Known now;
    if (before != known_.end()) {
      now = before->second;
      known_.erase(before);
    } else if (!begun_ && IsTerminal(head.state)) {
      now.version = head.version;  // it had ended before anybody watched
    }
    if (now.version < head.version) wanted.push_back({.id = head.id, .version = now.version});
    known.emplace(head.id, now);
  }
  // Those that have left the list, the newest first.
  int followed = 0;
  for (auto left = known_.rbegin(); left != known_.rend() && followed < kListMax; ++left) {
    if (!left->second.followed) continue;
    wanted.push_back({.id = left->first, .version = left->second.version});
    known.insert(*left);
    ++followed;
  }
  known_ = std::move(known);
  begun_ = true;
  return wanted;
}

Telling WatchedList::Hear(const Loaded& loaded) {
  Telling telling;
  std::size_t bytes = 0;
  for (auto& [id, known] : known_) {
    if (loaded.unreadable.count(id) > 0) known = {.version = std::numeric_limits<std::int64_t>::max()};  // left alone
    const auto it = loaded.sagas.find(id);
    if (it == loaded.sagas.end() || it->second->version() <= known.version) continue;
    const saga::v1::Saga& saga = *it->second;
    const bool fits = !filter_.state.has_value() || saga.state() == static_cast<int>(*filter_.state);
    if (fits || known.followed) {
      bytes += saga.ByteSizeLong();
      if (bytes > kMessageBytesMax && !telling.sagas.empty()) break;  // the next time
      telling.sagas.push_back(it->second);
    }
    known = {.version = saga.version(), .followed = fits && !HasEnded(saga)};
  }
  return telling;
}

}  // namespace unwind
