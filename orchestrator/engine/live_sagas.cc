#include "orchestrator/engine/live_sagas.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "orchestrator/core/reading.h"

namespace unwind {

LiveSaga* LiveSagas::Find(const std::string& saga_id) {
  const auto it = sagas_.find(saga_id);
  return it == sagas_.end() ? nullptr : it->second.get();
}

LiveSaga& LiveSagas::Insert(Saga saga, std::shared_ptr<const Definition> definition) {
  std::unique_ptr<LiveSaga>& live = sagas_[saga.id];
  live = std::make_unique<LiveSaga>();
  live->saga = std::move(saga);
  live->definition = std::move(definition);
  return *live;
}

std::vector<Waiter> LiveSagas::Remove(LiveSaga& live) {
  Uncount(live);
  SetTimer(live, absl::InfiniteFuture());
  std::vector<Waiter> waiters = TakeWaiters(live);
  sagas_.erase(sagas_.find(live.saga.id));
  return waiters;
}

std::vector<Waiter> LiveSagas::TakeWaiters(LiveSaga& live) {
  for (const Waiter& waiter : live.waiters) waiter_deadlines_.erase({waiter.answer_by, live.saga.id});
  return std::exchange(live.waiters, {});
}

bool LiveSagas::IsIdle(const LiveSaga& live) {
  return live.waiters.empty() && !live.stale && live.timer_at == absl::InfiniteFuture() &&
         Outstanding(live.saga).empty();
}

void LiveSagas::AddWaiter(LiveSaga& live, Waiter waiter) {
  if (waiter.answer_by != absl::InfiniteFuture()) waiter_deadlines_.insert({waiter.answer_by, live.saga.id});
  live.waiters.push_back(std::move(waiter));
}

void LiveSagas::Count(LiveSaga& live, bool counts) {
  if (live.counted == counts) return;
  live.counted = counts;
  counts ? admission_.Enter(live.saga.definition) : admission_.Leave(live.saga.definition);
}

void LiveSagas::CountStuck(LiveSaga& live, bool stuck) {
  if (live.stuck == stuck) return;
  live.stuck = stuck;
  admission_.CountStuck(live.saga.definition, stuck);
}

void LiveSagas::Uncount(LiveSaga& live) {
  Count(live, false);
  CountStuck(live, false);
}

void LiveSagas::SetTimer(LiveSaga& live, absl::Time at) {
  if (at == live.timer_at) return;
  timers_.erase({live.timer_at, live.saga.id});
  if (at != absl::InfiniteFuture()) timers_.insert({at, live.saga.id});
  live.timer_at = at;
}

void LiveSagas::Schedule(LiveSaga& live) {
  Count(live, CountsAgainstAdmission(live.definition->plan(), live.saga));
  CountStuck(live, HasStuckStep(live.definition->plan(), live.saga));
  SetTimer(live, NextRunAt(live.definition->plan(), live.saga));
}

LiveSaga* LiveSagas::TakeDue(absl::Time now) {
  if (NextTimer() > now) return nullptr;
  LiveSaga* const live = Find(timers_.begin()->second);
  SetTimer(*live, absl::InfiniteFuture());
  return live;
}

LiveSaga* LiveSagas::TakeExpired(absl::Time now, std::vector<Waiter>& expired) {
  if (NextDeadline() > now) return nullptr;
  LiveSaga* const live = Find(waiter_deadlines_.begin()->second);
  const auto stays = [now](const Waiter& waiter) { return waiter.answer_by > now; };
  const auto first = std::stable_partition(live->waiters.begin(), live->waiters.end(), stays);
  for (auto it = first; it != live->waiters.end(); ++it) waiter_deadlines_.erase({it->answer_by, live->saga.id});
  expired.assign(std::make_move_iterator(first), std::make_move_iterator(live->waiters.end()));
  live->waiters.erase(first, live->waiters.end());
  return live;
}

}  // namespace unwind
