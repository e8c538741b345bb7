#include "orchestrator/store/soci_saga_store.h"

#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/dsn.h"
#include "common/db/migrate.h"
#include "common/db/open.h"
#include "common/db/row_list.h"
#include "orchestrator/store/claim.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/json_rows.h"
#include "orchestrator/store/pg_commit.h"
#include "orchestrator/store/saga_rows.h"
#include "orchestrator/store/sqlite_commit.h"
#include "soci/soci.h"

extern const unwind::Migrations kSagaMigrations;  // embedded by the build

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr long long kMessages = 2;  // the number of migrations/*/0002_messages.sql

constexpr long long kPageBytes = kPageBytesMax;

constexpr int kFollowersTries = 8;  // of a commit whose followers are not the stored ones any more

// Connections that read.
constexpr int kLookUps = 1;
constexpr int kLists = 3;  // as many as SagaService has threads: its readers and the one of its watches

constexpr char kById[] = "WHERE id = :id";
// Of the rows that `which` chooses, in the order of their ids, those that fit into a page; the last may stand out.
constexpr char kWithinAPage[] =
    "WHERE id IN (SELECT s.id FROM (SELECT c.id, SUM(c.bytes) OVER (ORDER BY c.id) - c.bytes AS before FROM"
    " (SELECT id, length(accepted) + length(progress) AS bytes FROM saga ";
constexpr char kOfAPage[] = ") AS c) AS s WHERE s.before < CAST(:bytes AS bigint)) ORDER BY id";
constexpr char kByIds[] = "WHERE id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";
constexpr char kNewer[] =
    "WHERE id IN (SELECT n.id FROM ROWS(:seen) AS r JOIN saga AS n ON n.id = r.value ->> 0"
    " WHERE n.version > CAST(r.value ->> 1 AS BIGINT))";
constexpr char kByKey[] =
    "WHERE definition = :definition AND key = :key AND key_scope IN (:key_scope, '') ORDER BY key_scope DESC LIMIT 1";
// The words and the order of the index saga_driven; in the order of the ids alone PostgreSQL would take another one,
// and read all that rests.
constexpr char kUnfinished[] =
    "WHERE owner = :owner AND id > :after AND state IN (1, 2, 5) AND due_at IS NULL ORDER BY due_at, id LIMIT :limit";

// Lists. Each way to choose is one index's, so that a page is read from its front.
constexpr char kOfDefinition[] = "definition = :definition AND ";
constexpr char kInState[] = "state = :state AND ";
constexpr char kInRareState[] = "state = :state AND state <> 3 AND ";  // the words of the index saga_by_state
constexpr char kOfBoth[] = "definition = :definition AND state = :state AND ";
constexpr char kOfKey[] =
    "id IN (SELECT k.id FROM saga AS k WHERE k.definition = :definition AND k.key = :key)"
    " AND (:state = 0 OR state = CAST(:state2 AS bigint)) AND ";
// Of each of three states the oldest, by the index saga_by_state, and of these the oldest. A state of 0 has none.
std::string OldestOfThreeStates() {
  std::string of_each;
  for (const char* const n : {"1", "2", "3"}) {
    absl::StrAppend(&of_each, of_each.empty() ? "" : " UNION ALL ",
                    "SELECT id FROM (SELECT id FROM saga WHERE state = :state", n, " AND state <> 3 AND id > :after", n,
                    " ORDER BY id LIMIT :most", n, ") AS s", n);
  }
  return absl::StrCat("WHERE id IN (SELECT u.id FROM (", of_each, ") AS u ORDER BY u.id LIMIT :limit)");
}

constexpr char kNewest[] = "id < :before AND create_time BETWEEN :from AND :until ORDER BY id DESC LIMIT :limit";
constexpr char kNewestWithinAPage[] =
    "WHERE id IN (SELECT s.id FROM (SELECT c.id, SUM(c.bytes) OVER (ORDER BY c.id DESC) - c.bytes AS before FROM"
    " (SELECT id, length(accepted) + length(progress) AS bytes FROM saga ";
constexpr char kOfAPageOfTheNewest[] = ") AS c) AS s WHERE s.before < CAST(:bytes AS bigint)) ORDER BY id DESC";
// U+10FFFF: above every id.
constexpr char kAfterTheNewest[] = "\xf4\x8f\xbf\xbf";

constexpr char kSelectEvents[] =
    "SELECT seq, what, at, state, detail FROM saga_event WHERE saga_id = :saga_id AND seq > :after"
    " ORDER BY seq LIMIT :limit";

// What read(which, uses...) gives: `which` chooses the rows of a list, `uses` are its parameters in their order.
template <class Read>
auto Listed(const SagaFilter& filter, const Read& read) {
  const std::string &definition = filter.definition, &key = filter.key;
  const int state = filter.state.has_value() ? static_cast<int>(*filter.state) : 0;
  const std::string before = filter.before_id.empty() ? kAfterTheNewest : filter.before_id;
  const long long from = EncodeTime(filter.created_from);
  const long long until = filter.created_before == absl::InfiniteFuture()
                              ? std::numeric_limits<long long>::max()
                              : EncodeTime(filter.created_before - absl::Nanoseconds(1));
  const int limit = Limit(filter.limit);
  const auto rows = [&](const char* which, const auto&... uses) {
    return read(absl::StrCat("WHERE ", which, kNewest), uses..., before, from, until, limit);
  };
  if (!key.empty()) return rows(kOfKey, definition, key, state, state);
  if (!definition.empty()) return state == 0 ? rows(kOfDefinition, definition) : rows(kOfBoth, definition, state);
  if (state == 0) return rows("");
  return rows(filter.state == SagaState::kCompleted ? kInState : kInRareState, state);
}

SagaPage CutPageOf(const std::vector<SagaRow>& rows) {
  std::size_t bytes = 0;
  for (const SagaRow& row : rows) bytes += row.accepted.size() + row.progress.size();
  SagaPage page = PageOf(rows);
  page.is_cut = bytes >= kPageBytesMax;
  return page;
}

std::vector<EventRow> EventsOf(soci::session& sql, const std::string& saga_id, long long after, int limit) {
  std::vector<EventRow> rows;
  EventRow row;
  row.saga_id = saga_id;
  Statement select(sql, kSelectEvents, into(row.seq), into(row.what), into(row.at), into(row.state), into(row.detail),
                   use(saga_id), use(after), use(limit));
  select.Execute();
  while (select.Fetch()) {
    rows.push_back(row);
    rows.back().detail = BytesOf(sql, row.detail);
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SociSagaStore>> SociSagaStore::Open(const std::string& database, int writers,
                                                                   absl::Duration lease) {
  const Dialect dialect = IsPostgres(database) ? Dialect::kPostgres : Dialect::kSqlite;
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  const auto rewrite = [](soci::session& sql) { return RewriteJsonRows(sql, kJsonPageBytes); };
  RETURN_IF_ERROR(Migrate(*connection, "orchestrator", kSagaMigrations, {{kMessages, rewrite}}));
  std::unique_ptr<SociSagaStore> store(new SociSagaStore(dialect));
  store->writers_.Add(std::move(connection));
  const auto add = [&](ConnectionPool& pool, int count, absl::Duration statement_max) -> absl::Status {
    for (int i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(std::unique_ptr<Connection> another, OpenDatabase(database, statement_max));
      pool.Add(std::move(another));
    }
    return absl::OkStatus();
  };
  if (dialect == Dialect::kPostgres) {
    RETURN_IF_ERROR(add(store->writers_, writers - 1, absl::InfiniteDuration()));
    RETURN_IF_ERROR(add(store->leases_, 1, lease / 5));
  }
  RETURN_IF_ERROR(add(store->look_ups_, kLookUps, absl::InfiniteDuration()));
  RETURN_IF_ERROR(add(store->lists_, kLists, absl::InfiniteDuration()));
  return store;
}

absl::StatusOr<std::vector<WriteResult>> SociSagaStore::Commit(const Lease& lease,
                                                               const std::vector<SagaWrite>& writes) {
  std::shared_ptr<const FollowerSet> followers = KnownFollowers();
  for (int tries = 0; tries < kFollowersTries; ++tries) {
    if (followers == nullptr) {
      ASSIGN_OR_RETURN(followers, ReadFollowers());
    }
    RETURN_IF_ERROR(CheckCanEnd(*followers, writes));
    std::vector<WriteRows> rows;
    rows.reserve(writes.size());
    for (const SagaWrite& write : writes) rows.push_back(EncodeWrite(lease, write, *followers));
    ASSIGN_OR_RETURN(std::optional<std::vector<WriteResult>> results, writers_.With([&](Connection& writer) {
      return dialect_ == Dialect::kPostgres ? CommitOnPostgres(writer, lease, rows, followers->generation)
                                            : CommitOnSqlite(writer, lease, writes, rows, followers->generation);
    }));
    if (results.has_value()) return *std::move(results);
    followers = nullptr;
  }
  return absl::UnavailableError("who follows whom has changed again and again");
}

absl::StatusOr<Saga> SociSagaStore::Load(absl::string_view saga_id) {
  const std::string id(saga_id);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    rows = SelectSagas(sql, kById, id);
    return absl::OkStatus();
  }));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no saga ", saga_id));
  return DecodeSaga(rows.front());
}

absl::StatusOr<SagaPage> SociSagaStore::LoadMany(const std::vector<std::string>& ids) {
  const std::string json = IdRows(ids);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    rows = SelectSagas(sql, absl::StrCat(kWithinAPage, kByIds, kOfAPage), json, kPageBytes);
    return absl::OkStatus();
  }));
  return CutPageOf(rows);
}

absl::StatusOr<Saga> SociSagaStore::LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                              absl::string_view key) {
  const std::string of(definition), by(key), scope(key_scope);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    rows = SelectSagas(sql, kByKey, of, by, scope);
    return absl::OkStatus();
  }));
  if (rows.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no saga of definition ", definition, " with key ", key));
  }
  return DecodeSaga(rows.front());
}

absl::StatusOr<SagaPage> SociSagaStore::List(const SagaFilter& filter) {
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    rows = Listed(filter, [&sql](const std::string& which, const auto&... uses) {
      return SelectSagas(sql, absl::StrCat(kNewestWithinAPage, which, kOfAPageOfTheNewest), uses..., kPageBytes);
    });
    return absl::OkStatus();
  }));
  return CutPageOf(rows);
}

absl::StatusOr<SagaPage> SociSagaStore::ListUnfinished(std::optional<SagaState> state, absl::string_view after_id,
                                                       int limit) {
  const std::string after(after_id);
  const int most = Limit(limit);
  std::array<int, 3> in = {1, 2, 5};
  if (state.has_value()) in = {IsTerminal(*state) ? 0 : static_cast<int>(*state), 0, 0};
  const std::string query = absl::StrCat(kWithinAPage, OldestOfThreeStates(), kOfAPage);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    rows = SelectSagas(sql, query, in[0], after, most, in[1], after, most, in[2], after, most, most, kPageBytes);
    return absl::OkStatus();
  }));
  return CutPageOf(rows);
}

absl::StatusOr<std::vector<SagaHead>> SociSagaStore::ListHeads(const SagaFilter& filter) {
  std::vector<SagaHead> heads;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    heads = Listed(filter,
                   [&sql](const std::string& which, const auto&... uses) { return SelectHeads(sql, which, uses...); });
    return absl::OkStatus();
  }));
  return heads;
}

absl::StatusOr<SagaPage> SociSagaStore::LoadNewer(const std::vector<SagaHead>& seen) {
  RowList heads;
  for (const SagaHead& head : seen) heads.Add(head.id, static_cast<long long>(head.version));
  const std::string json = heads.json();
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    rows = SelectSagas(sql, absl::StrCat(kWithinAPage, kNewer, kOfAPage), json, kPageBytes);
    return absl::OkStatus();
  }));
  return CutPageOf(rows);
}

absl::StatusOr<std::vector<HistoryEvent>> SociSagaStore::History(absl::string_view saga_id, std::int64_t after_seq,
                                                                 int limit) {
  const absl::StatusOr<Saga> saga = Load(saga_id);  // has the replies
  std::vector<HistoryEvent> events;
  if (absl::IsNotFound(saga.status())) return events;
  RETURN_IF_ERROR(saga.status());
  std::vector<EventRow> rows;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    rows = EventsOf(sql, saga->id, after_seq, Limit(limit));
    return absl::OkStatus();
  }));
  events.reserve(rows.size());
  for (const EventRow& row : rows) {
    ASSIGN_OR_RETURN(HistoryEvent event, DecodeEvent(*saga, row));
    events.push_back(std::move(event));
  }
  return events;
}

absl::StatusOr<std::optional<LeaseHolder>> SociSagaStore::Holder(const std::string& instance) {
  return lists_.With([&](Connection& reader) { return FindHolder(reader, instance); });
}

absl::StatusOr<Lease> SociSagaStore::Acquire(absl::string_view instance, absl::string_view address,
                                             absl::Duration length) {
  return writers_.With(
      [&](Connection& writer) { return AcquireLease(writer, std::string(instance), std::string(address), length); });
}

absl::Status SociSagaStore::Renew(const Lease& lease, absl::Duration length) {
  return leases().With([&](Connection& writer) { return RenewLease(writer, lease, length); });
}

absl::StatusOr<SagaPage> SociSagaStore::LoadOwned(const Lease& lease, absl::string_view after_id, int limit) {
  const std::string after(after_id);
  const int most = Limit(limit);
  std::vector<SagaRow> rows;
  RETURN_IF_ERROR(Read(lists_, [&](soci::session& sql) {
    rows = SelectSagas(sql, absl::StrCat(kWithinAPage, kUnfinished, kOfAPage), lease.instance, after, most, kPageBytes);
    return absl::OkStatus();
  }));
  return PageOf(rows);
}

absl::Status SociSagaStore::Release(const Lease& lease) {
  return leases().With([&](Connection& writer) { return ReleaseLease(writer, lease); });
}

absl::StatusOr<SagaPage> SociSagaStore::Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                              int limit) {
  std::vector<LapsedOwner> owners;
  RETURN_IF_ERROR(Read(look_ups_, [&](soci::session& sql) {
    owners = LapsedOwners(sql, lease.instance);
    return absl::OkStatus();
  }));
  if (owners.empty()) return SagaPage();
  return writers_.With([&](Connection& writer) { return ClaimSagas(writer, lease, owners, drivable, limit); });
}

absl::StatusOr<Saga> SociSagaStore::Take(const Lease& lease, absl::string_view saga_id) {
  return writers_.With([&](Connection& writer) { return TakeSaga(writer, lease, saga_id); });
}

absl::StatusOr<int> SociSagaStore::Purge(const Lease& lease, absl::Time before, int limit) {
  const long long older_than = EncodeTime(before);
  const int most = Limit(limit);
  return writers_.With([&](Connection& writer) {
    return dialect_ == Dialect::kPostgres ? PurgeOnPostgres(writer, lease, older_than, most)
                                          : PurgeOnSqlite(writer, lease, older_than, most);
  });
}

absl::Status SociSagaStore::Write(absl::FunctionRef<absl::Status(soci::session&)> body) {
  return writers_.With([&](Connection& writer) { return writer.Write(body); });
}

absl::Status SociSagaStore::Read(ConnectionPool& readers, absl::FunctionRef<absl::Status(soci::session&)> body) {
  return readers.With([&](Connection& reader) { return reader.ReadOnce(body); });
}

}  // namespace unwind
