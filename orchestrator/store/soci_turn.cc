#include "orchestrator/store/soci_turn.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/store/stored_text.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr char kCountLease[] = "SELECT COUNT(*) FROM instance WHERE id = :id AND epoch = :epoch";

constexpr char kInsertSaga[] =
    "INSERT INTO saga (id, definition, definition_version, key, input_hash, state, version, owner, cancel_requested,"
    " backward, next_run_at, deadline, create_time, update_time, traceparent, failure, steps, input)"
    " VALUES (:id, :definition, :definition_version, :key, :input_hash, :state, :version, :owner, :cancel_requested,"
    " :backward, :next_run_at, :deadline, :create_time, :update_time, :traceparent, :failure, :steps, :input)"
    " ON CONFLICT DO NOTHING";

// What was accepted never changes, so only the rest is written. The fence stands in the statement itself (S9).
constexpr char kUpdateSaga[] =
    "UPDATE saga SET state = :state, version = :version, cancel_requested = :cancel_requested, backward = :backward,"
    " next_run_at = :next_run_at, deadline = :deadline, update_time = :update_time, failure = :failure, steps = :steps"
    " WHERE id = :id AND version = :seen AND owner = :owner";

constexpr char kInsertEvent[] =
    "INSERT INTO saga_event (saga_id, seq, what, at, state, detail)"
    " VALUES (:saga_id, :seq, :what, :at, :state, :detail)";

constexpr char kCountKey[] = "SELECT COUNT(*) FROM saga WHERE definition = :definition AND key = :key";

// Prepares `query` with `uses` in the order of its parameters. They must outlive the statement.
template <class... Uses>
soci::statement Prepare(soci::session& sql, const char* query, const Uses&... uses) {
  auto statement = sql.prepare << query;
  return (statement, ..., use(uses));
}

}  // namespace

WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write) {
  WriteRows rows{.saga = EncodeSaga(write.saga), .seen = write.seen_version, .events = {}};
  rows.saga.owner = EncodeText(lease.instance);
  rows.saga.next_run_at = EncodeTime(write.next_run_at);
  rows.events.reserve(write.events.size());
  for (const HistoryEvent& event : write.events) rows.events.push_back(EncodeEvent(write.saga.id, event));
  return rows;
}

absl::Status LeaseIsOver(const Lease& lease) {
  return absl::AbortedError(absl::StrCat("epoch ", lease.epoch, " of instance ", lease.instance, " is over"));
}

SociTurn::SociTurn(soci::session& sql)
    : sql_(sql),
      count_lease_((sql.prepare << kCountLease, into(count_), use(instance_), use(epoch_))),
      insert_saga_(Prepare(sql, kInsertSaga, saga_.id, saga_.definition, saga_.definition_version, saga_.key,
                           saga_.input_hash, saga_.state, saga_.version, saga_.owner, saga_.cancel_requested,
                           saga_.backward, saga_.next_run_at, saga_.deadline, saga_.create_time, saga_.update_time,
                           saga_.traceparent, saga_.failure, saga_.steps, saga_.input)),
      update_saga_(Prepare(sql, kUpdateSaga, saga_.state, saga_.version, saga_.cancel_requested, saga_.backward,
                           saga_.next_run_at, saga_.deadline, saga_.update_time, saga_.failure, saga_.steps, saga_.id,
                           seen_, saga_.owner)),
      insert_event_(Prepare(sql, kInsertEvent, event_.saga_id, event_.seq, event_.what, event_.at, event_.state,
                            event_.detail)) {}

absl::Status SociTurn::CheckLease(const Lease& lease) {
  instance_ = EncodeText(lease.instance);
  epoch_ = lease.epoch;
  count_lease_.execute(true);
  const bool held = count_ == 1;
  while (count_lease_.fetch()) {  // to its end, or the statement would hold its snapshot open
  }
  return held ? absl::OkStatus() : LeaseIsOver(lease);
}

WriteResult SociTurn::Store(const WriteRows& rows) {
  saga_ = rows.saga;
  seen_ = rows.seen;
  soci::statement& store = seen_ == 0 ? insert_saga_ : update_saga_;
  store.execute(true);
  if (store.get_affected_rows() == 0) return seen_ == 0 ? WhyNotInserted() : WriteResult::kConflict;
  for (const EventRow& event : rows.events) {
    event_ = event;
    insert_event_.execute(true);
  }
  return WriteResult::kStored;
}

WriteResult SociTurn::WhyNotInserted() {
  long long count = 0;
  sql_ << kCountKey, into(count), use(saga_.definition), use(saga_.key);
  return count > 0 ? WriteResult::kKeyExists : WriteResult::kConflict;
}

}  // namespace unwind
