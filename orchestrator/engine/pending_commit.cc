#include "orchestrator/engine/pending_commit.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/engine/saga_bytes.h"

namespace unwind {
namespace {

constexpr absl::Duration kStorePauseMin = absl::Milliseconds(20);
constexpr absl::Duration kStorePauseMax = absl::Seconds(2);
constexpr std::size_t kRowBytes = 512;  // of a saga or an event, besides what its participants and callers chose

// About as much as the write puts into a transaction.
std::size_t BytesIn(const SagaWrite& write) {
  std::size_t bytes = kRowBytes + BytesOf(write.saga);
  for (const HistoryEvent& event : write.events) bytes += kRowBytes + BytesOf(event.event);
  return bytes;
}

// Of what was to be written: neither is the store away nor the lease lost.
bool IsRefusal(const absl::Status& status) {
  return !status.ok() && !absl::IsUnavailable(status) && !absl::IsAborted(status);
}

}  // namespace

PendingWrite& PendingCommit::Of(const LiveSaga& live) {
  const auto [it, fresh] = pending_.try_emplace(live.saga.id);
  if (fresh) {
    it->second.seen_version = live.saga.version;
    it->second.was_due = live.saga.due_at != absl::InfiniteFuture();
    bytes_ += kRowBytes + live.payload.bytes();
  }
  return it->second;
}

// A part that the store refuses is halved until the write that it refuses stands alone; then parts grow again.
std::vector<Landed> PendingCommit::Commit() {
  std::vector<Landed> landed;
  if (writes_.empty()) Prepare();
  if (outcome_unknown_ && !TakeStored(landed)) return landed;
  std::size_t writes_max = writes_.size();
  while (!writes_.empty()) {
    std::vector<SagaWrite> part = TakePart(writes_max);
    absl::Status status = CommitPart(part, landed);
    if (status.ok()) {
      writes_max = std::max(writes_max, 2 * part.size());
      continue;
    }
    if (IsRefusal(status) && part.size() == 1) {
      const absl::Status proved = ProveRefusal(part, landed, status);
      if (status.ok()) continue;
      if (proved.ok()) {
        landed.push_back(Take(part[0].saga.id, std::move(status)));
        continue;
      }
      status = proved;
    }
    writes_.insert(writes_.begin(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    if (!IsRefusal(status) || part.size() == 1) {
      CommitFailed(status);
      break;
    }
    writes_max = part.size() / 2;
  }
  SetFailing(!writes_.empty());
  return landed;
}

void PendingCommit::SetFailing(bool failing) {
  if (failing == is_failing_) return;
  is_failing_ = failing;
  context_.shards_failing += failing ? 1 : -1;
}

// OK: `part`, one write that was refused with `status`, is at fault, since the store takes others. It may have begun to
// take any only meanwhile, so the write is tried once more, between two trials of none; `status` becomes that trial's.
absl::Status PendingCommit::ProveRefusal(const std::vector<SagaWrite>& part, std::vector<Landed>& landed,
                                         absl::Status& status) {
  const auto takes_others = [this] { return context_.store.Commit(context_.lease, {}).status(); };
  if (absl::Status others = takes_others(); !others.ok()) return others;
  status = CommitPart(part, landed);
  return IsRefusal(status) ? takes_others() : status;
}

void PendingCommit::CommitFailed(const absl::Status& status) {
  Log(Severity::kError, "the turn's commit failed",
      {{"error", status.message()}, {"sagas", absl::StrCat(writes_.size())}});
  if (absl::IsAborted(status)) context_.lease_lost = true;
  outcome_unknown_ = true;
  context_.observer.OnCommitFailed();
  StoreFailed();
}

void PendingCommit::Prepare() {
  for (const auto& [saga_id, pending] : pending_) {
    const LiveSaga& live = *live_.Find(saga_id);
    const Plan& plan = live.definition->plan();
    SagaWrite& write = writes_.emplace_back();
    write.seen_version = pending.seen_version;
    write.saga = live.saga;
    write.next_run_at = NextRunAt(plan, live.saga);
    write.events = pending.events;
    const bool is_due = live.saga.due_at != absl::InfiniteFuture();
    write.changes_due_at = is_due || pending.was_due;
    if (const auto waits_since = WaitsSince(plan, live.saga); is_due && waits_since.has_value()) {
      write.waits_since = *waits_since;
      write.wait_ends_at = EndsAt(plan, live.saga);
    }
  }
}

// Of a commit whose outcome is unknown, what is stored is not written again. The version makes the repeat of a write
// that lands late harmless. False: it cannot be known now.
bool PendingCommit::TakeStored(std::vector<Landed>& landed) {
  std::vector<std::string> ids;
  for (const SagaWrite& write : writes_) ids.push_back(write.saga.id);
  while (!ids.empty()) {
    const absl::StatusOr<SagaPage> stored = context_.store.LoadMany(ids);
    if (!stored.ok()) {
      StoreFailed();
      return false;
    }
    std::map<std::string, const Saga*> rows;
    for (const Saga& row : stored->sagas) rows[row.id] = &row;
    std::erase_if(writes_, [&](const SagaWrite& write) {
      const auto row = rows.find(write.saga.id);
      if (row == rows.end() || *row->second != write.saga) return false;
      landed.push_back(Take(write.saga.id, WriteResult::kStored));
      return true;
    });
    std::erase_if(ids, [&](const std::string& id) { return !stored->is_cut || id <= stored->last_id; });
  }
  outcome_unknown_ = false;
  return true;
}

std::vector<SagaWrite> PendingCommit::TakePart(std::size_t writes_max) {
  std::size_t size = 0;
  for (std::size_t bytes = 0; size < std::min(writes_max, writes_.size()); ++size) {
    bytes += BytesIn(writes_[size]);
    if (size > 0 && bytes > context_.options.turn_bytes_max) break;
  }
  if (size == writes_.size()) return std::exchange(writes_, {});
  const auto end = writes_.begin() + static_cast<std::ptrdiff_t>(size);
  std::vector<SagaWrite> part(std::make_move_iterator(writes_.begin()), std::make_move_iterator(end));
  writes_.erase(writes_.begin(), end);
  return part;
}

absl::Status PendingCommit::CommitPart(const std::vector<SagaWrite>& part, std::vector<Landed>& landed) {
  const absl::Time before = context_.clock.Now();
  const absl::StatusOr<std::vector<WriteResult>> results = context_.store.Commit(context_.lease, part);
  if (!results.ok()) return results.status();
  pause_ = absl::ZeroDuration();
  std::size_t events = 0;
  for (const SagaWrite& write : part) events += write.events.size();
  context_.observer.OnTurn(events, part.size(), context_.clock.Now() - before);
  for (std::size_t i = 0; i < part.size(); ++i) landed.push_back(Take(part[i].saga.id, (*results)[i]));
  return absl::OkStatus();
}

Landed PendingCommit::Take(const std::string& saga_id, absl::StatusOr<WriteResult> result) {
  PendingWrite write = std::move(pending_.extract(saga_id).mapped());
  if (pending_.empty()) bytes_ = 0;
  return {saga_id, std::move(result), std::move(write)};
}

void PendingCommit::StoreFailed() {
  pause_ = std::clamp(pause_ * 2, kStorePauseMin, kStorePauseMax);
  retry_at_ = context_.clock.Now() + pause_;
}

bool PendingCommit::StoreIsDown(absl::Time now) const {
  return now < retry_at_ && retry_at_ - now <= kStorePauseMax;  // a clock set back ends the pause
}

}  // namespace unwind
