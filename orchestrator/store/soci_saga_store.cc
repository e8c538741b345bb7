#include "orchestrator/store/soci_saga_store.h"

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/db/dsn.h"
#include "common/db/migrate.h"
#include "common/db/open.h"
#include "orchestrator/core/names.h"
#include "orchestrator/store/pg_turn.h"
#include "orchestrator/store/saga_codec.h"
#include "orchestrator/store/soci_turn.h"
#include "orchestrator/store/stored_text.h"
#include "soci/soci.h"

extern const unwind::Migrations kSagaMigrations;  // embedded by the build

namespace unwind {
namespace {

using soci::into;
using soci::use;

#define SAGA_COLUMNS                                                                                        \
  "id, definition, definition_version, key, input_hash, state, version, owner, cancel_requested, backward," \
  " next_run_at, deadline, create_time, update_time, traceparent, failure, steps, input"
constexpr char kSelectSaga[] = "SELECT " SAGA_COLUMNS " FROM saga ";
constexpr char kById[] = "WHERE id = :id";
constexpr char kByKey[] = "WHERE definition = :definition AND key = :key";
// The words of the index saga_unfinished.
constexpr char kUnfinished[] = "WHERE owner = :owner AND id > :after AND state IN (1, 2, 5) ORDER BY id LIMIT :limit";
constexpr char kNewest[] = "WHERE id < :before ORDER BY id DESC LIMIT :limit";
constexpr char kNewestOfDefinition[] = "WHERE definition = :definition AND id < :before ORDER BY id DESC LIMIT :limit";
constexpr char kNewestInState[] = "WHERE state = :state AND id < :before ORDER BY id DESC LIMIT :limit";
// The words of PostgreSQL's index saga_by_state.
constexpr char kNewestInRareState[] =
    "WHERE state = :state AND state <> 3 AND id < :before ORDER BY id DESC LIMIT :limit";
constexpr char kNewestOfBoth[] =
    "WHERE definition = :definition AND state = :state AND id < :before ORDER BY id DESC LIMIT :limit";
// U+10FFFF: above every id.
constexpr char kAfterTheNewest[] = "\xf4\x8f\xbf\xbf";

constexpr char kSelectEvents[] =
    "SELECT seq, what, at, state, detail FROM saga_event WHERE saga_id = :saga_id AND seq > :after"
    " ORDER BY seq LIMIT :limit";

// By the database's clock, in nanoseconds.
constexpr char kAcquire[] =
    "INSERT INTO instance (id, address, epoch, lease_until)"
    " VALUES (:id, :address, 1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000 + :length)"
    " ON CONFLICT (id) DO UPDATE SET address = excluded.address, epoch = instance.epoch + 1,"
    " lease_until = excluded.lease_until RETURNING epoch";
constexpr char kRenew[] =
    "UPDATE instance SET"
    " lease_until = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000 + :length"
    " WHERE id = :id AND epoch = :epoch";
constexpr char kRenewOnPostgres[] =
    "UPDATE instance SET lease_until ="
    " CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000 + CAST(:length AS bigint)"
    " WHERE id = :id AND epoch = :epoch";

constexpr char kRelease[] = "UPDATE instance SET lease_until = 0 WHERE id = :id AND epoch = :epoch";

// Changes of ownership. The owner's next write of such a row waits for this one, and then finds that it is no longer
// its.
constexpr char kLapsed[] =
    "WITH chosen AS MATERIALIZED (SELECT s.id FROM saga AS s JOIN instance AS i ON i.id = s.owner"
    " WHERE s.state IN (1, 2, 5) AND i.lease_until < ";
constexpr char kNow[] = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000";
constexpr char kNowOnPostgres[] = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000";
constexpr char kBackFirst[] = " ORDER BY CASE s.state WHEN 2 THEN 0 ELSE 1 END, s.id LIMIT CAST(:limit AS bigint)";
constexpr char kSkipLocked[] = " FOR UPDATE OF s SKIP LOCKED";
constexpr char kOwn[] = "UPDATE saga SET owner = CAST(:owner AS text) WHERE ";
constexpr char kChosen[] = "id IN (SELECT id FROM chosen)";
constexpr char kUnfinishedById[] = "id = :id AND state IN (1, 2, 5)";
constexpr char kIfHeld[] =
    " AND EXISTS (SELECT 1 FROM instance AS holder WHERE holder.id = :instance AND holder.epoch = CAST(:epoch AS "
    "bigint))"
    " RETURNING " SAGA_COLUMNS;
#undef SAGA_COLUMNS

// Both choose the same sagas. The words of the index saga_finished; the plus keeps
// SQLite from taking saga_by_state and sorting all that is finished.
constexpr char kPurgeEvents[] =
    "DELETE FROM saga_event WHERE saga_id IN (SELECT id FROM saga WHERE +state IN (3, 4) AND update_time < :before"
    " ORDER BY update_time, id LIMIT :limit)";
constexpr char kPurgeSagas[] =
    "DELETE FROM saga WHERE id IN (SELECT id FROM saga WHERE +state IN (3, 4) AND update_time < :before"
    " ORDER BY update_time, id LIMIT :limit)";

constexpr char kInsertDefinition[] =
    "INSERT INTO definition (name, version, hash, yaml, descriptors)"
    " VALUES (:name, :version, :hash, :yaml, :descriptors) ON CONFLICT DO NOTHING";
constexpr char kSelectHash[] = "SELECT hash FROM definition WHERE name = :name AND version = :version";
constexpr char kSelectDefinitions[] =
    "SELECT name, version, hash, yaml, descriptors FROM definition ORDER BY name, version";

constexpr absl::Duration kLeaseMax = absl::Hours(24 * 365);

long long LeaseNanos(absl::Duration length) { return absl::ToInt64Nanoseconds(std::min(length, kLeaseMax)); }

int Limit(int limit) { return std::max(limit, 0); }  // to SQLite a negative limit is none

// Runs a statement that changes rows, `uses` in the order of its parameters; how many it changed.
template <class... Uses>
long long Change(soci::session& sql, const char* query, const Uses&... uses) {
  return Statement(sql, query, use(uses)...).CountChanges();
}

// The rows of a statement that gives all columns of sagas.
template <class... Uses>
std::vector<SagaRow> SagasOf(soci::session& sql, const std::string& query, const Uses&... uses) {
  SagaRow row;
  Statement select(sql, query, into(row.id), into(row.definition), into(row.definition_version), into(row.key),
                   into(row.input_hash), into(row.state), into(row.version), into(row.owner),
                   into(row.cancel_requested), into(row.backward), into(row.next_run_at), into(row.deadline),
                   into(row.create_time), into(row.update_time), into(row.traceparent), into(row.failure),
                   into(row.steps), into(row.input), use(uses)...);
  std::vector<SagaRow> rows;
  select.Execute();
  while (select.Fetch()) rows.push_back(row);
  return rows;
}

template <class... Uses>
std::vector<SagaRow> SelectSagas(soci::session& sql, const char* where, const Uses&... uses) {
  return SagasOf(sql, absl::StrCat(kSelectSaga, where), uses...);
}

absl::StatusOr<std::vector<Saga>> DecodeSagas(const std::vector<SagaRow>& rows) {
  std::vector<Saga> sagas;
  sagas.reserve(rows.size());
  for (const SagaRow& row : rows) {
    ASSIGN_OR_RETURN(Saga saga, DecodeSaga(row));
    sagas.push_back(std::move(saga));
  }
  return sagas;
}

// Makes the texts and bytes of `row` what they were, in place.
absl::Status DecodeDefinition(StoredDefinition& row) {
  std::optional<std::string> name = DecodeText(row.name), hash = DecodeText(row.hash), yaml = DecodeText(row.yaml);
  std::string descriptors;
  if (!name || !hash || !yaml || !absl::Base64Unescape(row.descriptors, &descriptors)) {
    return absl::DataLossError(absl::StrCat("the stored definition ", row.name, " cannot be read"));
  }
  row = {.name = *std::move(name),
         .version = row.version,
         .hash = *std::move(hash),
         .yaml = *std::move(yaml),
         .descriptors = std::move(descriptors)};
  return absl::OkStatus();
}

// Which call a crash point is about, such as 2/resolve: the store does not know the names of steps.
std::string CallOf(const Event& event) {
  const auto* const reply = std::get_if<Replied>(&event);
  return reply == nullptr ? NameOf(event) : absl::StrCat(reply->step, "/", NameOf(reply->phase));
}

}  // namespace

// One writing connection and what is prepared on it. Not thread-safe.
class SociSagaStore::Writer {
 public:
  explicit Writer(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Connection& connection() { return *connection_; }

  // One transaction. After a failed one the connection may begin a new session, so no statement of the old one may be
  // left.
  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) {
    absl::Status status = connection_->Write(body);
    if (!status.ok()) statements_.reset();
    return status;
  }

  // The same over the kept statements of SQLite.
  absl::Status WriteTurn(absl::FunctionRef<absl::Status(SociTurn&)> body) {
    return Write([&](soci::session& sql) {
      if (!statements_.has_value()) statements_.emplace(sql);
      return body(*statements_);
    });
  }

 private:
  std::unique_ptr<Connection> connection_;
  std::optional<SociTurn> statements_;  // last: it must go before its session
};

// Thread-safe.
class SociSagaStore::WriterPool {
 public:
  void Add(std::unique_ptr<Writer> writer) { Give(std::move(writer)); }

  // Runs `body` with a writer that is nobody else's meanwhile.
  template <class Body>
  auto With(Body body) {
    std::unique_ptr<Writer> writer = Take();
    auto result = body(*writer);
    Give(std::move(writer));
    return result;
  }

 private:
  std::unique_ptr<Writer> Take() {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [this] { return !idle_.empty(); });
    std::unique_ptr<Writer> writer = std::move(idle_.back());
    idle_.pop_back();
    return writer;
  }
  void Give(std::unique_ptr<Writer> writer) {
    {
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(writer));
    }
    given_back_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<Writer>> idle_;  // the one used last is the next
};

SociSagaStore::SociSagaStore(Dialect dialect, std::unique_ptr<WriterPool> writers, std::unique_ptr<Connection> reader)
    : dialect_(dialect), writers_(std::move(writers)), reader_(std::move(reader)) {}

SociSagaStore::~SociSagaStore() = default;

absl::StatusOr<std::unique_ptr<SociSagaStore>> SociSagaStore::Open(const std::string& database, int writers) {
  const Dialect dialect = IsPostgres(database) ? Dialect::kPostgres : Dialect::kSqlite;
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, "orchestrator", kSagaMigrations));
  auto pool = std::make_unique<WriterPool>();
  pool->Add(std::make_unique<Writer>(std::move(connection)));
  for (int i = 1; dialect == Dialect::kPostgres && i < writers; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> another, OpenDatabase(database));
    pool->Add(std::make_unique<Writer>(std::move(another)));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, OpenDatabase(database));
  return std::unique_ptr<SociSagaStore>(new SociSagaStore(dialect, std::move(pool), std::move(reader)));
}

absl::StatusOr<std::vector<WriteResult>> SociSagaStore::Commit(const Lease& lease,
                                                               const std::vector<SagaWrite>& writes) {
  std::vector<WriteRows> rows;
  rows.reserve(writes.size());
  for (const SagaWrite& write : writes) rows.push_back(EncodeWrite(lease, write));
  if (dialect_ == Dialect::kPostgres) {
    return writers_->With([&](Writer& writer) { return CommitOnPostgres(writer.connection(), lease, rows); });
  }
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  const auto store = [&](SociTurn& statements) -> absl::Status {
    RETURN_IF_ERROR(statements.CheckLease(lease));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      results.push_back(statements.Store(rows[i]));
      for (const HistoryEvent& each : writes[i].events) CRASH_POINT("orchestrator.in_commit", CallOf(each.event));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(writers_->With([&](Writer& writer) { return writer.WriteTurn(store); }));
  return results;
}

absl::StatusOr<Saga> SociSagaStore::Load(absl::string_view saga_id) {
  const std::string id = EncodeText(saga_id);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) { rows = SelectSagas(sql, kById, id); }));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no saga ", saga_id));
  return DecodeSaga(rows.front());
}

absl::StatusOr<Saga> SociSagaStore::LoadByKey(absl::string_view definition, absl::string_view key) {
  const std::string of = EncodeText(definition);
  const std::string by = EncodeText(key);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) { rows = SelectSagas(sql, kByKey, of, by); }));
  if (rows.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no saga of definition ", definition, " with key ", key));
  }
  return DecodeSaga(rows.front());
}

absl::StatusOr<std::vector<Saga>> SociSagaStore::List(const SagaFilter& filter) {
  const std::string definition = EncodeText(filter.definition);
  const std::string before = filter.before_id.empty() ? kAfterTheNewest : EncodeText(filter.before_id);
  const int state = filter.state.has_value() ? static_cast<int>(*filter.state) : 0;
  const int limit = Limit(filter.limit);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) {
    if (definition.empty()) {
      const bool rare = state != static_cast<int>(SagaState::kCompleted);
      rows = state == 0 ? SelectSagas(sql, kNewest, before, limit)
                        : SelectSagas(sql, rare ? kNewestInRareState : kNewestInState, state, before, limit);
    } else {
      rows = state == 0 ? SelectSagas(sql, kNewestOfDefinition, definition, before, limit)
                        : SelectSagas(sql, kNewestOfBoth, definition, state, before, limit);
    }
  }));
  return DecodeSagas(rows);
}

absl::StatusOr<std::vector<HistoryEvent>> SociSagaStore::History(absl::string_view saga_id, std::int64_t after_seq,
                                                                 int limit) {
  const std::string id = EncodeText(saga_id);
  const long long after = after_seq;
  const int most = Limit(limit);
  std::vector<EventRow> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) {
    EventRow row;
    row.saga_id = id;
    Statement select(sql, kSelectEvents, into(row.seq), into(row.what), into(row.at), into(row.state), into(row.detail),
                     use(id), use(after), use(most));
    select.Execute();
    while (select.Fetch()) rows.push_back(row);
  }));
  std::vector<HistoryEvent> events;
  events.reserve(rows.size());
  for (const EventRow& row : rows) {
    ASSIGN_OR_RETURN(HistoryEvent event, DecodeEvent(row));
    events.push_back(std::move(event));
  }
  return events;
}

absl::StatusOr<Lease> SociSagaStore::Acquire(absl::string_view instance, absl::string_view address,
                                             absl::Duration length) {
  const std::string id = EncodeText(instance);
  const std::string at = EncodeText(address);
  const long long nanos = LeaseNanos(length);
  if (dialect_ == Dialect::kPostgres) {
    return writers_->With([&](Writer& writer) {
      return AcquireOnPostgres(writer.connection(), std::string(instance), std::string(address), nanos);
    });
  }
  long long epoch = 0;
  RETURN_IF_ERROR(Write([&](soci::session& sql) {
    RunOnce(sql, kAcquire, into(epoch), use(id), use(at), use(nanos));
    return absl::OkStatus();
  }));
  return Lease{.instance = std::string(instance), .epoch = epoch};
}

absl::Status SociSagaStore::Renew(const Lease& lease, absl::Duration length) {
  const std::string id = EncodeText(lease.instance);
  const long long epoch = lease.epoch;
  const long long nanos = LeaseNanos(length);
  return Write([&](soci::session& sql) {
    const char* const renew = dialect_ == Dialect::kPostgres ? kRenewOnPostgres : kRenew;
    return Change(sql, renew, nanos, id, epoch) == 1 ? absl::OkStatus() : LeaseIsOver(lease);
  });
}

absl::StatusOr<std::vector<Saga>> SociSagaStore::LoadOwned(const Lease& lease, absl::string_view after_id, int limit) {
  const std::string owner = EncodeText(lease.instance);
  const std::string after = EncodeText(after_id);
  const int most = Limit(limit);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) { rows = SelectSagas(sql, kUnfinished, owner, after, most); }));
  return DecodeSagas(rows);
}

absl::Status SociSagaStore::Release(const Lease& lease) {
  const std::string id = EncodeText(lease.instance);
  const long long epoch = lease.epoch;
  return Write([&](soci::session& sql) {
    Change(sql, kRelease, id, epoch);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Saga>> SociSagaStore::Claim(const Lease& lease, int limit) {
  const bool on_postgres = dialect_ == Dialect::kPostgres;
  const std::string query = absl::StrCat(kLapsed, on_postgres ? kNowOnPostgres : kNow, kBackFirst,
                                         on_postgres ? kSkipLocked : "", ") ", kOwn, kChosen, kIfHeld);
  const std::string instance = EncodeText(lease.instance);
  const long long epoch = lease.epoch;
  const int most = Limit(limit);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Write([&](soci::session& sql) {
    rows = SagasOf(sql, query, most, instance, instance, epoch);
    return absl::OkStatus();
  }));
  return DecodeSagas(rows);
}

absl::StatusOr<Saga> SociSagaStore::Take(const Lease& lease, absl::string_view saga_id) {
  const std::string query = absl::StrCat(kOwn, kUnfinishedById, kIfHeld);
  const std::string id = EncodeText(saga_id);
  const std::string instance = EncodeText(lease.instance);
  const long long epoch = lease.epoch;
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Write([&](soci::session& sql) {
    rows = SagasOf(sql, query, instance, id, instance, epoch);
    return absl::OkStatus();
  }));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no unfinished saga ", saga_id));
  return DecodeSaga(rows.front());
}

absl::StatusOr<int> SociSagaStore::Purge(const Lease& lease, absl::Time before, int limit) {
  const long long older_than = EncodeTime(before);
  const int most = Limit(limit);
  if (dialect_ == Dialect::kPostgres) {
    return writers_->With(
        [&](Writer& writer) { return PurgeOnPostgres(writer.connection(), lease, older_than, most); });
  }
  int purged = 0;
  const auto purge = [&](SociTurn& statements) -> absl::Status {
    RETURN_IF_ERROR(statements.CheckLease(lease));
    Change(statements.sql(), kPurgeEvents, older_than, most);
    purged = static_cast<int>(Change(statements.sql(), kPurgeSagas, older_than, most));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(writers_->With([&](Writer& writer) { return writer.WriteTurn(purge); }));
  return purged;
}

absl::Status SociSagaStore::PutDefinition(const StoredDefinition& definition) {
  const std::string name = EncodeText(definition.name);
  const std::string hash = EncodeText(definition.hash);
  const std::string yaml = EncodeText(definition.yaml);
  const std::string descriptors = absl::Base64Escape(definition.descriptors);
  return Write([&](soci::session& sql) {
    if (Change(sql, kInsertDefinition, name, definition.version, hash, yaml, descriptors) == 1) return absl::OkStatus();
    std::string stored;
    RunOnce(sql, kSelectHash, into(stored), use(name), use(definition.version));
    if (stored == hash) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat("version ", definition.version, " of definition ", definition.name,
                                                 " is stored with other content; give the changed one a new version"));
  });
}

absl::StatusOr<std::vector<StoredDefinition>> SociSagaStore::LoadDefinitions() {
  std::vector<StoredDefinition> rows;
  RETURN_IF_ERROR(Read([&](soci::session& sql) {
    StoredDefinition row;
    Statement select(sql, kSelectDefinitions, into(row.name), into(row.version), into(row.hash), into(row.yaml),
                     into(row.descriptors));
    select.Execute();
    while (select.Fetch()) rows.push_back(row);
  }));
  for (StoredDefinition& row : rows) RETURN_IF_ERROR(DecodeDefinition(row));
  return rows;
}

absl::Status SociSagaStore::Write(absl::FunctionRef<absl::Status(soci::session&)> body) {
  return writers_->With([&](Writer& writer) { return writer.Write(body); });
}

absl::Status SociSagaStore::Read(absl::FunctionRef<void(soci::session&)> body) {
  std::lock_guard lock(reader_mutex_);
  return reader_->Read([&](soci::session& sql) {
    body(sql);
    return absl::OkStatus();
  });
}

}  // namespace unwind
