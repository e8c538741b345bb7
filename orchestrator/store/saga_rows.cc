#include "orchestrator/store/saga_rows.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"
#include "orchestrator/store/instance_rows.h"

namespace unwind {
namespace {

// Each way to choose is planned for itself; their words are those of the index saga_unfinished.
constexpr char kCount[] = "SELECT definition, definition_version, state, COUNT(*), MIN(create_time) FROM saga WHERE ";
constexpr char kOfOwner[] = "owner = :owner AND ";
constexpr char kUnfinishedByState[] =
    "state IN (1, 2, 5) GROUP BY definition, definition_version, state"
    " ORDER BY definition, definition_version, state";

// Of the sagas that `which` chooses.
template <class... Uses>
std::vector<UnfinishedCount> Counts(soci::session& sql, absl::string_view which, const Uses&... uses) {
  UnfinishedCount count;
  int state = 0;
  long long sagas = 0, oldest = 0;
  std::vector<UnfinishedCount> counts;
  Statement select(sql, absl::StrCat(kCount, which, kUnfinishedByState), soci::into(count.definition.name),
                   soci::into(count.definition.version), soci::into(state), soci::into(sagas), soci::into(oldest),
                   soci::use(uses)...);
  select.Execute();
  while (select.Fetch()) {
    counts.push_back({count.definition, static_cast<SagaState>(state), sagas, absl::FromUnixNanos(oldest)});
  }
  return counts;
}

}  // namespace

// SQLite gives the bytes themselves, PostgreSQL \x and their digits.
std::string BytesOf(soci::session& sql, const std::string& column) {
  if (DialectOf(sql) == Dialect::kSqlite) return column;
  absl::string_view digits = column;
  absl::ConsumePrefix(&digits, "\\x");
  return absl::HexStringToBytes(digits);
}

void Append(SagaPage& page, const SagaRow& row) {
  page.last_id = row.id;
  absl::StatusOr<Saga> saga = DecodeSaga(row);
  if (saga.ok()) {
    page.sagas.push_back(*std::move(saga));
  } else {
    page.unreadable.push_back({page.last_id, std::string(saga.status().message())});
  }
}

SagaPage PageOf(const std::vector<SagaRow>& rows) {
  SagaPage page;
  page.sagas.reserve(rows.size());
  for (const SagaRow& row : rows) Append(page, row);
  return page;
}

std::vector<UnfinishedCount> UnfinishedCounts(soci::session& sql, const std::string& owner) {
  return owner.empty() ? Counts(sql, "") : Counts(sql, kOfOwner, owner);
}

std::vector<UnfinishedCount> OrphanedCounts(soci::session& sql, const std::string& instance) {
  return Counts(sql,
                absl::StrCat("owner IN (SELECT id FROM instance WHERE id <> :self AND lease_until < ",
                             NowIn(DialectOf(sql)), ") AND "),
                instance);
}

}  // namespace unwind
