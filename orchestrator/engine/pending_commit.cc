#include "orchestrator/engine/pending_commit.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace unwind {
namespace {

constexpr absl::Duration kStorePauseMin = absl::Milliseconds(20);
constexpr absl::Duration kStorePauseMax = absl::Seconds(2);

}  // namespace

bool IsTransient(const absl::Status& status) { return absl::IsUnavailable(status); }

PendingWrite& PendingCommit::Of(const LiveSaga& live) {
  const auto [it, fresh] = pending_.try_emplace(live.saga.id);
  if (fresh) it->second.seen_version = live.saga.version;
  return it->second;
}

std::vector<Landed> PendingCommit::Commit(absl::Time now) {
  std::vector<Landed> landed;
  if (writes_.empty()) Prepare();
  if (std::exchange(outcome_unknown_, false)) TakeStored(landed);
  if (writes_.empty()) return landed;
  const absl::Time before = context_.clock.Now();
  const absl::StatusOr<std::vector<WriteResult>> results = context_.store.Commit(context_.lease, writes_);
  if (!results.ok()) {
    Log(Severity::kError, "the turn's commit failed",
        {{"error", results.status().message()}, {"sagas", absl::StrCat(writes_.size())}});
    // ABORTED: fenced. Anything else is a bug or a broken database: drive nothing on it.
    if (!IsTransient(results.status())) context_.lease_lost = true;
    outcome_unknown_ = true;
    StoreFailed(now);
    return landed;
  }
  pause_ = absl::ZeroDuration();
  std::size_t events = 0;
  for (const SagaWrite& write : writes_) events += write.events.size();
  context_.observer.OnTurn(events, writes_.size(), context_.clock.Now() - before);
  for (std::size_t i = 0; i < writes_.size(); ++i) landed.push_back(Take(writes_[i].saga.id, (*results)[i]));
  writes_.clear();
  return landed;
}

void PendingCommit::Prepare() {
  for (const auto& [saga_id, pending] : pending_) {
    const LiveSaga& live = *live_.Find(saga_id);
    writes_.push_back({.seen_version = pending.seen_version,
                       .saga = live.saga,
                       .next_run_at = NextRunAt(live.definition->plan(), live.saga),
                       .events = pending.events});
  }
}

// Of a commit whose outcome is unknown, what is stored is not written again. The version makes the repeat of a write
// that lands late harmless.
void PendingCommit::TakeStored(std::vector<Landed>& landed) {
  std::erase_if(writes_, [&](const SagaWrite& write) {
    const absl::StatusOr<Saga> stored = context_.store.Load(write.saga.id);
    if (!stored.ok() || *stored != write.saga) return false;
    landed.push_back(Take(write.saga.id, WriteResult::kStored));
    return true;
  });
}

Landed PendingCommit::Take(const std::string& saga_id, WriteResult result) {
  return {saga_id, result, std::move(pending_.extract(saga_id).mapped())};
}

void PendingCommit::StoreFailed(absl::Time now) {
  pause_ = std::clamp(pause_ * 2, kStorePauseMin, kStorePauseMax);
  retry_at_ = now + pause_;
}

bool PendingCommit::StoreIsDown(absl::Time now) const {
  return now < retry_at_ && retry_at_ - now <= kStorePauseMax;  // a clock set back ends the pause
}

std::vector<AskMail> PendingCommit::TakeExpired(absl::Time now) {
  std::vector<AskMail> expired;
  const auto stays = [now](const AskMail& ask) { return ask.waiter.answer_by > now; };
  for (auto& [saga_id, pending] : pending_) {
    const auto first = std::stable_partition(pending.asks.begin(), pending.asks.end(), stays);
    std::move(first, pending.asks.end(), std::back_inserter(expired));
    pending.asks.erase(first, pending.asks.end());
  }
  return expired;
}

}  // namespace unwind
