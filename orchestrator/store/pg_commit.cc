#include "orchestrator/store/pg_commit.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/store/follower_rows.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/pg_array.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

// Locked against Acquire, which waits for the commit; not against Renew.
#define HELD_IF(condition)                                                                             \
  "WITH held AS MATERIALIZED (SELECT 1 FROM instance WHERE id = :instance AND epoch = CAST(:epoch AS " \
  "bigint)" condition " FOR KEY SHARE)"
#define HELD HELD_IF("")

// Who inserts a key waits for who is inserting it; in one order of keys no two turns wait for each other.
// The columns of an update bring the last event of its history with them, so that no join is needed to know whether it
// must be stored; the events of an insert, and the others of an update with several, are looked up. The first row that
// comes back says that the lease is held, each further one is the id of what was stored.
constexpr char kCommit[] = HELD_IF(" AND (SELECT generation FROM follower_set) = CAST(:followers AS bigint)")
    ", updated AS (UPDATE saga AS s SET state = u.state, version = u.version, next_run_at = u.next_run_at,"
    " update_time = u.update_time, progress = u.progress, due_at = NULLIF(u.due_at, 9223372036854775807),"
    " wait_ends_at = NULLIF(u.wait_ends_at, 9223372036854775807),"
    " waits_since = NULLIF(u.waits_since, 9223372036854775807)"
    " FROM unnest(CAST(:u0 AS text[]), CAST(:u1 AS bigint[]), CAST(:u2 AS bigint[]), CAST(:u3 AS bigint[]),"
    " CAST(:u4 AS bigint[]), CAST(:u5 AS bigint[]), CAST(:u6 AS bytea[]), CAST(:u7 AS text[]), CAST(:u8 AS bigint[]),"
    " CAST(:u9 AS bigint[]), CAST(:u10 AS bigint[]), CAST(:u11 AS bytea[]), CAST(:u12 AS bigint[]),"
    " CAST(:u13 AS bigint[]), CAST(:u14 AS bigint[]))"
    " AS u(id, seen, version, state, next_run_at, update_time, progress, what, seq, at, state_then, detail, due_at,"
    " wait_ends_at, waits_since)"
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
    " WHERE e.saga_id IN (SELECT id FROM inserted UNION ALL SELECT id FROM updated))";
// What is born, if its parent's end was stored. A child that is there already stays as it is.
constexpr char kBirths[] =
    ", born AS (INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner,"
    " next_run_at, create_time, update_time, accepted, progress, parent, due_at)"
    " SELECT b.id, b.definition, b.definition_version, b.key_scope, b.key, b.state, b.version, CAST(:owner3 AS text),"
    " b.next_run_at, b.create_time, b.update_time, b.accepted, b.progress, b.parent,"
    " NULLIF(b.due_at, 9223372036854775807)"
    " FROM unnest(CAST(:b0 AS text[]), CAST(:b1 AS text[]), CAST(:b2 AS bigint[]), CAST(:b3 AS text[]),"
    " CAST(:b4 AS text[]), CAST(:b5 AS bigint[]), CAST(:b6 AS bigint[]), CAST(:b7 AS bigint[]),"
    " CAST(:b8 AS bigint[]), CAST(:b9 AS bigint[]), CAST(:b10 AS bytea[]), CAST(:b11 AS bytea[]),"
    " CAST(:b12 AS text[]), CAST(:b13 AS bigint[]))"
    " AS b(id, definition, definition_version, key_scope, key, state, version, next_run_at, create_time, update_time,"
    " accepted, progress, parent, due_at)"
    " WHERE b.parent IN (SELECT id FROM inserted UNION ALL SELECT id FROM updated)"
    " ORDER BY b.definition, b.key_scope, b.key ON CONFLICT DO NOTHING RETURNING id)"
    ", born_events AS (INSERT INTO saga_event (saga_id, seq, what, at, state, detail)"
    " SELECT e.saga_id, e.seq, e.what, e.at, e.state, e.detail"
    " FROM unnest(CAST(:c0 AS text[]), CAST(:c1 AS bigint[]), CAST(:c2 AS text[]), CAST(:c3 AS bigint[]),"
    " CAST(:c4 AS bigint[]), CAST(:c5 AS bytea[])) AS e(saga_id, seq, what, at, state, detail)"
    " WHERE e.saga_id IN (SELECT id FROM born))";
constexpr char kStored[] = " SELECT '' FROM held UNION ALL SELECT id FROM updated UNION ALL SELECT id FROM inserted";

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
#undef HELD_IF

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
                    last.seq, last.at, last.state, PgBytes{last.detail}, s.due_at, s.wait_ends_at, s.waits_since);
        --others;
      }
      for (std::size_t i = 0; i < others; ++i) {
        const EventRow& e = write->events[i];
        events.Add(e.saga_id, e.seq, e.what, e.at, e.state, PgBytes{e.detail});
      }
      for (const WriteRows& birth : write->births) AddBirth(birth);
    }
    updates.Close();
    inserts.Close();
    events.Close();
    births.Close();
    birth_events.Close();
  }

  void AddBirth(const WriteRows& birth) {
    const SagaRow& s = birth.saga;
    has_births = true;
    births.Add(s.id, s.definition, s.definition_version, s.key_scope, s.key, s.state, s.version, s.next_run_at,
               s.create_time, s.update_time, PgBytes{s.accepted}, PgBytes{s.progress}, s.parent, s.due_at);
    for (const EventRow& e : birth.events) {
      birth_events.Add(e.saga_id, e.seq, e.what, e.at, e.state, PgBytes{e.detail});
    }
  }

  PgColumns<15> updates;
  PgColumns<12> inserts;
  PgColumns<6> events;
  bool has_births = false;
  PgColumns<14> births;
  PgColumns<6> birth_events;
};

// Executes `commit`, adds the ids of what was stored to `stored`; false if the lease is not held, or for other
// followers only.
bool Collect(Statement& commit, const std::string& id, std::set<std::string>& stored) {
  bool held = false;
  commit.Execute();
  while (commit.Fetch()) {
    if (held) stored.insert(id);
    held = true;
  }
  return held;
}

bool StoreRound(soci::session& sql, const std::string& instance, long long epoch, long long followers,
                const CommitRows& rows, std::set<std::string>& stored) {
  static const auto* const kPlain = new std::string(absl::StrCat(kCommit, kStored));
  static const auto* const kWithBirths = new std::string(absl::StrCat(kCommit, kBirths, kStored));
  const auto& u = rows.updates;
  const auto& n = rows.inserts;
  const auto& e = rows.events;
  const auto& b = rows.births;
  const auto& c = rows.birth_events;
  std::string id;
  const auto run = [&](const std::string& query, const auto&... births) {
    Statement commit(sql, query, use(instance), use(epoch), use(followers), use(u[0]), use(u[1]), use(u[2]), use(u[3]),
                     use(u[4]), use(u[5]), use(u[6]), use(u[7]), use(u[8]), use(u[9]), use(u[10]), use(u[11]),
                     use(u[12]), use(u[13]), use(u[14]), use(instance), use(instance), use(n[0]), use(n[1]), use(n[2]),
                     use(n[3]), use(n[4]), use(n[5]), use(n[6]), use(n[7]), use(n[8]), use(n[9]), use(n[10]),
                     use(n[11]), use(e[0]), use(e[1]), use(e[2]), use(e[3]), use(e[4]), use(e[5]), births..., into(id));
    return Collect(commit, id, stored);
  };
  if (!rows.has_births) return run(*kPlain);
  return run(*kWithBirths, use(instance), use(b[0]), use(b[1]), use(b[2]), use(b[3]), use(b[4]), use(b[5]), use(b[6]),
             use(b[7]), use(b[8]), use(b[9]), use(b[10]), use(b[11]), use(b[12]), use(b[13]), use(c[0]), use(c[1]),
             use(c[2]), use(c[3]), use(c[4]), use(c[5]));
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

absl::StatusOr<std::optional<std::vector<WriteResult>>> CommitOnPostgres(Connection& connection, const Lease& lease,
                                                                         const std::vector<WriteRows>& writes,
                                                                         std::int64_t followers) {
  const std::string& instance = lease.instance;
  const long long epoch = lease.epoch, generation = followers;
  std::vector<Round> rounds = RoundsOf(writes);
  if (rounds.empty()) rounds.emplace_back();  // asks for the lease only
  std::vector<CommitRows> rows;
  rows.reserve(rounds.size());
  for (const Round& round : rounds) rows.emplace_back(round);

  std::map<const WriteRows*, WriteResult> results;
  Round refused;
  bool held = true;
  const auto store = [&](soci::session& sql) -> absl::Status {
    results.clear();
    refused.clear();
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      std::set<std::string> stored;
      held = StoreRound(sql, instance, epoch, generation, rows[i], stored);
      if (!held) return LeaseIsOver(lease);
      for (const WriteRows* write : rounds[i]) {
        const bool done = stored.count(write->saga.id) > 0;
        results[write] = done ? WriteResult::kStored : WriteResult::kConflict;
        if (!done && write->seen == 0) refused.push_back(write);
      }
    }
    return absl::OkStatus();
  };
  const absl::Status status =
      RetryOnConflict([&] { return rounds.size() == 1 ? connection.WriteOnce(store) : connection.Write(store); });
  if (!held) {
    std::int64_t stored = followers;
    RETURN_IF_ERROR(connection.ReadOnce([&](soci::session& sql) {
      stored = FollowerGeneration(sql);
      return absl::OkStatus();
    }));
    if (stored != followers) return std::nullopt;
  }
  RETURN_IF_ERROR(status);

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
