#include "orchestrator/store/sqlite_commit.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/core/names.h"
#include "orchestrator/store/follower_rows.h"
#include "orchestrator/store/instance_rows.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr char kInsertSaga[] =
    "INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner, next_run_at,"
    " create_time, update_time, accepted, progress)"
    " VALUES (:id, :definition, :definition_version, :key_scope, :key, :state, :version, :owner, :next_run_at,"
    " :create_time, :update_time, CAST(:accepted AS BLOB), CAST(:progress AS BLOB))"
    " ON CONFLICT DO NOTHING";

// What was accepted never changes, so only the rest is written. The fence stands in the statement itself (S9).
#define PROGRESS                                                                                \
  "UPDATE saga SET version = :version, next_run_at = :next_run_at, update_time = :update_time," \
  " progress = CAST(:progress AS BLOB)"
#define FENCE " id = :id AND version = :seen AND owner = :owner"
constexpr char kUpdateSaga[] = PROGRESS ", state = :state WHERE" FENCE;
// Most transitions leave the state as it is. An UPDATE that named it would write every index that has it all the same.
constexpr char kUpdateSagaInState[] = PROGRESS " WHERE state = :state AND" FENCE;
// So it is with the times when the row is due, which only few transitions change: most of them in a saga that stays
// RUNNING, for it rests, asks, and rests again.
#define DUE                                                     \
  ", due_at = NULLIF(:due_at, 9223372036854775807),"            \
  " wait_ends_at = NULLIF(:wait_ends_at, 9223372036854775807)," \
  " waits_since = NULLIF(:waits_since, 9223372036854775807)"
constexpr char kUpdateSagaAndDue[] = PROGRESS DUE ", state = :state WHERE" FENCE;
constexpr char kUpdateDueInState[] = PROGRESS DUE " WHERE state = :state AND" FENCE;
#undef DUE
#undef PROGRESS
#undef FENCE

constexpr char kInsertChild[] =
    "INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner, next_run_at,"
    " create_time, update_time, accepted, progress, parent, due_at)"
    " VALUES (:id, :definition, :definition_version, :key_scope, :key, :state, :version, :owner, :next_run_at,"
    " :create_time, :update_time, CAST(:accepted AS BLOB), CAST(:progress AS BLOB), :parent,"
    " NULLIF(:due_at, 9223372036854775807))"
    " ON CONFLICT DO NOTHING";

constexpr char kInsertEvent[] =
    "INSERT INTO saga_event (saga_id, seq, what, at, state, detail)"
    " VALUES (:saga_id, :seq, :what, :at, :state, CAST(:detail AS BLOB))";

constexpr char kCountKey[] =
    "SELECT COUNT(*) FROM saga WHERE definition = :definition AND key = :key AND key_scope IN (:key_scope, '')"
    " AND id <> :id";

// Both choose the same sagas, by the index saga_finished.
constexpr char kPurgeEvents[] =
    "DELETE FROM saga_event WHERE saga_id IN (SELECT id FROM saga WHERE +state IN (3, 4) AND create_time < :before"
    " AND update_time < :before2 ORDER BY create_time, id LIMIT :limit)";
constexpr char kPurgeSagas[] =
    "DELETE FROM saga WHERE id IN (SELECT id FROM saga WHERE +state IN (3, 4) AND create_time < :before"
    " AND update_time < :before2 ORDER BY create_time, id LIMIT :limit)";

// The statements of one transaction, each bound once to the members that it reads. One row at a time: in SQLite that is
// faster than one set-based statement over a JSON parameter.
class SqliteCommit {
 public:
  explicit SqliteCommit(soci::session& sql)
      : sql_(sql),
        insert_saga_(sql, kInsertSaga, use(saga_.id), use(saga_.definition), use(saga_.definition_version),
                     use(saga_.key_scope), use(saga_.key), use(saga_.state), use(saga_.version), use(saga_.owner),
                     use(saga_.next_run_at), use(saga_.create_time), use(saga_.update_time), use(saga_.accepted),
                     use(saga_.progress)),
        update_saga_(sql, kUpdateSaga, use(saga_.version), use(saga_.next_run_at), use(saga_.update_time),
                     use(saga_.progress), use(saga_.state), use(saga_.id), use(seen_), use(saga_.owner)),
        update_saga_in_state_(sql, kUpdateSagaInState, use(saga_.version), use(saga_.next_run_at),
                              use(saga_.update_time), use(saga_.progress), use(saga_.state), use(saga_.id), use(seen_),
                              use(saga_.owner)),
        insert_event_(sql, kInsertEvent, use(event_.saga_id), use(event_.seq), use(event_.what), use(event_.at),
                      use(event_.state), use(event_.detail)) {}

  WriteResult Store(const WriteRows& rows) {
    saga_ = rows.saga;
    seen_ = rows.seen;
    if (seen_ == 0) {
      // Without a scope the unique key says it.
      if (!saga_.key_scope.empty() && IsKeyTaken()) return WriteResult::kKeyExists;
      if (insert_saga_.CountChanges() == 0) return IsKeyTaken() ? WriteResult::kKeyExists : WriteResult::kConflict;
    } else if (!Update(rows.changes_due_at)) {
      return WriteResult::kConflict;
    }
    StoreEvents(rows);
    for (const WriteRows& birth : rows.births) Bear(birth);
    return WriteResult::kStored;
  }

 private:
  bool Update(bool changes_due_at) {
    if (!changes_due_at) return update_saga_in_state_.CountChanges() > 0 || update_saga_.CountChanges() > 0;
    return UpdateDue(kUpdateDueInState) || UpdateDue(kUpdateSagaAndDue);
  }

  bool UpdateDue(const char* update) {
    return Statement(sql_, update, use(saga_.version), use(saga_.next_run_at), use(saga_.update_time),
                     use(saga_.progress), use(saga_.due_at), use(saga_.wait_ends_at), use(saga_.waits_since),
                     use(saga_.state), use(saga_.id), use(seen_), use(saga_.owner))
               .CountChanges() > 0;
  }

  void StoreEvents(const WriteRows& rows) {
    for (const EventRow& event : rows.events) {
      event_ = event;
      insert_event_.CountChanges();
    }
  }

  // One that is there already stays as it is.
  void Bear(const WriteRows& birth) {
    const SagaRow& s = birth.saga;
    const long long born =
        Statement(sql_, kInsertChild, use(s.id), use(s.definition), use(s.definition_version), use(s.key_scope),
                  use(s.key), use(s.state), use(s.version), use(s.owner), use(s.next_run_at), use(s.create_time),
                  use(s.update_time), use(s.accepted), use(s.progress), use(s.parent), use(s.due_at))
            .CountChanges();
    if (born > 0) StoreEvents(birth);
  }

  // By another saga, in the scope of this one or in that of callers who are not told apart.
  bool IsKeyTaken() {
    long long count = 0;
    RunOnce(sql_, kCountKey, into(count), use(saga_.definition), use(saga_.key), use(saga_.key_scope), use(saga_.id));
    return count > 0;
  }

  soci::session& sql_;
  SagaRow saga_;
  EventRow event_;
  long long seen_ = 0;
  Statement insert_saga_, update_saga_, update_saga_in_state_, insert_event_;
};

// Which call a crash point is about, such as place-order/2/resolve: the store does not know the names of steps.
std::string CallOf(const Saga& saga, const Event& event) {
  const auto* const reply = std::get_if<Replied>(&event);
  return absl::StrCat(saga.definition, "/",
                      reply == nullptr ? NameOf(event) : absl::StrCat(reply->step, "/", NameOf(reply->phase)));
}

}  // namespace

absl::StatusOr<std::optional<std::vector<WriteResult>>> CommitOnSqlite(Connection& connection, const Lease& lease,
                                                                       const std::vector<SagaWrite>& writes,
                                                                       const std::vector<WriteRows>& rows,
                                                                       std::int64_t followers) {
  std::vector<WriteResult> results;
  results.reserve(rows.size());
  const bool ends =
      std::any_of(writes.begin(), writes.end(), [](const SagaWrite& write) { return IsTerminal(write.saga.state); });
  bool outdated = false;
  const auto store = [&](soci::session& sql) -> absl::Status {
    RETURN_IF_ERROR(HoldLease(sql, lease));
    outdated = ends && FollowerGeneration(sql) != followers;
    if (outdated) return absl::OkStatus();
    SqliteCommit commit(sql);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      results.push_back(commit.Store(rows[i]));
      for (const HistoryEvent& each : writes[i].events) {
        CRASH_POINT("orchestrator.in_commit", CallOf(writes[i].saga, each.event));
      }
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(connection.Write(store));
  if (outdated) return std::nullopt;
  return results;
}

absl::StatusOr<int> PurgeOnSqlite(Connection& connection, const Lease& lease, long long before, int limit) {
  int purged = 0;
  const auto purge = [&](soci::session& sql) -> absl::Status {
    RETURN_IF_ERROR(HoldLease(sql, lease));
    RunOnce(sql, kPurgeEvents, use(before), use(before), use(limit));
    purged = static_cast<int>(Statement(sql, kPurgeSagas, use(before), use(before), use(limit)).CountChanges());
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(connection.Write(purge));
  return purged;
}

}  // namespace unwind
