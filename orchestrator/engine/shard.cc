#include "orchestrator/engine/shard.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "common/base/crash_point.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/engine/key_lookup.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/saga_bytes.h"
#include "orchestrator/engine/saga_call.h"
#include "orchestrator/engine/step_trouble.h"

namespace unwind {
namespace {

constexpr absl::Duration kWaitMax = absl::Seconds(1);
constexpr std::size_t kReplyBytes = 512;                    // of a reply that waits, besides what its participant chose
constexpr absl::Duration kForLong = absl::Hours(24 * 365);  // nobody waits for as long

}  // namespace

Shard::Shard(std::shared_ptr<DriverContext> context, std::uint64_t seed)
    : shared_(std::move(context)),
      context_(*shared_),
      mailbox_(context_.options.batch_max, context_.options.turn_bytes_max),
      random_(seed),
      live_(context_.admission, context_.saga_memory),
      pending_(context_, live_),
      ownership_(context_, live_, pending_) {}
Shard::~Shard() = default;

absl::Time Shard::NextDue() const {
  if (context_.lease_lost) return absl::InfiniteFuture();
  const bool waits = !pending_.empty() || ownership_.wants_rows() || pending_.StoreIsDown(context_.clock.Now());
  if (!waits && !drained_.empty()) return absl::InfinitePast();
  return std::min(waits ? pending_.retry_at() : live_.NextTimer(), live_.NextDeadline());
}

bool Shard::WaitAndTurn() {
  const absl::Time now = context_.clock.Now();
  const absl::Duration wait = std::clamp(NextDue() - now, absl::ZeroDuration(), kWaitMax);
  if (!mailbox_.Wait(wait, !pending_.StoreIsDown(now))) return false;
  Turn();
  return true;
}

// Those who wait for a saga, and those in the admission queue.
void Shard::AnswerExpired() {
  now_ = absl::FromUnixMicros(absl::ToUnixMicros(context_.clock.Now()));
  const absl::Time until = context_.answers_all ? now_ + kForLong : now_;
  std::vector<Waiter> expired;
  while (LiveSaga* const live = live_.TakeExpired(until, expired)) {
    for (const Waiter& waiter : expired) waiter.answered(ProgressOf(*live));
    if (!pending_.Has(live->saga.id) && LiveSagas::IsIdle(*live, now_)) live_.Remove(*live);
  }
  const bool is_away = !pending_.empty() || pending_.StoreIsDown(now_);
  for (const Mail& mail : mailbox_.TakeExpired(now_)) {
    const auto* const accept = std::get_if<AcceptMail>(&mail);
    if (accept != nullptr) context_.admission.Leave(accept->saga.definition->plan().name);
    WaiterOf(mail)->answered({.status = is_away ? StoreSilent() : TooManyWait(), .saga = {}});
  }
}

bool Shard::Turn() {
  if (context_.lease_lost) return false;
  AnswerExpired();
  bool worked = false;
  if (pending_.empty() && !pending_.StoreIsDown(now_)) {
    worked = HandleMails();
    TickWhatIsDue();
    worked |= ownership_.wants_rows();
    LoadedSagas loaded = ownership_.Load(now_);
    for (RecoverMail& recovered : loaded.recovered) Handle(std::move(recovered));
    for (LoadedSagas::Refilled& refilled : loaded.refilled) Handle(std::move(refilled));
  }
  if (pending_.empty()) {
    if (context_.answers_all) AnswerExpired();  // who came to wait just now, too
    return worked;
  }
  if (!pending_.StoreIsDown(context_.clock.Now())) {  // a load may have found that out only now, and late
    for (Landed& landed : pending_.Commit()) Act(std::move(landed));
    AnswerExpired();  // the commit may have taken long
  }
  return true;
}

// Those of the last turn first; and none beside rows that are still to be loaded, whose mails wait in memory.
bool Shard::HandleMails() {
  if (ownership_.wants_rows()) return false;
  if (drained_.empty()) drained_ = mailbox_.Drain();
  const bool worked = !drained_.empty();
  while (!drained_.empty() && !IsFull()) {
    std::visit([this](auto& what) { Handle(std::move(what)); }, drained_.front());
    drained_.pop_front();
  }
  return worked;
}

// ---- decide

// Advances `live` and notes what must be stored and sent. False: the event was stale.
bool Shard::Decide(LiveSaga& live, const Event& event) {
  const Moment moment{.now = now_, .jitter = std::generate_canonical<double, 53>(random_)};
  Decision decision = Advance(live.definition->plan(), live.saga, event, moment);
  const auto* const reply = std::get_if<Replied>(&event);
  if (reply != nullptr) context_.observer.OnReplied(live.definition->plan(), *reply, decision.stale);
  if (decision.stale) return false;
  TellTrouble(context_.observer, live, decision.next, reply);
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

void Shard::Handle(AcceptMail mail) {
  if (mail.waiter.answer_by <= now_) {  // its caller is gone, and would not expect it to start now
    context_.admission.Leave(mail.saga.definition->plan().name);
    return mail.waiter.answered({.status = TooManyWait(), .saga = {}});
  }
  const std::string& definition = mail.saga.definition->plan().name;
  if (absl::Status paused = context_.pauses.Check(definition); !paused.ok()) {
    context_.admission.Leave(definition);
    return context_.key_lookup->Find(std::move(mail.saga), std::move(mail.waiter), std::move(paused));
  }
  Saga row = TakeRow(mail, context_.lease.instance);
  LiveSaga& live = live_.Insert(std::move(row), std::move(mail.saga.definition));
  live.counted = true;  // since it was admitted
  live_.AddWaiter(live, std::move(mail.waiter));
  Decide(live, Started{});
  CRASH_POINT("orchestrator.after_accept", live.saga.definition);
}

void Shard::Handle(AttachMail mail) { ownership_.Attach(std::move(mail)); }

void Shard::Handle(EventMail mail) {
  LiveSaga* const live = live_.Find(mail.saga_id);
  if (live == nullptr || live->stale) return;
  if (live->shed) return ownership_.Await(std::move(mail));
  Decide(*live, mail.event);
  CRASH_POINT("orchestrator.before_commit", CallOf(*live->definition, mail.event));
}

void Shard::Handle(AskMail mail) {
  LiveSaga* const live = live_.Find(mail.saga_id);
  if (live == nullptr || live->stale || live->shed) return ownership_.Ask(std::move(mail));
  if (mail.seen_version != 0 && mail.seen_version != live->saga.version) {
    return mail.waiter.answered({.status = MovedMeanwhile(), .saga = {}});
  }
  Put(*live, std::move(mail));
}

void Shard::Handle(RecoverMail mail) {
  if (ownership_.WaitsForItsTurn(mail)) return;
  LiveSaga* const live = ownership_.Recover(std::move(mail.saga));
  if (live == nullptr) {  // it is driven already
    for (AskMail& ask : mail.asks) mailbox_.Post(std::move(ask));
    return;
  }
  Decide(*live, IsUnstarted(live->saga) && mail.asks.empty() ? Event(Started{}) : Event(TakenOver{}));
  for (AskMail& ask : mail.asks) Put(*live, std::move(ask));
  Settle(*live);
}

// The requests first: they are for this version.
void Shard::Handle(LoadedSagas::Refilled refilled) {
  for (AskMail& ask : refilled.asks) Handle(std::move(ask));
  for (EventMail& event : refilled.events) Handle(std::move(event));
  if (LiveSaga* const live = live_.Find(refilled.saga_id)) Settle(*live);
}

// Decides on a request, which is answered once all that was decided is stored.
void Shard::Put(LiveSaga& live, AskMail ask) {
  if (!Decide(live, ask.event) && !pending_.Has(live.saga.id)) {
    return ask.waiter.answered({AskRefusal(live.definition->plan(), live.saga, ask.event), live.saga});
  }
  pending_.Of(live).asks.push_back(std::move(ask));
}

// Unless a write of it is pending: sets the saga's timer, evicts it if it only waits, and drops its payload if all
// payloads are too many.
void Shard::Settle(LiveSaga& live) {
  if (pending_.Has(live.saga.id)) return;
  live_.Schedule(live);
  if (LiveSagas::IsIdle(live, now_)) {
    live_.Remove(live);
  } else if (live_.Weigh(live)) {
    context_.observer.OnShed(live.saga.id);
  }
}

void Shard::TickWhatIsDue() {
  for (std::size_t n = 0; n < context_.options.batch_max && !IsFull(); ++n) {
    LiveSaga* const live = live_.TakeDue(now_);
    if (live == nullptr) return;
    if (live->owned_by_other) {
      ownership_.Reload(*live);
    } else if (live->shed) {
      ownership_.Await({.saga_id = live->saga.id, .event = Ticked{}});
    } else {
      Decide(*live, Ticked{});
      Settle(*live);
    }
  }
}

// ---- act

void Shard::Act(Landed landed) {
  LiveSaga& live = *live_.Find(landed.saga_id);
  PendingWrite& done = landed.write;
  if (!landed.result.ok()) return ownership_.Quarantine(live, landed);
  if (done.seen_version == 0 && *landed.result != WriteResult::kKeyExists) {  // a conflict: an earlier try landed late
    CRASH_POINT("orchestrator.after_insert", live.saga.definition);
    context_.observer.OnStarted(live.saga);
    for (const Waiter& waiter : live.waiters) {
      if (waiter.accepted) waiter.accepted(landed.saga_id);
    }
  }
  if (*landed.result != WriteResult::kStored) {
    *landed.result == WriteResult::kKeyExists ? ownership_.KeyTaken(live) : ownership_.Reload(live);
    for (AskMail& ask : done.asks) AskAgain(std::move(ask));
    return;
  }
  for (const HistoryEvent& event : done.events) {
    CRASH_POINT("orchestrator.after_commit", CallOf(*live.definition, event.event));
    if (done.seen_version > 0 && std::holds_alternative<Started>(event.event)) context_.observer.OnStarted(live.saga);
  }
  // A send that a later event of the same turn has already abandoned is not sent at all.
  const std::vector<Send> outstanding = Outstanding(live.saga);
  for (const Send& send : done.sends) {
    if (std::find(outstanding.begin(), outstanding.end(), send) != outstanding.end()) Run(live, send);
  }
  const Plan& plan = live.definition->plan();
  for (const AskMail& ask : done.asks) ask.waiter.answered({AskRefusal(plan, live.saga, ask.event), live.saga});
  const bool is_over = IsTerminal(live.saga.state);
  if (is_over) {
    CRASH_POINT("orchestrator.before_answer", NameOf(live.saga.state));
    context_.observer.OnFinished(live.saga);
    live_.Count(live, false);  // there is room for another before anybody is told
  }
  if (is_over || MayBeAnswered(plan, live.saga)) {
    for (const Waiter& waiter : live_.TakeWaiters(live)) waiter.answered({absl::OkStatus(), live.saga});
  }
  if (!is_over) return Settle(live);
  live_.Remove(live);
}

// The copy in memory was stale: the operator's request is put to the stored saga, unless it was conditional on the
// version that the operator saw.
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
    return mailbox_.Post(EventMail{.saga_id = saga_id, .event = NotBuilt(*live.definition, send, call.status())});
  }
  CRASH_POINT("orchestrator.before_send", CallOf(*live.definition, send.step, send.phase));
  const absl::Time sent = context_.clock.Now();
  context_.participants.Invoke(*std::move(call), [self = weak_from_this(), saga_id, send, sent,
                                                  definition = live.definition](CallResult result) {
    const std::shared_ptr<Shard> shard = self.lock();
    if (shard == nullptr) return;
    const absl::Duration elapsed = shard->context_.clock.Now() - sent;
    shard->PostReply(saga_id, ReadReply(*definition, send, std::move(result), elapsed));
  });
  CRASH_POINT("orchestrator.after_send", CallOf(*live.definition, send.step, send.phase));
}

// While the store stalls, replies wait: what is too much is not kept, and asked for again.
void Shard::PostReply(const std::string& saga_id, Replied reply) {
  std::optional<MemoryHold> memory = MemoryHold::Try(context_.reply_memory, kReplyBytes + BytesOf(reply));
  if (memory.has_value()) {
    return mailbox_.Post(EventMail{.saga_id = saga_id, .event = std::move(reply), .memory = *std::move(memory)});
  }
  mailbox_.Post(
      EventMail{.saga_id = saga_id, .event = NotKept(reply), .memory = MemoryHold(context_.reply_memory, kReplyBytes)});
}

Progress Shard::ProgressOf(const LiveSaga& live) const {
  const bool is_stored = live.owned_by_other || (!live.stale && !pending_.Has(live.saga.id));
  return is_stored ? Progress{.status = absl::OkStatus(), .saga = live.saga}
                   : Progress{.status = StoreSilent(), .saga = {}};
}

}  // namespace unwind
