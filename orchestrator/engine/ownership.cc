#include "orchestrator/engine/ownership.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/engine/key_lookup.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/shard.h"

namespace unwind {
namespace {

constexpr absl::Duration kWatchPauseMin = absl::Milliseconds(50);  // doubles with each look
constexpr absl::Duration kWatchPauseMax = absl::Seconds(1);
constexpr std::size_t kWaitersPerSagaMax = 1000;

bool MayBeAnswered(const DefinitionCatalog& catalog, const Saga& saga) {
  const std::shared_ptr<const Definition> definition = catalog.Of(saga);
  return definition != nullptr && MayBeAnswered(definition->plan(), saga);
}

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
  std::shared_ptr<const Definition> definition = context_.catalog.ToDrive(saga);
  if (definition == nullptr) {
    if (saga.owner == context_.lease.instance) context_.undrivable.Report(saga, context_.catalog.WhyNotDriven(saga));
    return nullptr;
  }
  return &live_.Insert(std::move(saga), std::move(definition));
}

bool Ownership::WaitsForItsTurn(const RecoverMail& mail) {
  const bool starts = mail.due == DueFor::kStart;
  if (mail.due.has_value()) --(starts ? context_.followers_posted : context_.wakes_posted);
  if (starts && !context_.pauses.Check(mail.saga.definition).ok()) return true;  // paused since it was found
  const bool has_come = mail.due.has_value() || mail.saga.due_at == absl::InfiniteFuture();
  return !has_come && mail.asks.empty() && live_.Find(mail.saga.id) == nullptr;
}

LiveSaga* Ownership::Recover(Saga stored) {
  if (StandsStill(stored)) return nullptr;
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
    live_.Fill(*live, std::move(stored));
    live->stale = live->owned_by_other = false;
  }
  live_.Count(*live, true);
  const bool was_driven = live->saga.due_at == absl::InfiniteFuture();
  if (was_driven) context_.observer.OnRecovered(live->definition->plan(), live->saga);
  return live;
}

void Ownership::MarkStale(LiveSaga& live) {
  live.stale = true;
  live_.Shed(live);
  live_.SetTimer(live, absl::InfiniteFuture());
}

void Ownership::Reload(LiveSaga& live) {
  MarkStale(live);
  wanted_[live.saga.id];
}

void Ownership::Attach(AttachMail mail) {
  const std::function<void(Progress)>& answered = mail.waiter.answered;
  LiveSaga* const live = live_.Find(mail.saga_id);
  const bool wants_row = live == nullptr || (live->shed && !live->stale) || IsToldForNow(*live);
  std::size_t waiting = live == nullptr ? 0 : live->waiters.size();
  if (wants_row) waiting += wanted_[mail.saga_id].waiters.size();
  if (waiting >= kWaitersPerSagaMax) return answered({.status = TooManyWait(), .saga = {}});
  if (wants_row) return wanted_[mail.saga_id].waiters.push_back(std::move(mail.waiter));
  if (mail.waiter.accepted) mail.waiter.accepted(mail.saga_id);
  const bool is_stored = !live->stale && !pending_.Has(mail.saga_id);
  if (is_stored && MayBeAnswered(live->definition->plan(), live->saga)) {
    return answered({.status = absl::OkStatus(), .saga = live->saga});
  }
  live_.AddWaiter(*live, std::move(mail.waiter));
}

// A saga that waits may have been another instance's for minutes, and gone back there, before its copy here meets a
// conflict: so what its callers are told for now is what is stored.
bool Ownership::IsToldForNow(const LiveSaga& live) const {
  return !live.stale && !pending_.Has(live.saga.id) && IsAnsweredEarly(live.definition->plan(), live.saga);
}

void Ownership::KeyTaken(LiveSaga& live) {
  const Saga mine = live.saga;
  for (Waiter& waiter : live_.Remove(live)) {
    context_.key_lookup->Find({.definition = mine.definition,
                               .key_scope = mine.key_scope,
                               .key = mine.key,
                               .input_hash = mine.input_hash,
                               .waiter = std::move(waiter),
                               .if_none = MovedMeanwhile()});
  }
}

void Ownership::Quarantine(LiveSaga& live, const Landed& refused) {
  const std::string saga_id = live.saga.id;
  const bool is_stored = refused.write.seen_version != 0;
  const absl::Status told = is_stored ? Quarantined(saga_id) : NotStored(saga_id);
  if (is_stored) {
    Log(Severity::kError,
        "the store refuses what was decided for a saga, which stands still: mend the cause, then a"
        " restart moves it, or CancelSaga, which also moves one that cannot be turned back",
        {{"saga_id", saga_id}, {"error", refused.result.status().message()}});
    context_.quarantine.Add(live.saga, refused.write.seen_version);
    context_.observer.OnQuarantined(live.saga);
  } else {
    Log(Severity::kError, "the store refuses a new saga",
        {{"saga_id", saga_id}, {"error", refused.result.status().message()}});
  }
  for (const AskMail& ask : refused.write.asks) ask.waiter.answered({.status = told, .saga = {}});
  for (const Waiter& waiter : live_.Remove(live)) waiter.answered({.status = told, .saga = {}});
}

LoadedSagas Ownership::Load(absl::Time now) {
  LoadedSagas loaded;
  if (wanted_.empty()) return loaded;
  std::vector<std::string> ids;
  for (const auto& [saga_id, wanted] : wanted_) ids.push_back(saga_id);
  absl::StatusOr<SagaPage> page = context_.store.LoadMany(ids);
  if (!page.ok()) {
    Log(Severity::kError, "sagas could not be loaded", {{"error", page.status().message()}});
    pending_.StoreFailed();
    return loaded;
  }
  context_.unreadable.Report(page->unreadable);
  std::map<std::string, absl::StatusOr<Saga>> rows;
  for (Saga& saga : page->sagas) rows.emplace(saga.id, std::move(saga));
  for (const UnreadableSaga& row : page->unreadable) rows.emplace(row.id, absl::DataLossError(row.why));
  std::map<std::string, Wanted> answered = std::exchange(wanted_, {});
  if (page->is_cut) {
    for (auto left = answered.upper_bound(page->last_id); left != answered.end();) {
      wanted_.insert(answered.extract(left++));
    }
  }
  for (auto& [saga_id, wanted] : answered) {
    const auto row = rows.find(saga_id);
    absl::StatusOr<Saga> stored = absl::NotFoundError("there is no such saga");
    if (row != rows.end()) stored = std::move(row->second);
    LiveSaga* const live = live_.Find(saga_id);
    if (live != nullptr && live->shed && !live->stale && Refill(*live, wanted, stored)) {
      loaded.refilled.push_back({saga_id, std::move(wanted.events), std::move(wanted.asks)});
    } else if (auto recover = Use(saga_id, std::move(wanted), std::move(stored), now)) {
      loaded.recovered.push_back(*std::move(recover));
    }
  }
  return loaded;
}

// Brings back what was shed, unless the saga moved meanwhile: then the copy is stale, and so are its events.
bool Ownership::Refill(LiveSaga& live, Wanted& wanted, absl::StatusOr<Saga>& stored) {
  const bool has_moved =
      !stored.ok() || stored->version != live.saga.version || stored->owner != context_.lease.instance;
  if (has_moved) {
    live.stale = true;
    live_.SetTimer(live, absl::InfiniteFuture());
    return false;
  }
  live_.Fill(live, *std::move(stored));
  const bool is_answered = MayBeAnswered(live.definition->plan(), live.saga);
  for (Waiter& waiter : wanted.waiters) {
    if (waiter.accepted) waiter.accepted(live.saga.id);
    if (is_answered) {
      waiter.answered({.status = absl::OkStatus(), .saga = live.saga});
    } else {
      live_.AddWaiter(live, std::move(waiter));
    }
  }
  return true;
}

std::optional<RecoverMail> Ownership::Use(const std::string& saga_id, Wanted wanted, absl::StatusOr<Saga> stored,
                                          absl::Time now) {
  RecoverMail recover;
  AnswerAsks(wanted, stored, recover);
  const bool stands_still = stored.ok() && StandsStill(*stored);
  const bool is_running = stored.ok() && !stands_still && !IsTerminal(stored->state);
  const bool is_answered = is_running && MayBeAnswered(context_.catalog, *stored);
  const bool is_own = stored.ok() && stored->owner == context_.lease.instance;
  const Progress told = {.status = stands_still ? Quarantined(saga_id) : LoadFailure(stored.status(), saga_id),
                         .saga = stored.ok() ? *stored : Saga(),
                         .undriven = is_running && is_own && context_.catalog.ToDrive(*stored) == nullptr};
  if (stored.ok()) {
    for (const Waiter& waiter : wanted.waiters) {
      if (waiter.accepted) waiter.accepted(saga_id);
    }
  }
  LiveSaga* live = live_.Find(saga_id);
  const bool has_moved =
      stored.ok() && live != nullptr && !live->stale && !pending_.Has(saga_id) && stored->version > live->saga.version;
  if (has_moved) MarkStale(*live);
  if (live == nullptr && is_running && !is_answered && !wanted.waiters.empty()) {
    live = Insert(*stored);
    if (live != nullptr) live->stale = true;
  }
  for (Waiter& waiter : wanted.waiters) {
    live == nullptr || is_answered ? waiter.answered(told) : live_.AddWaiter(*live, std::move(waiter));
  }
  if (live != nullptr && live->stale && is_answered) {
    for (const Waiter& waiter : live_.TakeWaiters(*live)) waiter.answered(told);
  }
  // Also one that was taken just now, for asks that then came too late.
  if (is_running && is_own) {
    recover.saga = *std::move(stored);
    return recover;
  }
  if (live == nullptr || !live->stale) return std::nullopt;
  if (is_running && !live->waiters.empty()) {
    Watch(*live, *std::move(stored), now);
    return std::nullopt;
  }
  for (const Waiter& waiter : live_.Remove(*live)) waiter.answered(told);
  return std::nullopt;
}

// OK: the saga is this instance's own and moves, and its step takes the nudge.
absl::Status Ownership::WhyNotNudged(const absl::StatusOr<Saga>& stored, const AskMail& nudge) {
  if (!stored.ok()) return LoadFailure(stored.status(), nudge.saga_id);
  const std::shared_ptr<const Definition> definition = context_.catalog.ToDrive(*stored);
  const bool is_over = IsTerminal(stored->state);
  if (!is_over && stored->owner != context_.lease.instance) return DrivenElsewhere(*stored);
  if (!is_over && definition == nullptr) return NotDriven(context_.catalog, *stored);
  if (StandsStill(*stored)) return Quarantined(nudge.saga_id);
  return AskRefusal(definition == nullptr ? Plan() : definition->plan(), *stored, nudge.event);
}

// All but those that are put to the saga.
void Ownership::AnswerNudges(std::vector<AskMail>& asks, const absl::StatusOr<Saga>& stored) {
  std::erase_if(asks, [&](AskMail& ask) {
    if (!IsNudge(ask)) return false;
    absl::Status refusal = WhyNotNudged(stored, ask);
    if (refusal.ok()) return false;
    ask.waiter.answered({.status = std::move(refusal), .saga = {}});
    return true;
  });
}

// Takes an unfinished saga for the asks that are for its version, which then are `recover`'s; answers all others. It
// may move while it is taken.
void Ownership::AnswerAsks(Wanted& wanted, absl::StatusOr<Saga>& stored, RecoverMail& recover) {
  AnswerNudges(wanted.asks, stored);
  if (wanted.asks.empty()) return;
  const auto is_for_it = [&stored](const AskMail& ask) {
    return ask.seen_version == 0 || ask.seen_version == stored->version;
  };
  absl::Status status = LoadFailure(stored.status(), wanted.asks[0].saga_id);
  if (stored.ok() && !IsTerminal(stored->state) && std::any_of(wanted.asks.begin(), wanted.asks.end(), is_for_it)) {
    absl::StatusOr<Saga> taken = Take(*stored);
    status = taken.status();
    if (taken.ok()) stored = std::move(taken);
  }
  for (AskMail& ask : wanted.asks) {
    const bool is_finished = status.ok() && IsTerminal(stored->state);
    if (!status.ok() || is_finished) {
      ask.waiter.answered({.status = status, .saga = is_finished ? *stored : Saga()});
    } else if (!is_for_it(ask)) {
      ask.waiter.answered({.status = MovedMeanwhile(), .saga = {}});
    } else {
      recover.asks.push_back(std::move(ask));
    }
  }
}

absl::StatusOr<Saga> Ownership::Take(const Saga& stored) {
  if (context_.catalog.ToDrive(stored) == nullptr) return NotDriven(context_.catalog, stored);
  context_.quarantine.End(stored.id);
  if (stored.owner == context_.lease.instance) return stored;
  if (pending_.StoreIsDown(context_.clock.Now())) return StoreSilent();
  absl::StatusOr<Saga> taken = context_.store.Take(context_.lease, stored.id);
  if (taken.ok()) return taken;
  if (absl::IsNotFound(taken.status())) return MovedMeanwhile();
  context_.owns_unknown = true;
  pending_.StoreFailed();
  return LoadFailure(taken.status(), stored.id);
}

// Its owner finishes it, or loses it: its waiters are told from what is stored.
void Ownership::Watch(LiveSaga& live, Saga stored, absl::Time now) {
  live_.Fill(live, std::move(stored));
  live_.Shed(live);
  live.stale = live.owned_by_other = true;
  live_.Uncount(live);
  live.watch_pause = std::clamp(live.watch_pause * 2, kWatchPauseMin, kWatchPauseMax);
  live_.SetTimer(live, now + live.watch_pause);
}

}  // namespace unwind
