#include "orchestrator/engine/driver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/base/system_random.h"
#include "common/base/uuid.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/engine/key_lookup.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/engine/shard.h"
#include "orchestrator/engine/wake_sweep.h"

namespace unwind {
namespace {

constexpr int kRecoveryPage = 500;
constexpr absl::Duration kAskWaitMax = absl::Seconds(10);
constexpr absl::Duration kNudgeWaitMax = absl::Seconds(10);  // ten thousand at once find their sagas at rest
constexpr absl::Duration kRecoverWaitMax = absl::Seconds(10);
constexpr std::size_t kRequestBytes = 512;  // of a request that waits, besides what its caller chose
constexpr std::size_t kLookMax = 16;        // rows that could not be read, at one look: each may be large
constexpr absl::Duration kAnswerAllMax = absl::Milliseconds(250);  // a shard that needs longer is blocked in the store

std::size_t BytesOf(const NewSaga& saga) {
  return kRequestBytes + saga.input.capacity() + saga.trace.tracestate.capacity() + saga.trace.baggage.capacity();
}

std::uint64_t SeedOrRandom(std::uint64_t seed) {
  if (seed != 0) return seed;
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

Driver::Driver(SagaStore& store, Participants& participants, const DefinitionCatalog& catalog, const Clock& clock,
               DriverObserver& observer, Lease lease, DriverOptions options)
    : context_(new DriverContext{.store = store,
                                 .participants = participants,
                                 .catalog = catalog,
                                 .clock = clock,
                                 .observer = observer,
                                 .lease = std::move(lease),
                                 .options = options,
                                 .shard_of = [this](const std::string& id) -> Shard& { return ShardOf(id); }}),
      random_(SeedOrRandom(options.seed)),
      key_lookup_(std::make_unique<KeyLookup>(*context_)),
      wake_sweep_(std::make_unique<WakeSweep>(*context_)) {
  context_->key_lookup = key_lookup_.get();
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options.shards); ++i) {
    shards_.push_back(std::make_shared<Shard>(context_, random_()));
  }
}

Driver::~Driver() { Stop(); }

Shard& Driver::ShardOf(const std::string& saga_id) {
  return *shards_[std::hash<std::string>()(saga_id) % shards_.size()];
}

// Returns once all are being handled: so at most a page of rows waits.
absl::Status Driver::PostRecovered(std::vector<Saga>& sagas) {
  for (Saga& saga : sagas) {
    Shard& shard = ShardOf(saga.id);
    shard.mailbox().Post(RecoverMail{.saga = std::move(saga)});
  }
  if (threads_.empty()) return absl::OkStatus();
  const absl::Time until = SteadyNow() + kRecoverWaitMax;
  for (const std::shared_ptr<Shard>& shard : shards_) {
    if (shard->mailbox().AwaitRecovered(until - SteadyNow())) continue;
    return absl::UnavailableError("the sagas that this instance owns are not driven, since the store does not answer");
  }
  return absl::OkStatus();
}

absl::Status Driver::Recover() {
  std::string after;
  for (;;) {
    ASSIGN_OR_RETURN(SagaPage page, context_->store.LoadOwned(context_->lease, after, kRecoveryPage));
    if (page.rows() == 0) return absl::OkStatus();
    after = page.last_id;
    context_->unreadable.Report(page.unreadable);
    RETURN_IF_ERROR(PostRecovered(page.sagas));
  }
}

bool Driver::IsRecovering() const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [](const std::shared_ptr<Shard>& shard) { return shard->mailbox().has_recovered(); });
}

absl::StatusOr<int> Driver::Claim(int limit) {
  // A store that is read and not written keeps the shards from what was recovered, and may do so for long.
  if (!IsRecovering() && context_->owns_unknown.exchange(false)) {
    if (absl::Status status = Recover(); !status.ok()) {
      context_->owns_unknown = true;
      return status;
    }
  }
  std::vector<DefinitionVersion> drivable;
  for (auto& [name, version] : context_->catalog.Versions()) drivable.push_back({name, version});
  absl::StatusOr<SagaPage> claimed = context_->store.Claim(context_->lease, drivable, limit);
  if (!claimed.ok()) {
    context_->owns_unknown = true;
    return claimed.status();
  }
  context_->unreadable.Report(claimed->unreadable);
  const int count = static_cast<int>(claimed->sagas.size());
  context_->observer.OnTakenOver(claimed->sagas.size(), claimed->released);
  RETURN_IF_ERROR(PostRecovered(claimed->sagas));
  return count;
}

absl::StatusOr<Driver::Swept> Driver::StartFollowers() {
  Swept follow;
  if (context_->followers_posted > 0)
    return follow;  // no shard comes to them: the store is away, or all else goes first
  for (const DefinitionVersion& definition : context_->catalog.Followers()) {
    if (!context_->pauses.Check(definition.name).ok()) continue;
    const std::size_t busy = context_->admission.in_flight(definition.name);
    if (busy >= context_->options.followers_max) continue;
    const std::size_t room = context_->options.followers_max - busy;
    // Its turn has come at its birth, whatever the clock says here of the one that it was born by.
    ASSIGN_OR_RETURN(SagaPage page,
                     context_->store.LoadDue(context_->lease, definition, DueFor::kStart, absl::InfiniteFuture(),
                                             context_->SetAside(), static_cast<int>(room)));
    context_->unreadable.Report(page.unreadable);
    follow.sagas += static_cast<int>(page.sagas.size());
    follow.may_be_more |= page.rows() >= room;
    for (Saga& saga : page.sagas) {
      ++context_->followers_posted;
      Shard& shard = ShardOf(saga.id);
      shard.mailbox().Post(RecoverMail{.saga = std::move(saga), .asks = {}, .due = DueFor::kStart});
      CRASH_POINT("orchestrator.after_due", definition.name);
    }
  }
  return follow;
}

absl::StatusOr<Driver::Swept> Driver::WakeResting() { return wake_sweep_->Sweep(); }

absl::Status Driver::CountResting() {
  ASSIGN_OR_RETURN(const std::vector<RestingCount> counts, context_->store.CountResting(context_->lease.instance));
  context_->admission.SetResting(counts);
  return absl::OkStatus();
}

void Driver::OnDefinitionsLearnt() { context_->owns_unknown = true; }

void Driver::Start() {
  context_->waiters.Start();
  context_->operators.Start();
  key_lookup_->Start();
  for (const std::shared_ptr<Shard>& shard : shards_) {
    threads_.emplace_back([shard] {
      while (shard->WaitAndTurn()) continue;
    });
  }
}

void Driver::AnswerLate() {
  context_->waiters.AnswerLate();
  context_->operators.AnswerLate();
}
absl::Time Driver::NextLate() const { return std::min(context_->waiters.NextLate(), context_->operators.NextLate()); }

bool Driver::Turn() {
  AnswerLate();
  bool worked = false;
  for (const std::shared_ptr<Shard>& shard : shards_) worked |= shard->Turn();
  return worked;
}

absl::Time Driver::NextDue() const {
  absl::Time next = NextLate();
  for (const std::shared_ptr<Shard>& shard : shards_) next = std::min(next, shard->NextDue());
  return next;
}

std::function<void()> Driver::Accept(NewSaga saga, absl::Time answer_by,
                                     std::function<void(const std::string&)> accepted,
                                     std::function<void(Progress)> answered) {
  std::function<void()> leave;
  std::optional<Waiter> waiter = context_->waiters.Add(answer_by, std::move(accepted), std::move(answered), &leave);
  if (!waiter.has_value()) return [] {};
  std::optional<MemoryHold> memory = MemoryHold::Try(context_->accept_memory, BytesOf(saga));
  const Plan& plan = saga.definition->plan();
  const bool may_wait = !MayWait(plan) || context_->admission.all_waiting() < context_->options.waiting_max;
  const bool admitted = memory.has_value() && may_wait && context_->admission.TryEnter(plan.name);
  const auto new_id = [this] {
    if (const SystemRandom random; context_->options.seed == 0) return MakeUuidV7(context_->clock.Now(), random);
    std::lock_guard lock(mutex_);
    return MakeUuidV7(context_->clock.Now(), random_);
  };
  std::string id = new_id();
  if (saga.key.empty()) saga.key = new_id();
  if (!admitted) {
    absl::Status why = context_->pauses.Check(plan.name);
    if (why.ok()) why = may_wait ? Overloaded() : TooManyRest();
    key_lookup_->Find(std::move(saga), *std::move(waiter), std::move(why));
    return leave;
  }
  Shard& shard = ShardOf(id);
  shard.mailbox().Post(AcceptMail{
      .saga = std::move(saga), .saga_id = std::move(id), .waiter = *std::move(waiter), .memory = *std::move(memory)});
  return leave;
}

absl::Status Driver::ReadPauses() { return context_->pauses.Read(); }

void Driver::HoldPauses(std::function<void(absl::Status)> held) {
  if (!ReadPauses().ok()) return held(StoreSilent());
  Flush(0, std::move(held));
}

// One shard after the other: a caller that one of them took before it could know of a pause is answered, or its saga is
// stored, before that shard comes to this mail.
void Driver::Flush(std::size_t first_shard, std::function<void(absl::Status)> flushed) {
  if (first_shard == shards_.size()) return flushed(absl::OkStatus());
  std::optional<Waiter> waiter = context_->operators.Add(
      context_->clock.Now() + kAskWaitMax, nullptr, [this, first_shard, flushed](const Progress& progress) {
        progress.status.ok() ? Flush(first_shard + 1, flushed) : flushed(StoreSilent());
      });
  if (waiter.has_value()) shards_[first_shard]->mailbox().Post(FlushMail{.waiter = *std::move(waiter)});
}

void Driver::Ask(const std::string& saga_id, Event event, std::int64_t seen_version,
                 std::function<void(Progress)> answered) {
  std::optional<Waiter> waiter =
      context_->operators.Add(context_->clock.Now() + kAskWaitMax, nullptr, std::move(answered));
  if (!waiter.has_value()) return;
  ShardOf(saga_id).mailbox().Post(AskMail{
      .saga_id = saga_id, .event = std::move(event), .seen_version = seen_version, .waiter = *std::move(waiter)});
}

void Driver::Nudge(const std::string& saga_id, std::string step, std::function<void(absl::Status)> answered) {
  std::optional<Waiter> waiter =
      context_->waiters.Add(context_->clock.Now() + kNudgeWaitMax, nullptr,
                            [answered = std::move(answered)](const Progress& progress) { answered(progress.status); });
  if (!waiter.has_value()) return;
  ShardOf(saga_id).mailbox().Post(
      AskMail{.saga_id = saga_id, .event = Nudged{std::move(step)}, .waiter = *std::move(waiter)});
}

void Driver::AnswerWaiting() {
  context_->answers_all = true;
  for (const std::shared_ptr<Shard>& shard : shards_) shard->mailbox().Wake();
  context_->waiters.AnswerAll(kAnswerAllMax);
  context_->operators.AnswerAll(absl::ZeroDuration());
}

std::size_t Driver::in_flight() const { return context_->admission.in_flight(); }

std::map<std::string, std::size_t> Driver::WithThoseServed(std::map<std::string, std::size_t> counts) const {
  for (const auto& definition : context_->catalog.served()) counts.try_emplace(definition->plan().name, 0);
  return counts;
}

std::map<std::string, std::size_t> Driver::stuck() const { return WithThoseServed(context_->admission.stuck()); }

std::map<std::string, std::size_t> Driver::waiting() const { return WithThoseServed(context_->admission.waiting()); }

std::map<std::string, std::size_t> Driver::oldest_wait_seconds() const {
  std::map<std::string, std::size_t> seconds;
  const absl::Time now = context_->clock.Now();
  for (const auto& [definition, since] : context_->admission.oldest_waits()) {
    seconds[definition] = static_cast<std::size_t>(std::max<std::int64_t>(0, absl::ToInt64Seconds(now - since)));
  }
  return WithThoseServed(std::move(seconds));
}

std::map<std::string, std::size_t> Driver::quarantined() const {
  return WithThoseServed(context_->quarantine.counts());
}

std::map<std::string, std::size_t> Driver::paused() const {
  std::map<std::string, std::size_t> paused;
  for (const std::string& definition : context_->pauses.names()) paused[definition] = 1;
  return WithThoseServed(std::move(paused));
}

std::size_t Driver::unreadable() const { return context_->unreadable.count(); }

void Driver::LookAgain() {
  if (const std::vector<SagaHead> seen = context_->quarantine.heads(); !seen.empty()) {
    const absl::StatusOr<SagaPage> moved = context_->store.LoadNewer(seen);
    if (!moved.ok()) return;
    for (const Saga& saga : moved->sagas) context_->quarantine.Holds(saga, context_->lease.instance);
    for (const UnreadableSaga& row : moved->unreadable) context_->quarantine.End(row.id);
  }
  for (const std::string& id : context_->unreadable.Next(kLookMax)) {
    const absl::StatusOr<SagaPage> page = context_->store.LoadMany({id});
    if (!page.ok()) return;
    if (!page->unreadable.empty()) continue;
    context_->unreadable.Forget(id);
    context_->owns_unknown = true;
  }
}

bool Driver::lease_lost() const { return context_->lease_lost; }

bool Driver::commits_fail() const { return context_->shards_failing > 0; }

void Driver::Stop() {
  key_lookup_->Stop();
  for (const std::shared_ptr<Shard>& shard : shards_) shard->mailbox().Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  context_->waiters.Stop();
  context_->operators.Stop();
}

}  // namespace unwind
