#include "orchestrator/host/maintenance.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {
namespace {

constexpr absl::Duration kFirstPurge = absl::Minutes(1);
constexpr absl::Duration kPurgePause = absl::Minutes(10);
constexpr absl::Duration kPurgeBatchPause = absl::Milliseconds(100);
constexpr int kPurgeBatch = 500;
// How long a lapsed instance's sagas may wait, on average, and how many one transaction takes.
constexpr absl::Duration kClaimPause = absl::Seconds(1);
constexpr absl::Duration kClaimBatchPause = absl::Milliseconds(50);
constexpr int kClaimBatch = 256;
// How long a saga whose row is due may wait, if there is room for it; and while more wait than were found.
constexpr absl::Duration kSweepPause = absl::Milliseconds(200);
constexpr absl::Duration kSweepBatchPause = absl::Milliseconds(20);
constexpr absl::Duration kSweepPauseOnError = absl::Seconds(1);
// How long the sagas of a definition that no living instance knows may wait besides, on average.
constexpr absl::Duration kLearnPause = absl::Seconds(5);

}  // namespace

Maintenance::Maintenance(SagaStore& store, Driver& driver, DefinitionLearner& learner,
                         std::vector<std::shared_ptr<const Definition>> served, const Lease& lease,
                         absl::Duration retention)
    : store_(store),
      driver_(driver),
      learner_(learner),
      served_(std::move(served)),
      lease_(lease),
      retention_(retention),
      random_(std::random_device{}()),
      claiming_(kClaimPause, [this] { return ClaimLapsed(); }),
      sweeping_(kSweepPause, [this] { return TakeUpDue(); }),
      learning_(kLearnPause, [this] { return Learn(); }),
      purging_(kFirstPurge, [this] { return Purge(); }) {}

void Maintenance::Stop() {
  purging_.Stop();
  learning_.Stop();
  sweeping_.Stop();
  claiming_.Stop();
}

// The pause is jittered, so that several instances do not claim at the same moment.
absl::Duration Maintenance::ClaimLapsed() {
  const absl::StatusOr<int> claimed = driver_.Claim(kClaimBatch);
  if (!claimed.ok()) Log(Severity::kWarning, "no sagas could be claimed", {{"error", claimed.status().message()}});
  if (claimed.ok() && *claimed > 0) Log(Severity::kInfo, "took over sagas", {{"sagas", absl::StrCat(*claimed)}});
  if (claimed.ok() && *claimed == kClaimBatch) return kClaimBatchPause;
  return kClaimPause * std::uniform_real_distribution<double>(0.5, 1.5)(random_);
}

absl::Duration Maintenance::TakeUpDue() {
  const auto started = driver_.StartFollowers(), woken = driver_.WakeResting();
  for (const absl::Status& status : {started.status(), woken.status()}) {
    if (status.ok()) continue;
    Log(Severity::kWarning, "sagas that are due were not loaded", {{"error", status.message()}});
    return kSweepPauseOnError;
  }
  return started->may_be_more || woken->may_be_more ? kSweepBatchPause : kSweepPause;
}

absl::Duration Maintenance::Learn() {
  if (const int learnt = learner_.Learn(); learnt > 0) {
    Log(Severity::kInfo, "learnt definitions of unfinished sagas", {{"definitions", absl::StrCat(learnt)}});
    driver_.OnDefinitionsLearnt();
  }
  return kLearnPause;
}

absl::Duration Maintenance::Purge() {
  const absl::StatusOr<int> removed = store_.Purge(lease_, absl::Now() - retention_, kPurgeBatch);
  if (!removed.ok()) Log(Severity::kWarning, "old sagas were not purged", {{"error", removed.status().message()}});
  if (removed.ok() && *removed == kPurgeBatch) return kPurgeBatchPause;
  PurgeDefinitions();
  return kPurgePause;
}

// What is served is stored again first: that tells all instances that sagas of it may still be started.
void Maintenance::PurgeDefinitions() {
  const absl::Status stored = StoreDefinitions(store_, served_);
  const auto removed = stored.ok() ? store_.PurgeDefinitions(retention_) : stored;
  if (!removed.ok()) {
    Log(Severity::kWarning, "unused definitions were not purged", {{"error", removed.status().message()}});
    return;
  }
  for (const DefinitionVersion& each : *removed) {
    Log(Severity::kInfo, "purged an unused definition",
        {{"definition", each.name}, {"version", absl::StrCat(each.version)}});
  }
}

}  // namespace unwind
