#include "tests/support/memory_saga_store.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

std::size_t Limit(int limit) { return static_cast<std::size_t>(std::max(limit, 0)); }

}  // namespace

absl::Status MemorySagaStore::CheckLease(const Lease& lease) const {
  const auto instance = instances_.find(lease.instance);
  if (instance != instances_.end() && instance->second.epoch == lease.epoch) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("epoch ", lease.epoch, " of instance ", lease.instance, " is over"));
}

WriteResult MemorySagaStore::Insert(const Lease& lease, const SagaWrite& write) {
  const Key key(write.saga.definition, write.saga.key);
  if (ids_.count(key) != 0) return WriteResult::kKeyExists;
  if (sagas_.count(write.saga.id) != 0) return WriteResult::kConflict;
  ids_[key] = write.saga.id;
  Row& row = sagas_[write.saga.id];
  row = {.saga = write.saga, .history = write.events};
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
  row.history.insert(row.history.end(), write.events.begin(), write.events.end());
  return WriteResult::kStored;
}

absl::StatusOr<std::vector<WriteResult>> MemorySagaStore::Commit(const Lease& lease,
                                                                 const std::vector<SagaWrite>& writes) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckLease(lease));
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  for (const SagaWrite& write : writes) results.push_back(Store(lease, write));
  return results;
}

absl::StatusOr<Saga> MemorySagaStore::Load(absl::string_view saga_id) {
  std::lock_guard lock(mutex_);
  const auto row = sagas_.find(saga_id);
  if (row == sagas_.end()) return absl::NotFoundError(absl::StrCat("there is no saga ", saga_id));
  return row->second.saga;
}

absl::StatusOr<Saga> MemorySagaStore::LoadByKey(absl::string_view definition, absl::string_view key) {
  std::lock_guard lock(mutex_);
  const auto id = ids_.find(Key(definition, key));
  if (id == ids_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no saga of definition ", definition, " with key ", key));
  }
  return sagas_.find(id->second)->second.saga;
}

absl::StatusOr<std::vector<Saga>> MemorySagaStore::List(const SagaFilter& filter) {
  std::lock_guard lock(mutex_);
  std::vector<Saga> page;
  auto row = filter.before_id.empty() ? sagas_.end() : sagas_.lower_bound(filter.before_id);
  while (row != sagas_.begin() && page.size() < Limit(filter.limit)) {
    const Saga& saga = (--row)->second.saga;
    if (!filter.definition.empty() && saga.definition != filter.definition) continue;
    if (filter.state.has_value() && saga.state != *filter.state) continue;
    page.push_back(saga);
  }
  return page;
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

absl::StatusOr<std::vector<Saga>> MemorySagaStore::Claim(const Lease& lease, int limit) {
  std::lock_guard lock(mutex_);
  std::vector<Saga> claimed;
  if (!CheckLease(lease).ok()) return claimed;
  const absl::Time now = clock_->Now();
  for (const bool goes_back : {true, false}) {
    for (auto& [id, row] : sagas_) {
      Saga& saga = row.saga;
      if (IsTerminal(saga.state) || (saga.state == SagaState::kCompensating) != goes_back) continue;
      if (instances_[saga.owner].lease_until >= now || claimed.size() >= Limit(limit)) continue;
      saga.owner = lease.instance;
      claimed.push_back(saga);
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

absl::StatusOr<std::vector<Saga>> MemorySagaStore::LoadOwned(const Lease& lease, absl::string_view after_id,
                                                             int limit) {
  std::lock_guard lock(mutex_);
  std::vector<Saga> page;
  for (auto row = sagas_.upper_bound(after_id); row != sagas_.end() && page.size() < Limit(limit); ++row) {
    const Saga& saga = row->second.saga;
    if (saga.owner == lease.instance && !IsTerminal(saga.state)) page.push_back(saga);
  }
  return page;
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
    ids_.erase(Key(saga.definition, saga.key));
    row = sagas_.erase(row);
    ++purged;
  }
  return purged;
}

absl::Status MemorySagaStore::PutDefinition(const StoredDefinition& definition) {
  std::lock_guard lock(mutex_);
  const auto [stored, inserted] = definitions_.try_emplace({definition.name, definition.version}, definition);
  if (inserted || stored->second.hash == definition.hash) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("version ", definition.version, " of definition ", definition.name,
                                               " is stored with other content; give the changed one a new version"));
}

absl::StatusOr<std::vector<StoredDefinition>> MemorySagaStore::LoadDefinitions() {
  std::lock_guard lock(mutex_);
  std::vector<StoredDefinition> all;
  for (const auto& [id, definition] : definitions_) all.push_back(definition);
  return all;
}

}  // namespace unwind
