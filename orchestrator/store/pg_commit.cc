#include "orchestrator/store/pg_commit.h"

#include <map>
#include <set>
#include <string>

#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/pg_array.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

// Locked against Acquire, which waits for the commit; not against Renew.
#define HELD                                                                                                  \
  "WITH held AS MATERIALIZED (SELECT 1 FROM instance WHERE id = :instance AND epoch = CAST(:epoch AS bigint)" \
  " FOR KEY SHARE)"

// Who inserts a key waits for who is inserting it; in one order of keys no two turns wait for each other.
// The columns of an update bring the last event of its history with them, so that no join is needed to know whether it
// must be stored; the events of an insert, and the others of an update with several, are looked up. The first row that
// comes back says that the lease is held, each further one is the id of what was stored.
constexpr char kCommit[] = HELD
    ", updated AS (UPDATE saga AS s SET state = u.state, version = u.version, next_run_at = u.next_run_at,"
    " update_time = u.update_time, progress = u.progress"
    " FROM unnest(CAST(:u0 AS text[]), CAST(:u1 AS bigint[]), CAST(:u2 AS bigint[]), CAST(:u3 AS bigint[]),"
    " CAST(:u4 AS bigint[]), CAST(:u5 AS bigint[]), CAST(:u6 AS bytea[]), CAST(:u7 AS text[]), CAST(:u8 AS bigint[]),"
    " CAST(:u9 AS bigint[]), CAST(:u10 AS bigint[]), CAST(:u11 AS bytea[]))"
    " AS u(id, seen, version, state, next_run_at, update_time, progress, what, seq, at, state_then, detail)"
    " WHERE s.id = u.id AND s.version = u.seen AND s.owner = CAST(:owner AS text) AND EXISTS (SELECT 1 FROM held)"
    " RETURNING s.id, u.seq, u.what, u.at, u.state_then, u.detail)"
    ", inserted AS (INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner,"
    " next_run_at, create_time, update_time, accepted, progress)"
    " SELECT n.id, n.definition, n.definition_version, n.key_scope, n.key, n.state, n.version, CAST(:owner2 AS text),"
    " n.next_run_at, n.create_time, n.update_time, n.accepted, n.progress"
    " FROM unnest(CAST(:n0 AS text[]), CAST(:n1 AS text[]), CAST(:n2 AS bigint[]), CAST(:n3 AS text[]),"
    " CAST(:n4 AS text[]), CAST(:n5 AS bigint[]), CAST(:n6 AS bigint[]), CAST(:n7 AS bigint[]),"
    " CAST(:n8 AS bigint[]), CAST(:n9 AS bigint[]), CAST(:n10 AS bytea[]), CAST(:n11 AS bytea[]))"
    " AS n(id, definition, definition_version, key_scope, key, state, version, next_run_at, create_time, update_time,"
    " accepted, progress)"
    " WHERE EXISTS (SELECT 1 FROM held) AND NOT (n.key_scope <> '' AND EXISTS (SELECT 1 FROM saga AS o"
    " WHERE o.definition = n.definition AND o.key = n.key AND o.key_scope = ''))"
    " ORDER BY n.definition, n.key_scope, n.key ON CONFLICT DO NOTHING RETURNING id)"
    ", last_events AS (INSERT INTO saga_event (saga_id, seq, what, at, state, detail)"
    " SELECT id, seq, what, at, state_then, detail FROM updated)"
    ", other_events AS (INSERT INTO saga_event (saga_id, seq, what, at, state, detail)"
    " SELECT e.saga_id, e.seq, e.what, e.at, e.state, e.detail"
    " FROM unnest(CAST(:e0 AS text[]), CAST(:e1 AS bigint[]), CAST(:e2 AS text[]), CAST(:e3 AS bigint[]),"
    " CAST(:e4 AS bigint[]), CAST(:e5 AS bytea[])) AS e(saga_id, seq, what, at, state, detail)"
    " WHERE e.saga_id IN (SELECT id FROM inserted UNION ALL SELECT id FROM updated))"
    " SELECT '' FROM held UNION ALL SELECT id FROM updated UNION ALL SELECT id FROM inserted";

constexpr char kTakenKeys[] =
    "SELECT n.id FROM unnest(CAST(:ids AS text[]), CAST(:definitions AS text[]), CAST(:keys AS text[]),"
    " CAST(:scopes AS text[])) AS n(id, definition, key, key_scope)"
    " JOIN saga AS s ON s.definition = n.definition AND s.key = n.key AND s.key_scope IN (n.key_scope, '')"
    " AND s.id <> n.id";

constexpr char kPurge[] = HELD
    ", gone AS (DELETE FROM saga WHERE EXISTS (SELECT 1 FROM held) AND id IN (SELECT id FROM saga"
    " WHERE state IN (3, 4) AND create_time < CAST(:before AS bigint) AND update_time < CAST(:before2 AS bigint)"
    " ORDER BY create_time, id LIMIT CAST(:limit AS bigint) FOR UPDATE SKIP LOCKED) RETURNING id)"
    ", history AS (DELETE FROM saga_event WHERE saga_id IN (SELECT id FROM gone))"
    " SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM gone)";

#undef HELD

// Writes of different sagas.
using Round = std::vector<const WriteRows*>;

// A batch in which sagas occur more than once takes as many statements.
std::vector<Round> RoundsOf(const std::vector<WriteRows>& writes) {
  std::map<std::string, std::size_t> seen;
  std::vector<Round> rounds;
  for (const WriteRows& write : writes) {
    const std::size_t round = seen[write.saga.id]++;
    if (round == rounds.size()) rounds.emplace_back();
    rounds[round].push_back(&write);
  }
  return rounds;
}

// The parameters of kCommit.
struct CommitRows {
  explicit CommitRows(const Round& round) {
    for (const WriteRows* write : round) {
      const SagaRow& s = write->saga;
      std::size_t others = write->events.size();
      if (write->seen == 0) {
        inserts.Add(s.id, s.definition, s.definition_version, s.key_scope, s.key, s.state, s.version, s.next_run_at,
                    s.create_time, s.update_time, PgBytes{s.accepted}, PgBytes{s.progress});
      } else {
        CHECK(!write->events.empty());
        const EventRow& last = write->events.back();
        updates.Add(s.id, write->seen, s.version, s.state, s.next_run_at, s.update_time, PgBytes{s.progress}, last.what,
                    last.seq, last.at, last.state, PgBytes{last.detail});
        --others;
      }
      for (std::size_t i = 0; i < others; ++i) {
        const EventRow& e = write->events[i];
        events.Add(e.saga_id, e.seq, e.what, e.at, e.state, PgBytes{e.detail});
      }
    }
    updates.Close();
    inserts.Close();
    events.Close();
  }

  PgColumns<12> updates;
  PgColumns<12> inserts;
  PgColumns<6> events;
};

// Adds the ids of what was stored to `stored`; false if the lease is not held.
bool StoreRound(soci::session& sql, const std::string& instance, long long epoch, const CommitRows& rows,
                std::set<std::string>& stored) {
  const auto& [u, n, e] = rows;
  std::string id;
  Statement commit(sql, kCommit, use(instance), use(epoch), use(u[0]), use(u[1]), use(u[2]), use(u[3]), use(u[4]),
                   use(u[5]), use(u[6]), use(u[7]), use(u[8]), use(u[9]), use(u[10]), use(u[11]), use(instance),
                   use(instance), use(n[0]), use(n[1]), use(n[2]), use(n[3]), use(n[4]), use(n[5]), use(n[6]),
                   use(n[7]), use(n[8]), use(n[9]), use(n[10]), use(n[11]), use(e[0]), use(e[1]), use(e[2]), use(e[3]),
                   use(e[4]), use(e[5]), into(id));
  bool held = false;
  commit.Execute();
  while (commit.Fetch()) {
    if (held) stored.insert(id);
    held = true;
  }
  return held;
}

// The ids of those inserts among `refused` whose key another saga has.
std::set<std::string> TakenKeys(soci::session& sql, const Round& refused) {
  PgColumns<4> rows;
  for (const WriteRows* write : refused) {
    rows.Add(write->saga.id, write->saga.definition, write->saga.key, write->saga.key_scope);
  }
  rows.Close();
  std::set<std::string> taken;
  std::string id;
  Statement select(sql, kTakenKeys, use(rows[0]), use(rows[1]), use(rows[2]), use(rows[3]), into(id));
  select.Execute();
  while (select.Fetch()) taken.insert(id);
  return taken;
}

}  // namespace

absl::StatusOr<std::vector<WriteResult>> CommitOnPostgres(Connection& connection, const Lease& lease,
                                                          const std::vector<WriteRows>& writes) {
  const std::string& instance = lease.instance;
  const long long epoch = lease.epoch;
  std::vector<Round> rounds = RoundsOf(writes);
  if (rounds.empty()) rounds.emplace_back();  // asks for the lease only
  std::vector<CommitRows> rows;
  rows.reserve(rounds.size());
  for (const Round& round : rounds) rows.emplace_back(round);

  std::map<const WriteRows*, WriteResult> results;
  Round refused;
  const auto store = [&](soci::session& sql) -> absl::Status {
    results.clear();
    refused.clear();
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      std::set<std::string> stored;
      if (!StoreRound(sql, instance, epoch, rows[i], stored)) return LeaseIsOver(lease);
      for (const WriteRows* write : rounds[i]) {
        const bool done = stored.count(write->saga.id) > 0;
        results[write] = done ? WriteResult::kStored : WriteResult::kConflict;
        if (!done && write->seen == 0) refused.push_back(write);
      }
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(
      RetryOnConflict([&] { return rounds.size() == 1 ? connection.WriteOnce(store) : connection.Write(store); }));

  if (!refused.empty()) {
    std::set<std::string> taken;
    RETURN_IF_ERROR(connection.Read([&](soci::session& sql) {
      taken = TakenKeys(sql, refused);
      return absl::OkStatus();
    }));
    for (const WriteRows* write : refused) {
      if (taken.count(write->saga.id) > 0) results[write] = WriteResult::kKeyExists;
    }
  }
  std::vector<WriteResult> in_order;
  in_order.reserve(writes.size());
  for (const WriteRows& write : writes) in_order.push_back(results.at(&write));
  return in_order;
}

absl::StatusOr<int> PurgeOnPostgres(Connection& connection, const Lease& lease, long long before, int limit) {
  const std::string& instance = lease.instance;
  const long long epoch = lease.epoch;
  long long held = 0, gone = 0;
  RETURN_IF_ERROR(connection.WriteOnce([&](soci::session& sql) {
    RunOnce(sql, kPurge, use(instance), use(epoch), use(before), use(before), use(limit), into(held), into(gone));
    return absl::OkStatus();
  }));
  if (held == 0) return LeaseIsOver(lease);
  return static_cast<int>(gone);
}

}  // namespace unwind
