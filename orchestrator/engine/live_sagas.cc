#include "orchestrator/engine/live_sagas.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "orchestrator/core/reading.h"
#include "orchestrator/engine/saga_bytes.h"

namespace unwind {
namespace {

// What timers, counts, answers at a waiter's deadline and the next load need of a saga.
Saga HeadOf(const Saga& saga) {
  Saga head;
  head.id = saga.id;
  head.definition = saga.definition;
  head.definition_version = saga.definition_version;
  head.state = saga.state;
  head.version = saga.version;
  head.backward = saga.backward;
  head.due_at = saga.due_at;
  head.failure.reason = saga.failure.reason;
  return head;
}

}  // namespace

LiveSaga* LiveSagas::Find(const std::string& saga_id) {
  const auto it = sagas_.find(saga_id);
  return it == sagas_.end() ? nullptr : it->second.get();
}

LiveSaga& LiveSagas::Insert(Saga saga, std::shared_ptr<const Definition> definition) {
  std::unique_ptr<LiveSaga>& live = sagas_[saga.id];
  live = std::make_unique<LiveSaga>();
  live->payload = MemoryHold(memory_, BytesOf(saga));
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

bool LiveSagas::IsIdle(const LiveSaga& live, absl::Time now) {
  const bool rests = live.saga.due_at != absl::InfiniteFuture() && live.saga.due_at > now;
  return live.waiters.empty() && !live.stale && (rests || live.timer_at == absl::InfiniteFuture()) &&
         !(live.shed ? live.awaits : !Outstanding(live.saga).empty());
}

bool LiveSagas::Weigh(LiveSaga& live) {
  live.payload.Resize(BytesOf(live.saga));
  if (!memory_.is_over()) return false;
  Shed(live);
  return true;
}

void LiveSagas::Shed(LiveSaga& live) {
  if (live.shed) return;
  live.awaits = !Outstanding(live.saga).empty();
  Saga head = HeadOf(live.saga);
  std::swap(live.saga, head);  // a string that is assigned a short one keeps its memory
  live.payload.Resize(0);
  live.shed = true;
}

void LiveSagas::Fill(LiveSaga& live, Saga stored) {
  live.saga = std::move(stored);
  live.payload.Resize(BytesOf(live.saga));
  live.shed = false;
}

void LiveSagas::AddWaiter(LiveSaga& live, Waiter waiter) {
  if (waiter.answer_by != absl::InfiniteFuture()) waiter_deadlines_.insert({waiter.answer_by, live.saga.id});
  live.waiters.push_back(std::move(waiter));
}

void LiveSagas::ForgetWhoLeft(LiveSaga& live) {
  for (Waiter& waiter : TakeWaiters(live)) {
    if (!waiter.has_left()) AddWaiter(live, std::move(waiter));
  }
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

void LiveSagas::CountWaiting(LiveSaga& live, std::optional<absl::Time> waits) {
  if (live.waits == waits) return;
  admission_.CountWaiting(live.saga.definition, live.waits, waits);
  live.waits = waits;
}

void LiveSagas::WantStuckPlace(LiveSaga& live, bool wants) {
  if (live.has_stuck_place == wants) return;
  if (!wants) admission_.LeaveStuck(live.saga.definition);
  live.has_stuck_place = wants && admission_.TryEnterStuck(live.saga.definition);
}

void LiveSagas::Uncount(LiveSaga& live) {
  Count(live, false);
  CountStuck(live, false);
  CountWaiting(live, std::nullopt);
  WantStuckPlace(live, false);
}

void LiveSagas::SetTimer(LiveSaga& live, absl::Time at) {
  if (at == live.timer_at) return;
  timers_.erase({live.timer_at, live.saga.id});
  if (at != absl::InfiniteFuture()) timers_.insert({at, live.saga.id});
  live.timer_at = at;
}

void LiveSagas::Schedule(LiveSaga& live) {
  if (live.saga.due_at != absl::InfiniteFuture()) ForgetWhoLeft(live);
  const bool rests = live.saga.due_at != absl::InfiniteFuture() && live.waiters.empty();
  const bool counts = !rests && CountsAgainstAdmission(live.definition->plan(), live.saga);
  const bool stuck = HasStuckStep(live.definition->plan(), live.saga);
  CountStuck(live, stuck);
  CountWaiting(live, WaitsSince(live.definition->plan(), live.saga));
  WantStuckPlace(live, stuck && !counts);
  Count(live, counts || (stuck && !live.has_stuck_place));
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
