#include "orchestrator/store/json_rows.h"

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/store/definition_rows.h"
#include "orchestrator/store/json_decoder.h"
#include "orchestrator/store/pg_array.h"
#include "orchestrator/store/saga_codec.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr int kPageRows = 500;

// What the rows of a page may be, each with its bytes.
constexpr char kSizesOfSagas[] =
    "SELECT id, 0, CAST(length(steps) AS bigint) + length(input) FROM saga_1 WHERE id > :after"
    " ORDER BY id LIMIT :limit";
constexpr char kSizesOfEvents[] =
    "SELECT saga_id, seq, length(detail) FROM saga_event_1"
    " WHERE (saga_id, seq) > (:saga_id, CAST(:seq AS bigint)) AND saga_id <= :last"
    " ORDER BY saga_id, seq LIMIT :limit";
constexpr char kSelectSagas[] =
    "SELECT id, definition, definition_version, key, input_hash, state, version, owner, cancel_requested, backward,"
    " next_run_at, deadline, create_time, update_time, traceparent, failure, steps, input"
    " FROM saga_1 WHERE id > :after AND id <= :last ORDER BY id";
constexpr char kSelectEvents[] =
    "SELECT saga_id, seq, what, at, state, detail FROM saga_event_1"
    " WHERE (saga_id, seq) > (:saga_id, CAST(:seq AS bigint)) AND (saga_id, seq) <= (:last, CAST(:last_seq AS bigint))"
    " ORDER BY saga_id, seq";
constexpr char kSelectDefinitions[] = "SELECT name, version, hash, yaml, descriptors FROM definition_1";

#define SAGA_INTO                                                                                             \
  "INSERT INTO saga (id, definition, definition_version, key_scope, key, state, version, owner, next_run_at," \
  " create_time, update_time, accepted, progress) "
#define EVENT_INTO "INSERT INTO saga_event (saga_id, seq, what, at, state, detail) "
constexpr char kInsertSaga[] = SAGA_INTO
    "VALUES (:id, :definition, :definition_version, '', :key, :state, :version, :owner, :next_run_at, :create_time,"
    " :update_time, CAST(:accepted AS BLOB), CAST(:progress AS BLOB))";
constexpr char kInsertSagasOnPostgres[] = SAGA_INTO
    "SELECT n.id, n.definition, n.definition_version, '', n.key, n.state, n.version, n.owner, n.next_run_at,"
    " n.create_time, n.update_time, n.accepted, n.progress FROM unnest(CAST(:n0 AS text[]), CAST(:n1 AS text[]),"
    " CAST(:n2 AS bigint[]), CAST(:n3 AS text[]), CAST(:n4 AS bigint[]), CAST(:n5 AS bigint[]), CAST(:n6 AS text[]),"
    " CAST(:n7 AS bigint[]), CAST(:n8 AS bigint[]), CAST(:n9 AS bigint[]), CAST(:n10 AS bytea[]),"
    " CAST(:n11 AS bytea[])) AS n(id, definition, definition_version, key, state, version, owner, next_run_at,"
    " create_time, update_time, accepted, progress)";
constexpr char kInsertEvent[] = EVENT_INTO "VALUES (:saga_id, :seq, :what, :at, :state, CAST(:detail AS BLOB))";
constexpr char kInsertEventsOnPostgres[] = EVENT_INTO
    "SELECT e.saga_id, e.seq, e.what, e.at, e.state, e.detail FROM unnest(CAST(:e0 AS text[]), CAST(:e1 AS bigint[]),"
    " CAST(:e2 AS text[]), CAST(:e3 AS bigint[]), CAST(:e4 AS bigint[]), CAST(:e5 AS bytea[]))"
    " AS e(saga_id, seq, what, at, state, detail)";
#undef SAGA_INTO
#undef EVENT_INTO

constexpr char kMakeSagas[] = "CREATE TABLE saga_unreadable AS SELECT * FROM saga_1 WHERE 1 = 0";
constexpr char kMakeDefinitions[] = "CREATE TABLE definition_unreadable AS SELECT * FROM definition_1 WHERE 1 = 0";
constexpr char kKeepSaga[] = "INSERT INTO saga_unreadable SELECT * FROM saga_1 WHERE id = :id";
constexpr char kKeepDefinition[] =
    "INSERT INTO definition_unreadable SELECT * FROM definition_1 WHERE name = :name AND version = :version";

// ---- reading and writing

// Where a page ends.
struct Place {
  std::string id;  // of a saga; empty: there is no row
  long long seq = 0;
};

// Of the rows that `sizes` gives at least one, and no more than have `bytes_max` together.
template <class... Uses>
Place EndOfPage(soci::session& sql, long long bytes_max, const char* sizes, const Uses&... uses) {
  Place row, last;
  long long bytes = 0, sum = 0;
  Statement select(sql, sizes, into(row.id), into(row.seq), into(bytes), use(uses)..., use(kPageRows));
  select.Execute();
  while (select.Fetch()) {
    sum += bytes;
    if (!last.id.empty() && sum > bytes_max) break;
    last = row;
  }
  return last;
}

std::vector<JsonSaga> ReadSagas(soci::session& sql, const std::string& after, const std::string& last) {
  std::vector<JsonSaga> sagas;
  JsonSaga row;
  Statement select(sql, kSelectSagas, into(row.id), into(row.definition), into(row.definition_version), into(row.key),
                   into(row.input_hash), into(row.state), into(row.version), into(row.owner),
                   into(row.cancel_requested), into(row.backward), into(row.next_run_at), into(row.deadline),
                   into(row.create_time), into(row.update_time), into(row.traceparent), into(row.failure),
                   into(row.steps), into(row.input), use(after), use(last));
  select.Execute();
  while (select.Fetch()) sagas.push_back(row);
  return sagas;
}

std::vector<EventRow> ReadEvents(soci::session& sql, const Place& after, const Place& last) {
  std::vector<EventRow> events;
  EventRow row;
  Statement select(sql, kSelectEvents, into(row.saga_id), into(row.seq), into(row.what), into(row.at), into(row.state),
                   into(row.detail), use(after.id), use(after.seq), use(last.id), use(last.seq));
  select.Execute();
  while (select.Fetch()) events.push_back(row);
  return events;
}

void Insert(soci::session& sql, const std::vector<SagaRow>& rows) {
  if (DialectOf(sql) == Dialect::kPostgres) {
    PgColumns<12> n;
    for (const SagaRow& row : rows) {
      n.Add(row.id, row.definition, row.definition_version, row.key, row.state, row.version, row.owner, row.next_run_at,
            row.create_time, row.update_time, PgBytes{row.accepted}, PgBytes{row.progress});
    }
    n.Close();
    RunOnce(sql, kInsertSagasOnPostgres, use(n[0]), use(n[1]), use(n[2]), use(n[3]), use(n[4]), use(n[5]), use(n[6]),
            use(n[7]), use(n[8]), use(n[9]), use(n[10]), use(n[11]));
    return;
  }
  SagaRow row;
  Statement insert(sql, kInsertSaga, use(row.id), use(row.definition), use(row.definition_version), use(row.key),
                   use(row.state), use(row.version), use(row.owner), use(row.next_run_at), use(row.create_time),
                   use(row.update_time), use(row.accepted), use(row.progress));
  for (const SagaRow& each : rows) {
    row = each;
    insert.CountChanges();
  }
}

void Insert(soci::session& sql, const std::vector<EventRow>& rows) {
  if (DialectOf(sql) == Dialect::kPostgres) {
    PgColumns<6> e;
    for (const EventRow& row : rows) e.Add(row.saga_id, row.seq, row.what, row.at, row.state, PgBytes{row.detail});
    e.Close();
    RunOnce(sql, kInsertEventsOnPostgres, use(e[0]), use(e[1]), use(e[2]), use(e[3]), use(e[4]), use(e[5]));
    return;
  }
  EventRow row;
  Statement insert(sql, kInsertEvent, use(row.saga_id), use(row.seq), use(row.what), use(row.at), use(row.state),
                   use(row.detail));
  for (const EventRow& each : rows) {
    row = each;
    insert.CountChanges();
  }
}

// The former tables go, and a row that cannot be read is kept whole in a table that is made for the first one.
class UnreadableRows {
 public:
  UnreadableRows(soci::session& sql, const char* make, const char* keep) : sql_(sql), make_(make), keep_(keep) {}

  template <class... Keys>
  void Keep(const Keys&... keys) {
    if (!std::exchange(made_, true)) RunOnce(sql_, make_);
    RunOnce(sql_, keep_, use(keys)...);
  }

 private:
  soci::session& sql_;
  const char* const make_;
  const char* const keep_;
  bool made_ = false;
};

// ---- one row

// One that cannot be read keeps its place: its JSON is no message, so it stays unreadable, and names itself.
SagaRow Rewritten(const JsonSaga& row, const absl::StatusOr<Saga>& saga) {
  if (saga.ok()) {
    SagaRow rewritten = EncodeWrite({}, {.seen_version = 0, .saga = *saga, .events = {}}, {}).saga;
    rewritten.owner = saga->owner;
    rewritten.next_run_at = row.next_run_at;
    return rewritten;
  }
  Log(Severity::kWarning, "a saga of the former format cannot be read; all of it is kept in table saga_unreadable",
      {{"saga_id", row.id}, {"error", saga.status().message()}});
  return {.id = row.id,
          .definition = row.definition,
          .key_scope = "",
          .key = row.key,
          .parent = "",
          .owner = row.owner,
          .definition_version = row.definition_version,
          .state = row.state,
          .version = row.version,
          .next_run_at = row.next_run_at,
          .create_time = row.create_time,
          .update_time = row.update_time,
          .accepted = row.input,
          .progress = row.steps};
}

EventRow Rewritten(const EventRow& row, const std::map<std::string, Saga>& sagas) {
  const auto saga = sagas.find(row.saga_id);
  const absl::StatusOr<HistoryEvent> event = DecodeJsonEvent(row);
  return saga == sagas.end() || !event.ok() ? row : EncodeEvent(saga->second, *event);
}

// The histories of `sagas`, whose ids begin after `after_id` and end with `last_id`.
void RewriteEvents(soci::session& sql, long long page_bytes, const std::map<std::string, Saga>& sagas,
                   const std::string& after_id, const std::string& last_id) {
  Place after = {.id = after_id, .seq = std::numeric_limits<long long>::max()};
  for (;;) {
    const Place last = EndOfPage(sql, page_bytes, kSizesOfEvents, after.id, after.seq, last_id);
    if (last.id.empty()) return;
    std::vector<EventRow> events = ReadEvents(sql, after, last);
    after = last;
    for (EventRow& event : events) event = Rewritten(event, sagas);
    Insert(sql, events);
  }
}

// Returns how many.
int RewriteSagas(soci::session& sql, long long page_bytes) {
  UnreadableRows unreadable(sql, kMakeSagas, kKeepSaga);
  int count = 0;
  std::string after;
  for (;;) {
    const std::string last = EndOfPage(sql, page_bytes, kSizesOfSagas, after).id;
    if (last.empty()) return count;
    std::vector<SagaRow> rows;
    std::map<std::string, Saga> sagas;
    for (const JsonSaga& row : ReadSagas(sql, after, last)) {
      absl::StatusOr<Saga> saga = DecodeJsonSaga(row);
      rows.push_back(Rewritten(row, saga));
      if (saga.ok()) {
        sagas.emplace(row.id, *std::move(saga));
      } else {
        unreadable.Keep(row.id);
      }
    }
    Insert(sql, rows);
    RewriteEvents(sql, page_bytes, sagas, after, last);
    after = last;
    count += static_cast<int>(rows.size());
  }
}

absl::Status RewriteDefinitions(soci::session& sql) {
  std::vector<StoredDefinition> definitions;
  {
    StoredDefinition row;
    Statement select(sql, kSelectDefinitions, into(row.name), into(row.version), into(row.hash), into(row.yaml),
                     into(row.descriptors));
    select.Execute();
    while (select.Fetch()) definitions.push_back(row);
  }
  UnreadableRows unreadable(sql, kMakeDefinitions, kKeepDefinition);
  for (const StoredDefinition& row : definitions) {
    if (const absl::StatusOr<StoredDefinition> definition = DecodeJsonDefinition(row); definition.ok()) {
      RETURN_IF_ERROR(PutDefinitionRow(sql, *definition));
    } else {
      Log(Severity::kWarning, "a definition of the former format cannot be read; it is kept in definition_unreadable",
          {{"definition", row.name}, {"version", absl::StrCat(row.version)}});
      unreadable.Keep(row.name, row.version);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RewriteJsonRows(soci::session& sql, long long page_bytes) {
  const int sagas = RewriteSagas(sql, page_bytes);
  if (sagas > 0) Log(Severity::kInfo, "rewrote the sagas of the former format", {{"sagas", absl::StrCat(sagas)}});
  return RewriteDefinitions(sql);
}

}  // namespace unwind
