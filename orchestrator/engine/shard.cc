#include "orchestrator/engine/shard.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/saga_call.h"

namespace unwind {
namespace {

constexpr int kAttemptsPerWarning = 20;
constexpr absl::Duration kWaitMax = absl::Seconds(1);
constexpr absl::Duration kWatchPauseMin = absl::Milliseconds(50);  // doubles with each look
constexpr absl::Duration kWatchPauseMax = absl::Seconds(1);

// `seen_version` as of AskMail.
bool IsAsSeen(const Saga& saga, std::int64_t seen_version) { return seen_version == 0 || seen_version == saga.version; }

// Which call a crash point is about, such as charge/resolve.
std::string CallOf(const Definition& definition, int step, Phase phase) {
  return absl::StrCat(definition.plan().steps[static_cast<std::size_t>(step)].name, "/", NameOf(phase));
}

// The same of an event; of one that is no reply, its name.
std::string CallOf(const Definition& definition, const Event& event) {
  const auto* const reply = std::get_if<Replied>(&event);
  return reply == nullptr ? NameOf(event) : CallOf(definition, reply->step, reply->phase);
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

Shard::Shard(std::shared_ptr<DriverContext> context, std::uint64_t seed)
    : shared_(std::move(context)),
      context_(*shared_),
      mailbox_(context_.options.batch_max),
      random_(seed),
      live_(context_.in_flight),
      pending_(context_, live_) {}
Shard::~Shard() = default;

absl::Time Shard::NextDue() const {
  const bool waits = !pending_.empty() || pending_.StoreIsDown(context_.clock.Now());
  return std::min(waits ? pending_.retry_at() : live_.NextTimer(), live_.NextDeadline());
}

bool Shard::WaitAndTurn() {
  const absl::Time now = context_.clock.Now();
  const absl::Duration wait = std::clamp(NextDue() - now, absl::ZeroDuration(), kWaitMax);
  if (!mailbox_.Wait(wait, !pending_.StoreIsDown(now))) return false;
  Turn();
  return true;
}

// While the store is unavailable no new work is accepted, but callers whose time is up are still answered.
void Shard::AnswerExpiredCallers() {
  for (const Mail& mail : mailbox_.TakeExpired(now_)) {
    if (std::holds_alternative<AcceptMail>(mail)) --context_.in_flight;
    WaiterOf(mail)->answered({.status = StoreSilent(), .saga = {}});
  }
  for (const AskMail& ask : pending_.TakeExpired(now_)) ask.waiter.answered({.status = StoreSilent(), .saga = {}});
}

bool Shard::Turn() {
  if (context_.lease_lost) return false;
  now_ = absl::FromUnixMicros(absl::ToUnixMicros(context_.clock.Now()));
  std::vector<Mail> mails;
  if (pending_.empty() && !pending_.StoreIsDown(now_)) {
    mails = mailbox_.Drain();
    for (Mail& mail : mails) {
      std::visit([this](auto& what) { Handle(std::move(what)); }, mail);
    }
    TickWhatIsDue();
  }
  const bool worked = !mails.empty() || !pending_.empty();
  if (!pending_.empty() && !pending_.StoreIsDown(now_)) {
    for (Landed& landed : pending_.Commit(now_)) Act(std::move(landed));
  }
  AnswerExpiredWaiters();
  if (!pending_.empty() || pending_.StoreIsDown(now_)) AnswerExpiredCallers();
  return worked;
}

// ---- decide

LiveSaga* Shard::Insert(Saga saga) {
  std::shared_ptr<const Definition> definition = context_.catalog.Find(saga.definition, saga.definition_version);
  if (definition == nullptr) {
    Log(Severity::kError, "a stored saga's definition is unknown; it waits until the definition is given again",
        {{"saga_id", saga.id}, {"definition", saga.definition}, {"version", absl::StrCat(saga.definition_version)}});
    return nullptr;
  }
  return &live_.Insert(std::move(saga), std::move(definition));
}

// Advances `live` and notes what is to be stored and sent. False: the event was stale.
bool Shard::Decide(LiveSaga& live, const Event& event) {
  const Moment moment{.now = now_, .jitter = std::generate_canonical<double, 53>(random_)};
  Decision decision = Advance(live.definition->plan(), live.saga, event, moment);
  if (const auto* reply = std::get_if<Replied>(&event)) {
    context_.observer.OnReplied(live.definition->plan(), *reply, decision.stale);
    if (!decision.stale) WarnOfLongRetries(live, *reply);
  }
  if (decision.stale) return false;
  for (std::size_t i = 0; i < decision.next.steps.size(); ++i) {
    if (decision.next.steps[i].parked && !live.saga.steps[i].parked) {
      context_.observer.OnParked(decision.next, live.definition->plan().steps[i].name);
      WarnOfParked(live, i, event);
    }
  }
  PendingWrite& pending = pending_.Of(live);
  pending.sends.insert(pending.sends.end(), decision.sends.begin(), decision.sends.end());
  live.saga = std::move(decision.next);
  pending.events.push_back({.seq = live.saga.version,
                            .moment = moment,
                            .event = event,
                            .state = live.saga.state,
                            .sends = std::move(decision.sends)});
  return true;
}

void Shard::WarnOfParked(const LiveSaga& live, std::size_t step, const Event& event) {
  const auto* const reply = std::get_if<Replied>(&event);
  Log(Severity::kWarning, "a step waits for a person: RetryStep, SkipStep or ResolveStep moves it",
      {{"saga_id", live.saga.id},
       {"step", live.definition->plan().steps[step].name},
       {"reason", reply == nullptr ? "SAGA_TOO_OLD" : reply->failure.reason},
       {"error", reply == nullptr ? "" : reply->failure.message}});
}

// A call that is repeated for ever must not be repeated in silence (S6, S7).
void Shard::WarnOfLongRetries(const LiveSaga& live, const Replied& reply) {
  if (reply.outcome == Outcome::kOk || reply.attempt % kAttemptsPerWarning != 0) return;
  Log(Severity::kWarning, "a call goes on failing and is repeated",
      {{"saga_id", live.saga.id},
       {"step", live.definition->plan().steps[static_cast<std::size_t>(reply.step)].name},
       {"phase", NameOf(reply.phase)},
       {"attempt", absl::StrCat(reply.attempt)},
       {"reason", reply.failure.reason},
       {"error", reply.failure.message}});
}

void Shard::Handle(AcceptMail mail) {
  NewSaga& fresh = mail.saga;
  if (mail.waiter.answer_by <= now_) {  // its caller is gone, and would not expect it to start now
    --context_.in_flight;
    return mail.waiter.answered({.status = StoreSilent(), .saga = {}});
  }
  Saga saga;
  saga.id = mail.saga_id;
  saga.definition = fresh.definition->plan().name;
  saga.definition_version = fresh.definition->plan().version;
  saga.key = std::move(fresh.key);
  saga.input = std::move(fresh.input);
  saga.input_hash = std::move(fresh.input_hash);
  saga.traceparent = std::move(fresh.traceparent);
  saga.owner = context_.lease.instance;
  saga.steps.resize(fresh.definition->plan().steps.size());
  LiveSaga* const live = Insert(std::move(saga));
  CHECK(live != nullptr);  // a served definition is in the catalog
  live->counted = true;    // since it was admitted
  live_.AddWaiter(*live, std::move(mail.waiter));
  Decide(*live, Started{});
  CRASH_POINT("orchestrator.after_accept", live->saga.definition);
}

void Shard::Handle(AttachMail mail) {
  if (LiveSaga* const live = live_.Find(mail.saga_id); live != nullptr) {
    if (mail.waiter.accepted) mail.waiter.accepted(mail.saga_id);
    return live_.AddWaiter(*live, std::move(mail.waiter));
  }
  absl::StatusOr<Saga> stored = context_.store.Load(mail.saga_id);
  if (stored.ok() && mail.waiter.accepted) mail.waiter.accepted(mail.saga_id);
  if (stored.ok() && !IsTerminal(stored->state)) {
    if (LiveSaga* const live = Insert(*stored); live != nullptr) {
      live_.AddWaiter(*live, std::move(mail.waiter));
      return Watch(*live, *std::move(stored));
    }
  }
  const absl::Status status = LoadFailure(stored.status(), mail.saga_id);
  mail.waiter.answered({.status = status, .saga = stored.ok() ? *std::move(stored) : Saga()});
}

void Shard::Handle(EventMail mail) {
  LiveSaga* const live = live_.Find(mail.saga_id);
  if (live == nullptr || live->stale) return;
  Decide(*live, mail.event);
  CRASH_POINT("orchestrator.before_commit", CallOf(*live->definition, mail.event));
}

void Shard::Handle(AskMail mail) {
  LiveSaga* live = live_.Find(mail.saga_id);
  if (live == nullptr || live->owned_by_other) {
    const absl::StatusOr<Saga> stored = context_.store.Load(mail.saga_id);
    if (!stored.ok()) return mail.waiter.answered({.status = LoadFailure(stored.status(), mail.saga_id), .saga = {}});
    if (IsTerminal(stored->state)) return mail.waiter.answered({.status = absl::OkStatus(), .saga = *stored});
    if (context_.catalog.Find(stored->definition, stored->definition_version) == nullptr) {
      return mail.waiter.answered({.status = NotHeld(*stored), .saga = {}});
    }
    const absl::StatusOr<LiveSaga*> taken = TakeFromOwner(mail.saga_id, mail.seen_version);
    if (!taken.ok()) return mail.waiter.answered({.status = taken.status(), .saga = {}});
    live = *taken;
  } else if (live->stale || !IsAsSeen(live->saga, mail.seen_version)) {
    return mail.waiter.answered({.status = MovedMeanwhile(), .saga = {}});
  }
  if (!Decide(*live, mail.event) && !pending_.Has(mail.saga_id)) {
    return mail.waiter.answered({.status = absl::OkStatus(), .saga = live->saga});
  }
  pending_.Of(*live).asks.push_back(std::move(mail));
}

// What a person asks of a saga is decided here, whoever drove it: its owner finds that the row is no longer its own.
absl::StatusOr<LiveSaga*> Shard::TakeFromOwner(const std::string& saga_id, std::int64_t seen_version) {
  absl::StatusOr<Saga> taken = context_.store.Take(context_.lease, saga_id);
  if (absl::IsNotFound(taken.status())) return MovedMeanwhile();
  if (!taken.ok()) {
    context_.owns_unknown = true;
    return LoadFailure(taken.status(), saga_id);
  }
  const bool as_seen = IsAsSeen(*taken, seen_version);
  Handle(RecoverMail{.saga = *std::move(taken)});
  if (!as_seen) return MovedMeanwhile();
  return live_.Find(saga_id);
}

void Shard::Handle(RecoverMail mail) {
  LiveSaga* live = live_.Find(mail.saga.id);
  if (live != nullptr && !live->stale) {
    // Taken up already; or lost, moved by another and come back unnoticed. What is decided on such a copy will not be
    // stored, so that it is loaded again.
    const bool is_known = mail.saga.version <= live->saga.version;
    if (is_known || pending_.Has(mail.saga.id)) return;
  }
  if (live == nullptr) {
    live = Insert(std::move(mail.saga));
    if (live == nullptr) return;
  } else {
    live->saga = std::move(mail.saga);
    live->stale = live->owned_by_other = false;
  }
  live_.Count(*live, true);
  if (!Decide(*live, TakenOver{})) live_.Schedule(*live);
}

void Shard::TickWhatIsDue() {
  for (std::size_t n = 0; n < context_.options.batch_max; ++n) {
    LiveSaga* const live = live_.TakeDue(now_);
    if (live == nullptr) return;
    if (live->owned_by_other) {
      Doubt(*live);
    } else if (!Decide(*live, Ticked{}) && !pending_.Has(live->saga.id)) {
      live_.Schedule(*live);
    }
  }
}

// ---- act

void Shard::Act(Landed landed) {
  LiveSaga& live = *live_.Find(landed.saga_id);
  PendingWrite& done = landed.write;
  if (landed.result != WriteResult::kStored) {
    live.key_taken = landed.result == WriteResult::kKeyExists;
    Doubt(live);
    for (AskMail& ask : done.asks) AskAgain(std::move(ask));
    return;
  }
  for (const HistoryEvent& event : done.events) {
    CRASH_POINT("orchestrator.after_commit", CallOf(*live.definition, event.event));
  }
  if (done.seen_version == 0) {
    CRASH_POINT("orchestrator.after_insert", live.saga.definition);
    context_.observer.OnStarted(live.saga);
    for (const Waiter& waiter : live.waiters) {
      if (waiter.accepted) waiter.accepted(landed.saga_id);
    }
  }
  // A send that a later event of the same turn has already abandoned is not sent at all.
  const std::vector<Send> outstanding = Outstanding(live.saga);
  for (const Send& send : done.sends) {
    if (std::find(outstanding.begin(), outstanding.end(), send) != outstanding.end()) Run(live, send);
  }
  for (const AskMail& ask : done.asks) ask.waiter.answered({.status = absl::OkStatus(), .saga = live.saga});
  if (IsTerminal(live.saga.state)) {
    CRASH_POINT("orchestrator.before_answer", NameOf(live.saga.state));
    return Finish(live);
  }
  live_.Schedule(live);
}

// What was decided on a copy that is not what is stored is put to the stored saga, whoever has it by now, unless it was
// meant for what the person saw.
void Shard::AskAgain(AskMail asker) {
  if (asker.seen_version != 0 || asker.waiter.answer_by <= now_) {
    return asker.waiter.answered({.status = MovedMeanwhile(), .saga = {}});
  }
  mailbox_.Post(std::move(asker));
}

void Shard::Run(const LiveSaga& live, const Send& send) {
  const std::string& saga_id = live.saga.id;
  absl::StatusOr<Call> call = MakeCall(*live.definition, live.saga, send, now_);
  if (!call.ok()) {
    const absl::Status& status = call.status();
    Replied refused{.step = send.step,
                    .phase = send.phase,
                    .attempt = send.attempt,
                    .outcome = send.phase == Phase::kResolve ? Outcome::kUnknown : Outcome::kRefused,
                    .effect_free = false,
                    .reply = {},
                    .failure = {},
                    .elapsed = absl::ZeroDuration()};
    refused.failure = {.reason = "REQUEST_NOT_BUILT",
                       .domain = kSagaDomain,
                       .code = static_cast<int>(status.code()),
                       .message = std::string(status.message()),
                       .step = {},
                       .metadata = {}};
    return mailbox_.Post(EventMail{.saga_id = saga_id, .event = std::move(refused)});
  }
  CRASH_POINT("orchestrator.before_send", CallOf(*live.definition, send.step, send.phase));
  const absl::Time sent = context_.clock.Now();
  context_.participants.Invoke(*std::move(call), [self = weak_from_this(), saga_id, send, sent,
                                                  definition = live.definition](CallResult result) {
    const std::shared_ptr<Shard> shard = self.lock();
    if (shard == nullptr) return;
    const absl::Duration elapsed = shard->context_.clock.Now() - sent;
    shard->mailbox_.Post(
        EventMail{.saga_id = saga_id, .event = ReadReply(*definition, send, std::move(result), elapsed)});
  });
  CRASH_POINT("orchestrator.after_send", CallOf(*live.definition, send.step, send.phase));
}

Progress Shard::ProgressOf(const LiveSaga& live) const {
  const bool is_stored = live.owned_by_other || (!live.stale && !pending_.Has(live.saga.id));
  return is_stored ? Progress{.status = absl::OkStatus(), .saga = live.saga}
                   : Progress{.status = StoreSilent(), .saga = {}};
}

void Shard::AnswerExpiredWaiters() {
  std::vector<Waiter> expired;
  while (const LiveSaga* const live = live_.TakeExpired(now_, expired)) {
    for (const Waiter& waiter : expired) waiter.answered(ProgressOf(*live));
  }
}

void Shard::Finish(LiveSaga& live) {
  context_.observer.OnFinished(live.saga);
  const Saga saga = live.saga;
  for (const Waiter& waiter : live_.Remove(live)) waiter.answered({.status = absl::OkStatus(), .saga = saga});
}

// ---- when the store says otherwise

// The row moved under us, or was never made: what is stored is the truth.
void Shard::Doubt(LiveSaga& live) {
  live.stale = true;
  live_.SetTimer(live, absl::InfiniteFuture());
  const Saga& mine = live.saga;
  absl::StatusOr<Saga> stored =
      live.key_taken ? context_.store.LoadByKey(mine.definition, mine.key) : context_.store.Load(mine.id);
  if (stored.ok() || !IsTransient(stored.status())) return TakeAsStored(live, stored);
  pending_.StoreFailed(now_);
  mailbox_.Post(ReloadMail{.saga_id = mine.id});
}

void Shard::Handle(ReloadMail mail) {
  if (LiveSaga* const live = live_.Find(mail.saga_id); live != nullptr && live->stale) Doubt(*live);
}

// Its owner finishes it, or loses it: its waiters are told from what is stored.
void Shard::Watch(LiveSaga& live, Saga stored) {
  live.saga = std::move(stored);
  live.stale = live.owned_by_other = true;
  live_.Count(live, false);
  live.watch_pause = std::clamp(live.watch_pause * 2, kWatchPauseMin, kWatchPauseMax);
  live_.SetTimer(live, now_ + live.watch_pause);
}

void Shard::TakeAsStored(LiveSaga& live, const absl::StatusOr<Saga>& stored) {
  const bool is_same = stored.ok() && stored->id == live.saga.id;
  if (is_same && !IsTerminal(stored->state) && stored->owner == context_.lease.instance) {
    return mailbox_.Post(RecoverMail{.saga = *stored});
  }
  if (is_same && !IsTerminal(stored->state) && !live.waiters.empty()) return Watch(live, *stored);
  const std::string input_hash = live.saga.input_hash, saga_id = live.saga.id;
  for (Waiter& waiter : live_.Remove(live)) {
    if (stored.ok() && !is_same) {
      AttachToExisting(context_, *stored, input_hash, std::move(waiter));
    } else {
      waiter.answered({.status = LoadFailure(stored.status(), saga_id), .saga = stored.ok() ? *stored : Saga()});
    }
  }
}

}  // namespace unwind
