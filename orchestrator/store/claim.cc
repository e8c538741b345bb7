#include "orchestrator/store/claim.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/saga_rows.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

// Which of an owner's sagas, as the ids ascend: in the words and the order of an index.
struct Which {
  const char* rows;
  const char* order;
};
constexpr Which kGoingBack = {"state = 2", "id"};                                   // saga_going_back
constexpr Which kDriven = {"state IN (1, 2, 5) AND due_at IS NULL", "due_at, id"};  // saga_driven
constexpr Which kUnfinished = {"state IN (1, 2, 5)", "id"};                         // saga_unfinished

constexpr std::size_t kRowsAtOnce = 16;  // each may be large

constexpr char kOwn[] = "UPDATE saga SET owner = CAST(:owner AS text) WHERE ";

// Each owner's sagas are read along an index, so that a large takeover sorts nothing.
std::string LapsedSagas(Dialect dialect, const Which& which) {
  return absl::StrCat("WHERE owner = :owner AND ", which.rows,
                      " AND id > :after AND EXISTS (SELECT 1 FROM instance AS i WHERE i.id = saga.owner AND"
                      " i.lease_until < ",
                      NowIn(dialect),
                      ") AND EXISTS (SELECT 1 FROM ROWS(:drivable) AS d WHERE d.value ->> 0 = saga.definition AND"
                      " CAST(d.value ->> 1 AS bigint) = saga.definition_version)"
                      " ORDER BY ",
                      which.order, " LIMIT CAST(:limit AS bigint) FOR UPDATE SKIP LOCKED");
}

// One Claim: finds sagas until it has `limit`, then owns those that it could read.
class Claiming {
 public:
  Claiming(soci::session& sql, const std::vector<DefinitionVersion>& drivable, int limit)
      : sql_(sql), limit_(static_cast<std::size_t>(Limit(limit))) {
    RowList rows;
    for (const DefinitionVersion& each : drivable) rows.Add(each.name, each.version);
    drivable_ = rows.json();
  }

  void Find(const LapsedOwner& owner, const Which& which) {
    const std::string query = LapsedSagas(DialectOf(sql_), which);
    std::string after;
    while (found_.sagas.size() < limit_ && bytes_ < kPageBytesMax) {
      const auto missing = static_cast<long long>(std::min(limit_ - found_.sagas.size(), kRowsAtOnce));
      const std::vector<SagaRow> rows = SelectSagas(sql_, query, owner.instance, after, drivable_, missing);
      for (const SagaRow& row : rows) Add(row, owner.released);
      if (static_cast<long long>(rows.size()) < missing) return;
      after = rows.back().id;
    }
  }

  SagaPage Own(const std::string& instance) {
    if (ids_.empty()) return std::move(found_);
    const std::string ids = ids_.json();
    const std::string own = absl::StrCat(kOwn, "id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)");
    Statement(sql_, own, use(instance), use(ids)).CountChanges();
    for (Saga& saga : found_.sagas) saga.owner = instance;
    return std::move(found_);
  }

 private:
  // What goes back, or was driven, is found among all that are unfinished once more, as its owner is not changed yet.
  void Add(const SagaRow& row, bool released) {
    if (!seen_.insert(row.id).second) return;
    bytes_ += row.accepted.size() + row.progress.size();
    const std::size_t readable = found_.sagas.size();
    Append(found_, row);
    if (found_.sagas.size() > readable) {
      ids_.Add(row.id);
      found_.released += released ? 1 : 0;
    }
    if (found_.unreadable.size() > limit_) found_.unreadable.pop_back();
  }

  soci::session& sql_;
  const std::size_t limit_;
  std::string drivable_;
  std::size_t bytes_ = 0;
  SagaPage found_;
  RowList ids_;  // of found_.sagas
  std::set<std::string> seen_;
};

}  // namespace

std::vector<LapsedOwner> LapsedOwners(soci::session& sql, const std::string& self) {
  const std::string query = absl::StrCat(
      "SELECT id, CASE WHEN lease_until = 0 THEN 1 ELSE 0 END FROM instance WHERE id <> :self AND lease_until < ",
      NowIn(DialectOf(sql)),
      " AND EXISTS (SELECT 1 FROM saga AS s WHERE s.owner = instance.id AND s.state IN (1, 2, 5))"
      " ORDER BY id");
  std::vector<LapsedOwner> owners;
  std::string id;
  int released = 0;
  Statement select(sql, query, use(self), into(id), into(released));
  select.Execute();
  while (select.Fetch()) owners.push_back({.instance = id, .released = released != 0});
  return owners;
}

absl::StatusOr<SagaPage> ClaimSagas(Connection& connection, const Lease& lease, const std::vector<LapsedOwner>& owners,
                                    const std::vector<DefinitionVersion>& drivable, int limit) {
  SagaPage claimed;
  RETURN_IF_ERROR(connection.Write([&](soci::session& sql) {
    if (!HoldLease(sql, lease).ok()) return absl::OkStatus();
    Claiming claiming(sql, drivable, limit);
    for (const Which& which : {kGoingBack, kDriven, kUnfinished}) {
      for (const LapsedOwner& owner : owners) claiming.Find(owner, which);
    }
    claimed = claiming.Own(lease.instance);
    return absl::OkStatus();
  }));
  return claimed;
}

absl::StatusOr<Saga> TakeSaga(Connection& connection, const Lease& lease, absl::string_view saga_id) {
  const std::string query = absl::StrCat(kOwn, "id = :id AND state IN (1, 2, 5) RETURNING ", kSagaColumns);
  const std::string id(saga_id);
  absl::StatusOr<Saga> taken;
  RETURN_IF_ERROR(connection.Write([&](soci::session& sql) {
    std::vector<SagaRow> rows;
    if (HoldLease(sql, lease).ok()) rows = SagasOf(sql, query, lease.instance, id);
    if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no unfinished saga ", saga_id));
    taken = DecodeSaga(rows.front());
    return taken.status();
  }));
  return taken;
}

}  // namespace unwind
