#include "orchestrator/engine/ownership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/shard.h"

namespace unwind {
namespace {

constexpr absl::Duration kWatchPauseMin = absl::Milliseconds(50);  // doubles with each look
constexpr absl::Duration kWatchPauseMax = absl::Seconds(1);

}  // namespace

void AttachToExisting(DriverContext& context, const Saga& existing, const std::string& input_hash, Waiter waiter) {
  if (existing.input_hash != input_hash) return waiter.answered({.status = KeyReused(), .saga = {}});
  if (!IsTerminal(existing.state)) {
    return context.shard_of(existing.id)
        .mailbox()
        .Post(AttachMail{.saga_id = existing.id, .waiter = std::move(waiter)});
  }
  if (waiter.accepted) waiter.accepted(existing.id);
  waiter.answered({.status = absl::OkStatus(), .saga = existing});
}

LiveSaga* Ownership::Insert(Saga saga) {
  std::shared_ptr<const Definition> definition = context_.catalog.Find(saga.definition, saga.definition_version);
  if (definition == nullptr) {
    Log(Severity::kError, "a stored saga's definition is unknown; it waits until the definition is given again",
        {{"saga_id", saga.id}, {"definition", saga.definition}, {"version", absl::StrCat(saga.definition_version)}});
    return nullptr;
  }
  return &live_.Insert(std::move(saga), std::move(definition));
}

LiveSaga* Ownership::Recover(Saga stored) {
  if (quarantined_.count(stored.id) != 0) return nullptr;
  LiveSaga* live = live_.Find(stored.id);
  if (live != nullptr && !live->stale) {
    // Driven already; or lost, moved by another and come back unnoticed. What is decided on such a copy will not be
    // stored, so that it is loaded again.
    const bool is_known = stored.version <= live->saga.version;
    if (is_known || pending_.Has(stored.id)) return nullptr;
  }
  if (live == nullptr) {
    live = Insert(std::move(stored));
    if (live == nullptr) return nullptr;
  } else {
    live->saga = std::move(stored);
    live->stale = live->owned_by_other = false;
  }
  live_.Count(*live, true);
  return live;
}

void Ownership::Reload(LiveSaga& live, absl::Time now) {
  live.stale = true;
  live_.SetTimer(live, absl::InfiniteFuture());
  const Saga& mine = live.saga;
  const absl::StatusOr<Saga> stored = live.key_taken
                                          ? context_.store.LoadByKey(mine.definition, mine.key_scope, mine.key)
                                          : context_.store.Load(mine.id);
  if (stored.ok() || !IsTransient(stored.status())) return UseStored(live, stored, now);
  pending_.StoreFailed();
  mailbox_.Post(ReloadMail{.saga_id = mine.id});
}

void Ownership::UseStored(LiveSaga& live, const absl::StatusOr<Saga>& stored, absl::Time now) {
  const bool is_same = stored.ok() && stored->id == live.saga.id;
  if (is_same && !IsTerminal(stored->state) && stored->owner == context_.lease.instance) {
    return mailbox_.Post(RecoverMail{.saga = *stored});
  }
  if (is_same && !IsTerminal(stored->state) && !live.waiters.empty()) return Watch(live, *stored, now);
  const std::string input_hash = live.saga.input_hash, saga_id = live.saga.id;
  for (Waiter& waiter : live_.Remove(live)) {
    if (stored.ok() && !is_same) {
      AttachToExisting(context_, *stored, input_hash, std::move(waiter));
    } else {
      waiter.answered({.status = LoadFailure(stored.status(), saga_id), .saga = stored.ok() ? *stored : Saga()});
    }
  }
}

// Its owner finishes it, or loses it: its waiters are told from what is stored.
void Ownership::Watch(LiveSaga& live, Saga stored, absl::Time now) {
  live.saga = std::move(stored);
  live.stale = live.owned_by_other = true;
  live_.Count(live, false);
  live.watch_pause = std::clamp(live.watch_pause * 2, kWatchPauseMin, kWatchPauseMax);
  live_.SetTimer(live, now + live.watch_pause);
}

void Ownership::Attach(AttachMail mail, absl::Time now) {
  if (LiveSaga* const live = live_.Find(mail.saga_id); live != nullptr) {
    if (mail.waiter.accepted) mail.waiter.accepted(mail.saga_id);
    return live_.AddWaiter(*live, std::move(mail.waiter));
  }
  if (quarantined_.count(mail.saga_id) != 0) {
    return mail.waiter.answered({.status = Quarantined(mail.saga_id), .saga = {}});
  }
  absl::StatusOr<Saga> stored = context_.store.Load(mail.saga_id);
  if (stored.ok() && mail.waiter.accepted) mail.waiter.accepted(mail.saga_id);
  if (stored.ok() && !IsTerminal(stored->state)) {
    if (LiveSaga* const live = Insert(*stored); live != nullptr) {
      live_.AddWaiter(*live, std::move(mail.waiter));
      return Watch(*live, *std::move(stored), now);
    }
  }
  const absl::Status status = LoadFailure(stored.status(), mail.saga_id);
  mail.waiter.answered({.status = status, .saga = stored.ok() ? *std::move(stored) : Saga()});
}

void Ownership::Quarantine(LiveSaga& live, const Landed& refused) {
  const std::string saga_id = live.saga.id;
  const bool is_stored = refused.write.seen_version != 0;
  const absl::Status told = is_stored ? Quarantined(saga_id) : LoadFailure(refused.result.status(), saga_id);
  if (is_stored) {
    Log(Severity::kError,
        "the store refuses what was decided for a saga, which stands still: mend the cause, then an"
        " operator's request (RetryStep, CancelSaga, ...) or a restart moves it",
        {{"saga_id", saga_id}, {"error", refused.result.status().message()}});
    quarantined_.insert(saga_id);
    context_.observer.OnQuarantined(live.saga);
  } else {
    Log(Severity::kError, "the store refuses a new saga",
        {{"saga_id", saga_id}, {"error", refused.result.status().message()}});
  }
  for (const AskMail& ask : refused.write.asks) ask.waiter.answered({.status = told, .saga = {}});
  for (const Waiter& waiter : live_.Remove(live)) waiter.answered({.status = told, .saga = {}});
}

absl::StatusOr<Saga> Ownership::Take(const std::string& saga_id) {
  absl::StatusOr<Saga> saga = context_.store.Load(saga_id);
  if (!saga.ok()) return LoadFailure(saga.status(), saga_id);
  if (IsTerminal(saga->state)) return saga;
  if (context_.catalog.Find(saga->definition, saga->definition_version) == nullptr) return NotHeld(*saga);
  saga = context_.store.Take(context_.lease, saga_id);
  if (saga.ok()) {
    quarantined_.erase(saga_id);
    return saga;
  }
  if (absl::IsNotFound(saga.status())) return MovedMeanwhile();
  context_.owns_unknown = true;
  return LoadFailure(saga.status(), saga_id);
}

}  // namespace unwind
