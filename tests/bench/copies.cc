#include "tests/bench/copies.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "soci/soci.h"

namespace unwind {
namespace {

constexpr int kOriginals = 100;
constexpr std::int64_t kRounds = 200;  // of all originals in one transaction
constexpr int kTellEvery = 5;          // transactions

// The rows of an order and where they are. `ids` end in the saga's id or in another UUID, the first of them is the
// order's own; `times` are nanoseconds; the rest is copied as it is.
struct Table {
  Node node;
  const char* name;
  const char* key_prefix;  // of the first of `ids`, before the saga's id
  std::vector<std::string> ids;
  std::vector<std::string> times;
  const char* rest;
};

constexpr char kRoomForIndexes[] = "PRAGMA cache_size = -524288";  // SQLite's; KiB
constexpr char kBarrier[] = "key_scope, step, phase, outcome, payload_hash, reply, written_at_us, keep_until_us";

// Rows that refer to others stand after them.
const std::vector<Table>& Tables() {
  static const auto* const tables = new std::vector<Table>{
      {Node::kOrchestrator,
       "saga",
       "",
       {"id", "key"},
       {"create_time", "update_time"},
       "definition, definition_version, key_scope, state, version, owner, next_run_at, accepted, progress"},
      {Node::kOrchestrator, "saga_event", "", {"saga_id"}, {"at"}, "seq, what, state, detail"},
      {Node::kOrder,
       "orders",
       "",
       {"order_id", "payment_id"},
       {},
       "owner, member_id, state, total_minor, currency_code, reason, canceller, create_time_us, update_time_us"},
      {Node::kOrder, "order_items", "", {"order_id"}, {}, "line, product_id, quantity, member_id, limited, live"},
      {Node::kOrder, "saga_barrier", "", {"saga_id"}, {}, kBarrier},
      {Node::kStock,
       "reservations",
       "",
       {"reservation_id"},
       {},
       "owner, state, total_minor, currency_code, create_time_us, update_time_us"},
      {Node::kStock, "reservation_items", "", {"reservation_id"}, {}, "product_id, quantity, unit_price_minor"},
      {Node::kStock, "saga_barrier", "", {"saga_id"}, {}, kBarrier},
      {Node::kPayment,
       "payments",
       "",
       {"payment_id", "pg_transaction_id"},
       {},
       "owner, member_id, amount_minor, currency_code, method, state, failed_reason, refund_id, create_time_us, "
       "paid_at_us"},
      {Node::kPayment, "saga_barrier", "", {"saga_id"}, {}, kBarrier},
      {Node::kGateway,
       "ledger",
       "charge-",
       {"idempotency_key", "transaction_id"},
       {},
       "kind, amount_minor, currency_code, captured_transaction_id, decline_reason, request, create_time_us"},
  };
  return *tables;
}

// The id of copy i: the last twelve digits count the copies.
std::string CopyOf(const std::string& id) {
  return absl::StrCat("substr(", id, ", 1, length(", id, ") - 12) || substr(CAST(1000000000000 + i AS TEXT), 2)");
}

std::string Quoted(const std::vector<std::string>& ids, const char* prefix, std::size_t cut_off) {
  return absl::StrJoin(ids, ", ", [&](std::string* out, const std::string& id) {
    absl::StrAppend(out, "'", prefix, id.substr(0, id.size() - cut_off), "'");
  });
}

// Adds the copies `first` to `last` of every original, one original after the other, so that ids ascend. Understood by
// both kinds of databases.
std::string Multiply(const Table& table, const std::vector<std::string>& originals, std::int64_t first,
                     std::int64_t last, absl::Duration age) {
  std::vector<std::string> columns = table.ids, values;
  for (const std::string& id : table.ids) values.push_back(CopyOf(id));
  for (const std::string& time : table.times) {
    columns.push_back(time);
    values.push_back(absl::StrCat(time, " - ", absl::ToInt64Nanoseconds(age)));
  }
  return absl::StrCat("INSERT INTO ", table.name, " (", absl::StrJoin(columns, ", "), ", ", table.rest, ")",
                      " WITH RECURSIVE n (i) AS (SELECT ", first, " UNION ALL SELECT i + 1 FROM n WHERE i < ", last,
                      ") SELECT ", absl::StrJoin(values, ", "), ", ", table.rest, " FROM ", table.name,
                      " CROSS JOIN n WHERE ", table.ids[0], " IN (", Quoted(originals, table.key_prefix, 0), ")");
}

}  // namespace

absl::Status Copies::Execute(Node node, const std::string& sql) {
  if (PostgresServer* const server = rig_.cluster().postgres(); server != nullptr) {
    return server->Execute(NodeName(node), sql).status();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Open(rig_.cluster().Database(node)));
  return connection->Write([&](soci::session& session) {
    session << kRoomForIndexes;
    session << sql;
    return absl::OkStatus();
  });
}

absl::Status Copies::ChooseOriginals() {
  ASSIGN_OR_RETURN(originals_, rig_.Texts(Node::kOrchestrator, absl::StrCat("SELECT id FROM saga WHERE state = 3"
                                                                            " ORDER BY id LIMIT ",
                                                                            kOriginals)));
  if (originals_.size() == kOriginals) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("only ", originals_.size(), " orders were paid, too few to copy"));
}

absl::Status Copies::Make(std::int64_t count, absl::Duration age) {
  RETURN_IF_ERROR(ChooseOriginals());
  const std::int64_t all = std::max<std::int64_t>(1, (count + kOriginals - 1) / kOriginals);
  int transactions = 0;
  for (std::int64_t first = 1; first <= all; first += kRounds) {
    const std::int64_t last = std::min(all, first + kRounds - 1);
    for (const Table& table : Tables()) {
      RETURN_IF_ERROR(Execute(table.node, Multiply(table, originals_, first, last, age)));
    }
    made_ = last * kOriginals;
    if (++transactions % kTellEvery == 0) Tell(absl::StrCat(made_, " finished sagas are stored"));
  }
  if (PostgresServer* const server = rig_.cluster().postgres(); server != nullptr) {
    // What the server would else do during the measurement.
    for (const Node node : kNodes) RETURN_IF_ERROR(server->Execute(NodeName(node), "VACUUM ANALYZE").status());
    return server->Execute("postgres", "CHECKPOINT").status();
  }
  return absl::OkStatus();
}

// An original's id with another end.
std::string Copies::IsCopy(const std::string& id) const {
  constexpr std::size_t kEnd = 12;
  return absl::StrCat("substr(", id, ", 1, length(", id, ") - 12) IN (", Quoted(originals_, "", kEnd), ") AND ", id,
                      " NOT IN (", Quoted(originals_, "", 0), ")");
}

absl::StatusOr<std::int64_t> Copies::Count() {
  return rig_.Number(Node::kOrchestrator, absl::StrCat("SELECT COUNT(*) FROM saga WHERE ", IsCopy("id")));
}

absl::Status Copies::Remove() {
  for (auto table = Tables().rbegin(); table != Tables().rend(); ++table) {
    const std::string id =
        *table->key_prefix == '\0' ? table->ids[0] : absl::StrCat("substr(", table->ids[0], ", 8)");  // "charge-"
    RETURN_IF_ERROR(Execute(table->node, absl::StrCat("DELETE FROM ", table->name, " WHERE ", IsCopy(id))));
    Tell(absl::StrCat("the copies are gone from ", NodeName(table->node), "'s ", table->name));
  }
  return absl::OkStatus();
}

}  // namespace unwind
