#include "tests/support/memory_saga_store.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/engine/births.h"
#include "orchestrator/engine/saga_bytes.h"

namespace unwind {
namespace {

std::size_t Limit(int limit) { return static_cast<std::size_t>(std::max(limit, 0)); }

void Append(SagaPage& page, const Saga& saga) {
  page.last_id = saga.id;
  page.sagas.push_back(saga);
}

}  // namespace

// When the row is due for `what`; infinite: never.
absl::Time MemorySagaStore::Row::DueAt(DueFor what) const {
  if (what == DueFor::kWaitEnd) return wait_ends_at;
  const bool is_found = what == DueFor::kStart ? saga.due_at == saga.create_time : saga.due_at > saga.create_time;
  return is_found ? saga.due_at : absl::InfiniteFuture();
}

absl::Status MemorySagaStore::CheckLease(const Lease& lease) const {
  const auto instance = instances_.find(lease.instance);
  if (instance != instances_.end() && instance->second.epoch == lease.epoch) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("epoch ", lease.epoch, " of instance ", lease.instance, " is over"));
}

WriteResult MemorySagaStore::Insert(const Lease& lease, const SagaWrite& write) {
  const Saga& saga = write.saga;
  if (sagas_.count(saga.id) != 0) return WriteResult::kConflict;
  if (FindKey(saga.definition, saga.key_scope, saga.key) != nullptr) return WriteResult::kKeyExists;
  ids_[Key(saga.definition, saga.key_scope, saga.key)] = saga.id;
  Row& row = sagas_[saga.id];
  row = {.saga = saga, .history = write.events};
  row.saga.owner = lease.instance;
  return WriteResult::kStored;
}

WriteResult MemorySagaStore::Store(const Lease& lease, const SagaWrite& write) {
  if (write.seen_version == 0) return Insert(lease, write);
  const auto found = sagas_.find(write.saga.id);
  if (found == sagas_.end()) return WriteResult::kConflict;
  Row& row = found->second;
  if (row.saga.version != write.seen_version || row.saga.owner != lease.instance) return WriteResult::kConflict;
  row.saga.state = write.saga.state;
  row.saga.version = write.saga.version;
  row.saga.cancel_requested = write.saga.cancel_requested;
  row.saga.backward = write.saga.backward;
  row.saga.deadline = write.saga.deadline;
  row.saga.update_time = write.saga.update_time;
  row.saga.failure = write.saga.failure;
  row.saga.steps = write.saga.steps;
  if (write.changes_due_at) {
    row.saga.due_at = write.saga.due_at;
    row.wait_ends_at = write.wait_ends_at;
    row.waits_since = write.waits_since;
  }
  row.history.insert(row.history.end(), write.events.begin(), write.events.end());
  return WriteResult::kStored;
}

absl::StatusOr<std::vector<WriteResult>> MemorySagaStore::Commit(const Lease& lease,
                                                                 const std::vector<SagaWrite>& writes) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckLease(lease));
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  for (const SagaWrite& write : writes) {
    results.push_back(Store(lease, write));
    if (results.back() != WriteResult::kStored) continue;
    for (const SagaWrite& birth : BirthsOf(followers_, write)) Insert(lease, birth);
  }
  return results;
}

absl::StatusOr<FollowerSet> MemorySagaStore::Followers() {
  std::lock_guard lock(mutex_);
  return followers_;
}

absl::Status MemorySagaStore::PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) {
  std::lock_guard lock(mutex_);
  if (seen_generation != followers_.generation) return absl::AbortedError("others have changed who follows whom");
  followers_ = {.generation = seen_generation + 1, .followers = followers};
  const auto is_before = [](const Follower& a, const Follower& b) {
    return std::tie(a.parent, a.definition) < std::tie(b.parent, b.definition);
  };
  std::sort(followers_.followers.begin(), followers_.followers.end(), is_before);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Child>> MemorySagaStore::Children(absl::string_view parent_id) {
  std::lock_guard lock(mutex_);
  std::vector<Child> children;
  for (const auto& [id, row] : sagas_) {
    const Saga& saga = row.saga;
    if (parent_id.empty() || saga.parent != parent_id) continue;
    children.push_back({id, {saga.definition, saga.definition_version}, saga.state});
  }
  std::sort(children.begin(), children.end(), [](const Child& a, const Child& b) {
    return std::tie(a.definition.name, a.id) < std::tie(b.definition.name, b.id);
  });
  return children;
}

absl::StatusOr<Saga> MemorySagaStore::Load(absl::string_view saga_id) {
  std::lock_guard lock(mutex_);
  const auto row = sagas_.find(saga_id);
  if (row == sagas_.end()) return absl::NotFoundError(absl::StrCat("there is no saga ", saga_id));
  return row->second.saga;
}

absl::StatusOr<SagaPage> MemorySagaStore::LoadMany(const std::vector<std::string>& ids) {
  std::lock_guard lock(mutex_);
  SagaPage page;
  std::size_t bytes = 0;
  for (const std::string& id : std::set<std::string>(ids.begin(), ids.end())) {
    const auto row = sagas_.find(id);
    if (row == sagas_.end()) continue;
    Append(page, row->second.saga);
    bytes += BytesOf(row->second.saga);
    page.is_cut = bytes >= page_bytes_max_;
    if (page.is_cut) break;
  }
  return page;
}

const std::string* MemorySagaStore::FindKey(absl::string_view definition, absl::string_view key_scope,
                                            absl::string_view key) const {
  for (const absl::string_view scope : {key_scope, absl::string_view()}) {
    const auto id = ids_.find(Key(definition, scope, key));
    if (id != ids_.end()) return &id->second;
  }
  return nullptr;
}

absl::StatusOr<Saga> MemorySagaStore::LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                                absl::string_view key) {
  std::lock_guard lock(mutex_);
  const std::string* const id = FindKey(definition, key_scope, key);
  if (id == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no saga of definition ", definition, " with key ", key));
  }
  return sagas_.find(*id)->second.saga;
}

absl::StatusOr<SagaPage> MemorySagaStore::List(const SagaFilter& filter) {
  std::lock_guard lock(mutex_);
  SagaPage page;
  std::size_t bytes = 0;
  auto row = filter.before_id.empty() ? sagas_.end() : sagas_.lower_bound(filter.before_id);
  while (row != sagas_.begin() && page.rows() < Limit(filter.limit)) {
    const Saga& saga = (--row)->second.saga;
    if (!LetsThrough(filter, saga)) continue;
    Append(page, saga);
    bytes += BytesOf(saga);
    page.is_cut = bytes >= page_bytes_max_;
    if (page.is_cut) break;
  }
  return page;
}

absl::StatusOr<SagaPage> MemorySagaStore::ListUnfinished(std::optional<SagaState> state, absl::string_view after_id,
                                                         int limit) {
  std::lock_guard lock(mutex_);
  SagaPage page;
  std::size_t bytes = 0;
  for (auto row = sagas_.upper_bound(after_id); row != sagas_.end() && page.rows() < Limit(limit); ++row) {
    const Saga& saga = row->second.saga;
    if (IsTerminal(saga.state) || (state.has_value() && saga.state != *state)) continue;
    Append(page, saga);
    bytes += BytesOf(saga);
    page.is_cut = bytes >= page_bytes_max_;
    if (page.is_cut) break;
  }
  return page;
}

absl::StatusOr<std::vector<SagaHead>> MemorySagaStore::ListHeads(const SagaFilter& filter) {
  std::lock_guard lock(mutex_);
  std::vector<SagaHead> heads;
  auto row = filter.before_id.empty() ? sagas_.end() : sagas_.lower_bound(filter.before_id);
  while (row != sagas_.begin() && heads.size() < Limit(filter.limit)) {
    const Saga& saga = (--row)->second.saga;
    if (LetsThrough(filter, saga)) heads.push_back({saga.id, saga.version, saga.state});
  }
  return heads;
}

absl::StatusOr<SagaPage> MemorySagaStore::LoadNewer(const std::vector<SagaHead>& seen) {
  std::vector<std::string> ids;
  {
    std::lock_guard lock(mutex_);
    for (const SagaHead& head : seen) {
      const auto row = sagas_.find(head.id);
      if (row != sagas_.end() && row->second.saga.version > head.version) ids.push_back(head.id);
    }
  }
  return LoadMany(ids);
}

absl::StatusOr<std::vector<HistoryEvent>> MemorySagaStore::History(absl::string_view saga_id, std::int64_t after_seq,
                                                                   int limit) {
  std::lock_guard lock(mutex_);
  std::vector<HistoryEvent> page;
  const auto row = sagas_.find(saga_id);
  if (row == sagas_.end()) return page;
  for (const HistoryEvent& event : row->second.history) {
    if (event.seq > after_seq && page.size() < Limit(limit)) page.push_back(event);
  }
  return page;
}

absl::StatusOr<Lease> MemorySagaStore::Acquire(absl::string_view instance, absl::string_view, absl::Duration length) {
  std::lock_guard lock(mutex_);
  const std::string id(instance);
  Instance& row = instances_[id];
  row.lease_until = clock_->Now() + length;
  return Lease{.instance = id, .epoch = ++row.epoch};
}

absl::Status MemorySagaStore::Renew(const Lease& lease, absl::Duration length) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckLease(lease));
  instances_[lease.instance].lease_until = clock_->Now() + length;
  return absl::OkStatus();
}

absl::Status MemorySagaStore::Release(const Lease& lease) {
  std::lock_guard lock(mutex_);
  if (CheckLease(lease).ok()) instances_[lease.instance].lease_until = absl::InfinitePast();
  return absl::OkStatus();
}

absl::StatusOr<SagaPage> MemorySagaStore::Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                                int limit) {
  std::lock_guard lock(mutex_);
  SagaPage claimed;
  if (!CheckLease(lease).ok()) return claimed;
  const absl::Time now = clock_->Now();
  const auto place_of = [](const Saga& saga) {
    if (saga.state == SagaState::kCompensating) return 0;
    return saga.due_at == absl::InfiniteFuture() ? 1 : 2;
  };
  for (const int place : {0, 1, 2}) {
    for (auto& [id, row] : sagas_) {
      Saga& saga = row.saga;
      if (IsTerminal(saga.state) || place_of(saga) != place || saga.owner == lease.instance) continue;
      if (std::count(drivable.begin(), drivable.end(), DefinitionVersion{saga.definition, saga.definition_version}) ==
          0) {
        continue;
      }
      if (instances_[saga.owner].lease_until >= now || claimed.rows() >= Limit(limit)) continue;
      claimed.released += instances_[saga.owner].lease_until == absl::InfinitePast() ? 1 : 0;
      saga.owner = lease.instance;
      Append(claimed, saga);
    }
  }
  return claimed;
}

absl::StatusOr<Saga> MemorySagaStore::Take(const Lease& lease, absl::string_view saga_id) {
  std::lock_guard lock(mutex_);
  const auto row = sagas_.find(saga_id);
  if (row == sagas_.end() || IsTerminal(row->second.saga.state) || !CheckLease(lease).ok()) {
    return absl::NotFoundError(absl::StrCat("there is no unfinished saga ", saga_id));
  }
  row->second.saga.owner = lease.instance;
  return row->second.saga;
}

absl::StatusOr<SagaPage> MemorySagaStore::LoadOwned(const Lease& lease, absl::string_view after_id, int limit) {
  std::lock_guard lock(mutex_);
  SagaPage page;
  std::size_t bytes = 0;
  for (auto row = sagas_.upper_bound(after_id); row != sagas_.end() && page.rows() < Limit(limit); ++row) {
    const Saga& saga = row->second.saga;
    if (saga.owner != lease.instance || IsTerminal(saga.state)) continue;
    if (saga.due_at != absl::InfiniteFuture()) continue;
    Append(page, saga);
    bytes += BytesOf(saga);
    if (bytes >= page_bytes_max_) break;
  }
  return page;
}

absl::StatusOr<SagaPage> MemorySagaStore::LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what,
                                                  absl::Time now, const std::vector<std::string>& without, int limit) {
  std::lock_guard lock(mutex_);
  std::set<std::pair<absl::Time, std::string>> due;
  for (const auto& [id, row] : sagas_) {
    const Saga& saga = row.saga;
    const bool is_of_it = definition == DefinitionVersion{saga.definition, saga.definition_version};
    const absl::Time due_at = row.DueAt(what);
    const bool is_due = due_at != absl::InfiniteFuture() && due_at <= now;
    if (std::count(without.begin(), without.end(), id) > 0) continue;
    if (is_of_it && is_due && saga.owner == lease.instance && !IsTerminal(saga.state)) due.insert({due_at, id});
  }
  SagaPage page;
  std::size_t bytes = 0;
  for (const auto& [at, id] : due) {
    if (page.rows() >= Limit(limit) || bytes >= page_bytes_max_) break;
    Append(page, sagas_.find(id)->second.saga);
    bytes += BytesOf(page.sagas.back());
  }
  return page;
}

absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> MemorySagaStore::CountUnstarted(
    absl::string_view instance) {
  std::lock_guard lock(mutex_);
  std::map<DefinitionVersion, std::int64_t> counts;
  for (const auto& [id, row] : sagas_) {
    if (row.saga.owner != instance || row.DueAt(DueFor::kStart) == absl::InfiniteFuture()) continue;
    ++counts[{row.saga.definition, row.saga.definition_version}];
  }
  return std::vector<std::pair<DefinitionVersion, std::int64_t>>(counts.begin(), counts.end());
}

absl::StatusOr<std::vector<RestingCount>> MemorySagaStore::CountResting(absl::string_view instance) {
  std::lock_guard lock(mutex_);
  std::map<DefinitionVersion, RestingCount> counts;
  for (const auto& [id, row] : sagas_) {
    if (row.saga.owner != instance || row.DueAt(DueFor::kPoll) == absl::InfiniteFuture()) continue;
    const DefinitionVersion definition = {row.saga.definition, row.saga.definition_version};
    RestingCount& count = counts.try_emplace(definition, RestingCount{definition, 0, row.waits_since}).first->second;
    ++count.sagas;
    count.oldest = std::min(count.oldest, row.waits_since);
  }
  std::vector<RestingCount> all;
  for (const auto& [definition, count] : counts) all.push_back(count);
  return all;
}

absl::StatusOr<int> MemorySagaStore::Purge(const Lease& lease, absl::Time before, int limit) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckLease(lease));
  int purged = 0;
  for (auto row = sagas_.begin(); row != sagas_.end() && purged < limit;) {
    const Saga& saga = row->second.saga;
    if (!IsTerminal(saga.state) || saga.update_time >= before) {
      ++row;
      continue;
    }
    ids_.erase(Key(saga.definition, saga.key_scope, saga.key));
    row = sagas_.erase(row);
    ++purged;
  }
  return purged;
}

absl::Status MemorySagaStore::PutDefinition(const StoredDefinition& definition) {
  std::lock_guard lock(mutex_);
  const DefinitionVersion id{definition.name, definition.version};
  Definition& kept = definitions_.try_emplace(id, Definition{definition, clock_->Now()}).first->second;
  if (kept.stored.hash == definition.hash) {
    kept.put_time = clock_->Now();
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat("version ", definition.version, " of definition ", definition.name,
                                               " is stored with other content; give the changed one a new version"));
}

absl::StatusOr<StoredDefinition> MemorySagaStore::LoadDefinition(absl::string_view name, int version) {
  std::lock_guard lock(mutex_);
  const auto found = definitions_.find({std::string(name), version});
  if (found != definitions_.end()) return found->second.stored;
  return absl::NotFoundError(absl::StrCat("version ", version, " of definition ", name, " is not stored"));
}

absl::StatusOr<std::vector<DefinitionVersion>> MemorySagaStore::StoredDefinitions() {
  std::lock_guard lock(mutex_);
  std::vector<DefinitionVersion> stored;
  for (const auto& [id, definition] : definitions_) stored.push_back(id);
  return stored;
}

absl::StatusOr<std::vector<DefinitionVersion>> MemorySagaStore::DefinitionsInUse() {
  std::lock_guard lock(mutex_);
  std::set<DefinitionVersion> used;
  for (const auto& [id, row] : sagas_) {
    if (!IsTerminal(row.saga.state)) used.insert({row.saga.definition, row.saga.definition_version});
  }
  return std::vector<DefinitionVersion>(used.begin(), used.end());
}

absl::StatusOr<std::vector<UnfinishedCount>> MemorySagaStore::CountUnfinished(absl::string_view instance) {
  std::lock_guard lock(mutex_);
  return Count([&](const Saga& saga) { return instance.empty() || saga.owner == instance; });
}

absl::StatusOr<std::vector<UnfinishedCount>> MemorySagaStore::CountOrphaned(absl::string_view instance) {
  std::lock_guard lock(mutex_);
  const absl::Time now = clock_->Now();
  return Count([&](const Saga& saga) { return saga.owner != instance && instances_[saga.owner].lease_until < now; });
}

std::vector<UnfinishedCount> MemorySagaStore::Count(const std::function<bool(const Saga&)>& is_counted) const {
  std::map<std::pair<DefinitionVersion, SagaState>, UnfinishedCount> counts;
  for (const auto& [id, row] : sagas_) {
    const Saga& saga = row.saga;
    if (IsTerminal(saga.state) || !is_counted(saga)) continue;
    const DefinitionVersion definition{saga.definition, saga.definition_version};
    UnfinishedCount& count = counts[{definition, saga.state}];
    const absl::Time oldest = count.sagas == 0 ? saga.create_time : std::min(count.oldest, saga.create_time);
    count = {definition, saga.state, count.sagas + 1, oldest};
  }
  std::vector<UnfinishedCount> all;
  for (auto& [key, count] : counts) all.push_back(std::move(count));
  return all;
}

absl::StatusOr<std::vector<DefinitionVersion>> MemorySagaStore::PurgeDefinitions(absl::Duration unused_for) {
  std::lock_guard lock(mutex_);
  std::set<DefinitionVersion> used;
  for (const auto& [id, row] : sagas_) used.insert({row.saga.definition, row.saga.definition_version});
  for (const Follower& follower : followers_.followers) used.insert(follower.definition);
  const absl::Time before = clock_->Now() - unused_for;
  std::vector<DefinitionVersion> purged;
  for (auto each = definitions_.begin(); each != definitions_.end();) {
    if (used.count(each->first) > 0 || each->second.put_time >= before) {
      ++each;
    } else {
      purged.push_back(each->first);
      each = definitions_.erase(each);
    }
  }
  return purged;
}

bool MemorySagaStore::IsStored(const std::string& definition) const {
  return std::any_of(definitions_.begin(), definitions_.end(),
                     [&](const auto& each) { return each.first.name == definition; });
}

absl::StatusOr<DefinitionPause> MemorySagaStore::PutPause(const std::string& definition, const std::string& actor,
                                                          const std::string& reason) {
  std::lock_guard lock(mutex_);
  if (!IsStored(definition)) return absl::NotFoundError(absl::StrCat("definition ", definition, " is not stored"));
  DefinitionPause& pause =
      pauses_.try_emplace(definition, DefinitionPause{definition, clock_->Now(), "", ""}).first->second;
  pause.actor = actor;
  pause.reason = reason;
  return pause;
}

absl::Status MemorySagaStore::RemovePause(const std::string& definition) {
  std::lock_guard lock(mutex_);
  if (pauses_.erase(definition) > 0 || IsStored(definition)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("definition ", definition, " is not stored"));
}

absl::StatusOr<std::vector<DefinitionPause>> MemorySagaStore::Pauses() {
  std::lock_guard lock(mutex_);
  std::vector<DefinitionPause> all;
  for (const auto& [definition, pause] : pauses_) all.push_back(pause);
  return all;
}

}  // namespace unwind
