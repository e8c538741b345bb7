// The sagas that one shard has in memory: when they are due, who waits for them, how many are in flight, and how much
// memory they take.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_LIVE_SAGAS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_LIVE_SAGAS_H_

#include <optional>
#include <set>
#include <unordered_map>

#include "orchestrator/engine/admission.h"
#include "orchestrator/engine/mailbox.h"
#include "orchestrator/engine/memory_budget.h"

namespace unwind {

struct LiveSaga {
  Saga saga;  // as it was last decided
  // Of `saga` only what HeadOf keeps is in memory, and it is what is stored: its row is loaded before anything is
  // decided on it.
  bool shed = false;
  MemoryHold payload;  // of the rest
  std::shared_ptr<const Definition> definition;
  std::vector<Waiter> waiters;
  absl::Time timer_at = absl::InfiniteFuture();
  bool stale = false;           // `saga` is not what is stored: nothing is decided on it until it was loaded again
  bool owned_by_other = false;  // only watched, for its waiters; stale as well
  absl::Duration watch_pause;
  bool counted = false;  // as in flight
  bool stuck = false;    // likewise
  bool has_stuck_place = false;
  std::optional<absl::Time> waits;  // as it is counted; WaitsSince
  bool awaits = false;              // a call; of one that is shed
};

// Has at most one timer entry for each saga and one deadline entry for each time at which a waiter of it is answered.
// Not thread-safe.
class LiveSagas {
 public:
  // The counted ones have a place of `admission`, and all hold their payloads of `memory`; both must outlive it.
  LiveSagas(Admission& admission, MemoryBudget& memory) : admission_(admission), memory_(memory) {}

  LiveSaga* Find(const std::string& saga_id);  // null: it is not in memory
  LiveSaga& Insert(Saga saga, std::shared_ptr<const Definition> definition);
  // Forgets it. Its waiters.
  std::vector<Waiter> Remove(LiveSaga& live);
  std::vector<Waiter> TakeWaiters(LiveSaga& live);
  void AddWaiter(LiveSaga& live, Waiter waiter);
  void ForgetWhoLeft(LiveSaga& live);
  void Count(LiveSaga& live, bool counts);
  // It is driven here no more: neither in flight nor stuck nor waiting.
  void Uncount(LiveSaga& live);

  // Takes the size of a saga's payload anew; drops it if all payloads together are over their budget: whether it was.
  // REQUIRES: `saga` is what is stored, or stale.
  bool Weigh(LiveSaga& live);
  void Shed(LiveSaga& live);
  // Its payload is `stored` from now on.
  void Fill(LiveSaga& live, Saga stored);

  // Sets the one timer of a saga; infinite: none.
  void SetTimer(LiveSaga& live, absl::Time at);
  // Sets it to when its row is due, and counts it: as in flight unless it only waits, for an operator or a
  // participant's repair, which takes no room from new sagas (S7) unless very many do, or rests and has no waiters but
  // such as have left, which are forgotten; and as stuck or waiting if a step of it is.
  void Schedule(LiveSaga& live);
  // Whether nothing is outstanding, due or waited for, but by its row (Saga::due_at): it need not be in memory.
  // REQUIRES: `saga` is what is stored, or stale.
  static bool IsIdle(const LiveSaga& live, absl::Time now);

  // Takes the timer of one saga that is due; null: none is.
  LiveSaga* TakeDue(absl::Time now);
  // Takes the waiters whose time is up of one saga; null: there are none.
  LiveSaga* TakeExpired(absl::Time now, std::vector<Waiter>& expired);

  absl::Time NextTimer() const { return timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first; }
  absl::Time NextDeadline() const {
    return waiter_deadlines_.empty() ? absl::InfiniteFuture() : waiter_deadlines_.begin()->first;
  }

 private:
  void CountStuck(LiveSaga& live, bool stuck);
  void CountWaiting(LiveSaga& live, std::optional<absl::Time> waits);
  void WantStuckPlace(LiveSaga& live, bool wants);

  Admission& admission_;
  MemoryBudget& memory_;
  std::unordered_map<std::string, std::unique_ptr<LiveSaga>> sagas_;
  std::set<std::pair<absl::Time, std::string>> timers_;            // (a Ticked is due, saga id)
  std::set<std::pair<absl::Time, std::string>> waiter_deadlines_;  // (a waiter's answer_by, saga id)
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_LIVE_SAGAS_H_
