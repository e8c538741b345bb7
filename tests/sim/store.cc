#include "tests/sim/store.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"

namespace unwind::sim {
namespace {

constexpr int kRowsMax = 1 << 20;

absl::Status Silent() { return absl::UnavailableError("the store does not answer"); }
absl::Status Refusal() { return absl::InternalError("the store refuses to write it"); }

}  // namespace

std::vector<Saga> Store::All() {
  SagaFilter filter;
  filter.limit = kRowsMax;
  std::vector<Saga> all;
  for (bool is_cut = true; is_cut;) {
    SagaPage page = inner_.List(filter).value();
    all.insert(all.end(), page.sagas.begin(), page.sagas.end());
    filter.before_id = page.last_id;
    is_cut = page.is_cut;
  }
  return all;
}

std::vector<HistoryEvent> Store::WholeHistory(const std::string& saga_id) {
  return inner_.History(saga_id, 0, kRowsMax).value();
}

absl::StatusOr<std::vector<WriteResult>> Store::Commit(const Lease& lease, const std::vector<SagaWrite>& writes) {
  if (world_.now() < away_until_) return Silent();
  if (caller_ != nullptr && faults_.Strikes(Fault::kCrashBeforeCommit, 0.01)) {
    caller_->crash();
    return Silent();
  }
  Blocks(Fault::kBlocksAndStores);
  if (Blocks(Fault::kBlocksAndFails)) return Silent();
  const bool unsaid = Blocks(Fault::kBlocksAndStoresUnsaid);
  if (faults_.Strikes(Fault::kTornLost, 0.1)) {
    world_.Tell("store", "refuses ", writes.size(), " rows of ", lease.instance);
    if (bug_ == Bug::kCommitIgnored) return std::vector<WriteResult>(writes.size(), WriteResult::kStored);
    return Silent();
  }
  if (faults_.Strikes(Fault::kTornLate, 0.05)) {
    world_.Tell("store", "will store ", writes.size(), " rows of ", lease.instance, " later and does not say so");
    const auto late = std::make_shared<Late>(Late{lease, writes});
    absl::Duration after = world_.dice().Spread(absl::Milliseconds(1), absl::Seconds(5));
    if (world_.dice().Chance(0.5)) {  // it has its locks, and nothing else may be answered for a while
      late_.push_back(late);
      after = world_.dice().Spread(absl::Seconds(1), absl::Minutes(1));
      if (world_.dice().Chance(0.5)) {
        GoAway(world_.now() + world_.dice().Between(absl::ZeroDuration(), absl::Seconds(20)));
      }
    }
    world_.In(after, [this, late] { Land(*late); });
    return Silent();
  }
  std::set<std::string> ids;
  for (const SagaWrite& write : writes) ids.insert(write.saga.id);
  AwaitLate(ids);
  const absl::StatusOr<std::vector<WriteResult>> results = Apply(lease, writes);
  if (!results.ok()) return results;
  if (unsaid || faults_.Strikes(Fault::kTornDurable, 0.1)) {
    world_.Tell("store", "stored ", writes.size(), " rows of ", lease.instance, " and does not say so");
    return Silent();
  }
  if (caller_ != nullptr && faults_.Strikes(Fault::kCrashAfterCommit, 0.01)) caller_->crash();
  return results;
}

// Lets a turn stand still for long, a few times a seed at most. Whether it did.
bool Store::Blocks(Fault fault) {
  const StoreCaller* const caller = caller_;
  if (caller == nullptr || !faults_.Strikes(fault, 0.02)) return false;
  const absl::Duration length = world_.dice().Spread(absl::Milliseconds(300), absl::Seconds(15));
  world_.Tell("store", "blocks for ", absl::FormatDuration(length));
  caller->block(world_.now() + length);
  return true;
}

absl::Status Store::TakesWrites() const {
  if (world_.now() < away_until_) return Silent();
  return world_.now() < refuses_until_ ? Refusal() : absl::OkStatus();
}

// As a database: one row that it refuses fails the transaction, and does not say which it was.
absl::Status Store::TakesRows(const std::vector<SagaWrite>& writes) {
  bool takes = true;
  for (const SagaWrite& write : writes) {
    if (!IsRefused(write.saga.id) && faults_.Strikes(Fault::kRowRefused, 0.003)) {
      world_.Tell("store", "refuses saga ", write.saga.id, " from now on");
      refused_.insert(write.saga.id);
    }
    takes = takes && !IsRefused(write.saga.id);
  }
  return takes ? absl::OkStatus() : Refusal();
}

absl::StatusOr<std::vector<WriteResult>> Store::Apply(const Lease& lease, const std::vector<SagaWrite>& writes) {
  RETURN_IF_ERROR(TakesWrites());
  RETURN_IF_ERROR(TakesRows(writes));
  Lease as = lease;
  std::vector<SagaWrite> what = writes;
  if (bug_ == Bug::kNoVersionCheck) Overwrite(as, what);
  absl::StatusOr<std::vector<WriteResult>> results = inner_.Commit(as, what);
  if (absl::IsAborted(results.status())) {
    faults_.tally().Count(Outcome::kStaleEpoch);
    world_.Tell("store", "fences epoch ", lease.epoch, " of ", lease.instance);
  }
  if (!results.ok()) return results;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    switch ((*results)[i]) {
      case WriteResult::kStored:
        Observe(lease, writes[i]);
        if (IsTerminal(writes[i].saga.state)) ObserveBirths(lease, writes[i].saga);
        break;
      case WriteResult::kConflict:
        faults_.tally().Count(Outcome::kRowMoved);
        world_.Tell("store", "has another version of saga ", writes[i].saga.id);
        break;
      case WriteResult::kKeyExists:
        faults_.tally().Count(Outcome::kAttached);
        world_.Tell("store", "has the key ", writes[i].saga.key, " already");
        break;
    }
  }
  return results;
}

void Store::Land(Late& late) {
  if (!std::exchange(late.has_landed, true)) Apply(late.lease, late.writes).IgnoreError();
}

void Store::AwaitLate(const std::set<std::string>& saga_ids, absl::string_view instance) {
  std::erase_if(late_, [](const auto& late) { return late->has_landed; });
  for (const auto& late : late_) {
    const bool is_in_the_way = late->lease.instance == instance ||
                               std::any_of(late->writes.begin(), late->writes.end(),
                                           [&](const auto& write) { return saga_ids.count(write.saga.id) > 0; });
    if (is_in_the_way) Land(*late);
  }
}

void Store::Overwrite(Lease& lease, std::vector<SagaWrite>& writes) {
  lease.epoch = epochs_[lease.instance];
  for (SagaWrite& write : writes) {
    const absl::StatusOr<Saga> stored = inner_.Load(write.saga.id);
    if (stored.ok()) write.seen_version = stored->version;
  }
}

void Store::Observe(const Lease& lease, const SagaWrite& write) {
  const Saga& saga = write.saga;
  auto& [version, state] = observed_[saga.id];
  world_.Mix(saga.id);
  world_.Mix(saga.version);
  if (lease.epoch != epochs_[lease.instance]) {
    world_.Violate("I15", absl::StrCat("epoch ", lease.epoch, " of ", lease.instance, " wrote saga ", saga.id));
  }
  ObserveBegin(lease, write);
  if (version != write.seen_version) {
    world_.Violate("I15", absl::StrCat("saga ", saga.id, " is at version ", version, ", and was written from version ",
                                       write.seen_version));
  }
  if (version > 0 && IsTerminal(state)) {
    world_.Violate("I14", absl::StrCat("saga ", saga.id, " left the state ", NameOf(state)));
  }
  std::int64_t seq = write.seen_version;
  for (const HistoryEvent& event : write.events) {
    if (event.seq != ++seq) {
      world_.Violate("I14", absl::StrCat("saga ", saga.id, " has event ", event.seq, " where ", seq, " belongs"));
    }
    for (const Send& send : event.sends)
      sends_.insert({saga.id, send.step, static_cast<int>(send.phase), send.attempt});
    world_.Tell(lease.instance, "stores ", NameOf(event.event), " of saga ", saga.id, " as version ", event.seq, ", ",
                NameOf(event.state));
  }
  if (seq != saga.version) {
    world_.Violate("I14", absl::StrCat("saga ", saga.id, " of version ", saga.version, " ends with event ", seq));
  }
  version = saga.version;
  state = saga.state;
}

// I25, also of one that was born before and is started only now.
void Store::ObserveBegin(const Lease& lease, const SagaWrite& write) {
  const Saga& saga = write.saga;
  const bool begins = std::any_of(write.events.begin(), write.events.end(), [](const HistoryEvent& event) {
    return std::holds_alternative<Started>(event.event);
  });
  if (begins && held_.count({lease.instance, lease.epoch, saga.definition}) > 0) {
    world_.Violate("I25", absl::StrCat("saga ", saga.id, " of ", saga.definition, " is begun by ", lease.instance,
                                       ", which had said that none would"));
  }
  if (saga.backward) turned_back_.emplace(saga.id, world_.now());
}

// I28: what follows a saga is there at the instant at which its end is, once each, whichever instance has written the
// end.
void Store::ObserveBirths(const Lease& lease, const Saga& parent) {
  const FollowerSet set = inner_.Followers().value();
  const std::vector<Child> children = inner_.Children(parent.id).value();
  std::map<std::string, bool> expected;  // whether it is built
  for (const Follower& row : set.followers) {
    const bool is_reason =
        row.reasons.empty() || std::count(row.reasons.begin(), row.reasons.end(), ToldReason(parent)) > 0;
    const bool follows = row.parent == DefinitionVersion{parent.definition, parent.definition_version} &&
                         row.on == parent.state && is_reason;
    if (follows) expected[row.definition.name] = row.why_not_built.empty();
  }
  std::map<std::string, bool> born;
  for (const Child& child : children) {
    born[child.definition.name] = child.state == SagaState::kRunning;
    if (!observed_.emplace(child.id, std::pair(1, child.state)).second) {
      world_.Violate("I28", absl::StrCat("saga ", child.id, " was there before the end that gave birth to it"));
    }
    Tally& tally = faults_.tally();
    tally.Count(child.state == SagaState::kRunning ? Outcome::kBorn : Outcome::kBornParked);
    if (unaware_.count(lease.instance) > 0) tally.Count(Outcome::kBornOfUnaware);
    world_.Tell(lease.instance, "gives birth to saga ", child.id, " of ", child.definition.name);
  }
  if (born != expected) {
    world_.Violate("I28", absl::StrCat("saga ", parent.id, " ended ", NameOf(parent.state), ", and ", born.size(),
                                       " sagas follow it where ", expected.size(), " do, or not as they should"));
  }
}

bool Store::LoadFails() { return world_.now() < away_until_ || faults_.Strikes(Fault::kLoadFails, 0.3); }

absl::StatusOr<Saga> Store::Load(absl::string_view id) {
  if (LoadFails()) return Silent();
  return inner_.Load(id);
}

absl::StatusOr<SagaPage> Store::LoadMany(const std::vector<std::string>& ids) {
  if (LoadFails() || Blocks(Fault::kBlocksAndFails)) return Silent();
  return inner_.LoadMany(ids);
}

absl::StatusOr<Saga> Store::LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                      absl::string_view key) {
  if (LoadFails()) return Silent();
  return inner_.LoadByKey(definition, key_scope, key);
}

absl::StatusOr<Lease> Store::Acquire(absl::string_view instance, absl::string_view address, absl::Duration length) {
  RETURN_IF_ERROR(TakesWrites());
  AwaitLate({}, instance);
  absl::StatusOr<Lease> lease = inner_.Acquire(instance, address, length);
  if (lease.ok()) epochs_[lease->instance] = lease->epoch;
  return lease;
}

absl::Status Store::Renew(const Lease& lease, absl::Duration length) {
  RETURN_IF_ERROR(TakesWrites());
  return inner_.Renew(lease, length);
}

absl::StatusOr<SagaPage> Store::Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable, int limit) {
  if (LoadFails()) return Silent();
  RETURN_IF_ERROR(TakesWrites());
  absl::StatusOr<SagaPage> claimed = inner_.Claim(lease, drivable, limit);
  if (!claimed.ok() || claimed->rows() == 0) return claimed;
  faults_.tally().Count(Outcome::kClaimed);
  world_.Tell("store", "gives ", claimed->sagas.size(), " sagas to ", lease.instance);
  if (!faults_.Strikes(Fault::kTornDurable, 0.3)) return claimed;
  world_.Tell("store", "does not say so");
  return Silent();
}

absl::StatusOr<Saga> Store::Take(const Lease& lease, absl::string_view id) {
  if (LoadFails()) return Silent();
  RETURN_IF_ERROR(TakesWrites());
  AwaitLate({std::string(id)});
  absl::StatusOr<Saga> taken = inner_.Take(lease, id);
  if (!taken.ok()) return taken;
  faults_.tally().Count(Outcome::kTakenFromOwner);
  if (asked_.count(std::string(id)) == 0) {
    world_.Violate("I26", absl::StrCat("saga ", id, " is taken from its owner, and no person asked for it"));
  }
  world_.Tell("store", "gives saga ", id, " to ", lease.instance);
  if (!faults_.Strikes(Fault::kTornDurable, 0.3)) return taken;
  world_.Tell("store", "does not say so");
  return Silent();
}

absl::StatusOr<DefinitionPause> Store::PutPause(const std::string& definition, const std::string& actor,
                                                const std::string& reason) {
  RETURN_IF_ERROR(TakesWrites());
  absl::StatusOr<DefinitionPause> pause = inner_.PutPause(definition, actor, reason);
  if (pause.ok()) world_.Tell("store", "has a pause of ", definition);
  return pause;
}

absl::StatusOr<std::vector<DefinitionPause>> Store::Pauses() {
  if (LoadFails()) return Silent();
  return inner_.Pauses();
}

void Store::HoldPause(const Lease& lease, const std::string& definition) {
  held_.insert({lease.instance, lease.epoch, definition});
}

void Store::EndPauses() {
  const std::vector<DefinitionPause> pauses = inner_.Pauses().value();
  for (const DefinitionPause& pause : pauses) {
    world_.Tell("store", "has no pause of ", pause.definition, " any more");
    inner_.RemovePause(pause.definition).IgnoreError();
  }
  held_.clear();
  ++pauses_ended_;
}

absl::StatusOr<SagaPage> Store::LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what,
                                        absl::Time now, const std::vector<std::string>& without, int limit) {
  if (LoadFails()) return Silent();
  return inner_.LoadDue(lease, definition, what, now, without, limit);
}

absl::StatusOr<SagaPage> Store::LoadOwned(const Lease& lease, absl::string_view after, int limit) {
  if (LoadFails()) return Silent();
  return inner_.LoadOwned(lease, after, limit);
}

}  // namespace unwind::sim
