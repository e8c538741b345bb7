// What the store knows of definitions: those that are stored, paused, in use, and who follows whom.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/row_list.h"
#include "orchestrator/store/definition_rows.h"
#include "orchestrator/store/due_rows.h"
#include "orchestrator/store/follower_rows.h"
#include "orchestrator/store/pause_rows.h"
#include "orchestrator/store/saga_codec.h"
#include "orchestrator/store/saga_rows.h"
#include "orchestrator/store/soci_saga_store.h"

namespace unwind {
namespace {

std::string CannotBeRead(const DefinitionVersion& parent) {
  return absl::StrCat("what is stored of the followers of saga ", parent.name, " version ", parent.version,
                      " cannot be read: it is damaged, or a newer version wrote it");
}

}  // namespace

absl::Status SociSagaStore::PutDefinition(const StoredDefinition& definition) {
  return Write([&](soci::session& sql) { return PutDefinitionRow(sql, definition); });
}

absl::StatusOr<StoredDefinition> SociSagaStore::LoadDefinition(absl::string_view name, int version) {
  absl::StatusOr<StoredDefinition> one;
  RETURN_IF_ERROR(
      Read(lists_, [&](soci::session& sql) { return (one = LoadDefinitionRow(sql, name, version)).status(); }));
  return one;
}

absl::StatusOr<std::vector<DefinitionVersion>> SociSagaStore::StoredDefinitions() {
  std::vector<DefinitionVersion> stored;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    stored = StoredDefinitionRows(sql);
    return absl::OkStatus();
  }));
  return stored;
}

absl::StatusOr<std::vector<DefinitionVersion>> SociSagaStore::DefinitionsInUse() {
  std::vector<DefinitionVersion> used;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    used = DefinitionsOfUnfinished(sql);
    return absl::OkStatus();
  }));
  return used;
}

absl::StatusOr<std::vector<UnfinishedCount>> SociSagaStore::CountUnfinished(absl::string_view instance) {
  std::vector<UnfinishedCount> counts;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    counts = UnfinishedCounts(sql, std::string(instance));
    return absl::OkStatus();
  }));
  return counts;
}

absl::StatusOr<std::vector<UnfinishedCount>> SociSagaStore::CountOrphaned(absl::string_view instance) {
  std::vector<UnfinishedCount> counts;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    counts = OrphanedCounts(sql, std::string(instance));
    return absl::OkStatus();
  }));
  return counts;
}

absl::StatusOr<std::vector<DefinitionVersion>> SociSagaStore::PurgeDefinitions(absl::Duration unused_for) {
  std::vector<DefinitionVersion> unused;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    unused = UnusedDefinitions(sql, unused_for);
    return absl::OkStatus();
  }));
  if (unused.empty()) return unused;
  RETURN_IF_ERROR(Write([&](soci::session& sql) {
    RemoveDefinitions(sql, unused_for, unused);
    return absl::OkStatus();
  }));
  return unused;
}

absl::StatusOr<DefinitionPause> SociSagaStore::PutPause(const std::string& definition, const std::string& actor,
                                                        const std::string& reason) {
  absl::StatusOr<DefinitionPause> put;
  RETURN_IF_ERROR(
      Write([&](soci::session& sql) { return (put = PutPauseRow(sql, definition, actor, reason)).status(); }));
  return put;
}

absl::Status SociSagaStore::RemovePause(const std::string& definition) {
  return Write([&](soci::session& sql) { return RemovePauseRow(sql, definition); });
}

absl::StatusOr<std::vector<DefinitionPause>> SociSagaStore::Pauses() {
  std::vector<DefinitionPause> pauses;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    pauses = PauseRows(sql);
    return absl::OkStatus();
  }));
  return pauses;
}

std::shared_ptr<const FollowerSet> SociSagaStore::KnownFollowers() {
  std::lock_guard lock(mutex_);
  return followers_;
}

absl::StatusOr<std::shared_ptr<const FollowerSet>> SociSagaStore::ReadFollowers() {
  const auto set = std::make_shared<FollowerSet>();
  RETURN_IF_ERROR(look_ups_.With([&](Connection& reader) {
    return reader.Read([&](soci::session& sql) {
      *set = FollowersOf(sql);
      return absl::OkStatus();
    });
  }));
  const bool is_readable = std::none_of(set->followers.begin(), set->followers.end(),
                                        [](const Follower& each) { return each.unreadable.has_value(); });
  std::lock_guard lock(mutex_);
  followers_ = is_readable ? set : nullptr;
  return set;
}

absl::Status SociSagaStore::CheckCanEnd(const FollowerSet& set, const std::vector<SagaWrite>& writes) {
  for (const Follower& each : set.followers) {
    if (!each.unreadable.has_value()) continue;
    for (const SagaWrite& write : writes) {
      const DefinitionVersion parent{write.saga.definition, write.saga.definition_version};
      if (parent == each.parent && IsTerminal(write.saga.state)) return absl::DataLossError(CannotBeRead(parent));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FollowerSet> SociSagaStore::Followers() {
  ASSIGN_OR_RETURN(const std::shared_ptr<const FollowerSet> set, ReadFollowers());
  return *set;
}

absl::Status SociSagaStore::PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) {
  return Write([&](soci::session& sql) { return PutFollowerRows(sql, seen_generation, followers); });
}

absl::StatusOr<std::vector<Child>> SociSagaStore::Children(absl::string_view parent_id) {
  const std::string id(parent_id);
  std::vector<Child> children;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    children = ChildRows(sql, id);
    return absl::OkStatus();
  }));
  return children;
}

absl::StatusOr<SagaPage> SociSagaStore::LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what,
                                                absl::Time now, const std::vector<std::string>& without, int limit) {
  const long long until = EncodeTime(now);
  const std::string but = IdRows(without);
  const int most = Limit(limit);
  SagaPage page;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    page = DuePage(sql, lease.instance, definition, what, until, but, most);
    return absl::OkStatus();
  }));
  return page;
}

absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> SociSagaStore::CountUnstarted(
    absl::string_view instance) {
  const std::string owner(instance);
  std::vector<std::pair<DefinitionVersion, std::int64_t>> counts;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    counts = UnstartedCounts(sql, owner);
    return absl::OkStatus();
  }));
  return counts;
}

absl::StatusOr<std::vector<RestingCount>> SociSagaStore::CountResting(absl::string_view instance) {
  const std::string owner(instance);
  std::vector<RestingCount> counts;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    counts = RestingCounts(sql, owner);
    return absl::OkStatus();
  }));
  return counts;
}

}  // namespace unwind
