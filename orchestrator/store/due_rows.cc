#include "orchestrator/store/due_rows.h"

#include "absl/strings/str_cat.h"
#include "common/db/statement.h"
#include "orchestrator/store/saga_codec.h"
#include "orchestrator/store/saga_rows.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

// The words of the indexes saga_unstarted, saga_resting and saga_wait_ends.
constexpr char kUnstarted[] = "due_at = create_time";
constexpr char kResting[] = "due_at > create_time";
constexpr char kEnding[] = "wait_ends_at IS NOT NULL";

constexpr long long kPageBytes = kPageBytesMax;

// Those that are due first, that fit into a page; the last may stand out. `column`: when they are.
std::string DueRows(absl::string_view which, absl::string_view column) {
  return absl::StrCat(
      "WHERE id IN (SELECT s.id FROM (SELECT c.id, SUM(c.bytes) OVER (ORDER BY c.due, c.id) - c.bytes",
      " AS before FROM (SELECT id, ", column,
      " AS due, length(accepted) + length(progress) AS bytes FROM saga WHERE owner = :owner AND",
      " definition = :definition AND definition_version = :version AND ", column, " <= :until AND ", which,
      " AND id NOT IN (SELECT r.value ->> 0 FROM ROWS(:without) AS r) AND state IN (1, 2, 5) ORDER BY ", column,
      ", id LIMIT :limit) AS c) AS s", " WHERE s.before < CAST(:bytes AS bigint)) ORDER BY ", column, ", id");
}

std::string DueRows(DueFor what) {
  switch (what) {
    case DueFor::kStart:
      return DueRows(kUnstarted, "due_at");
    case DueFor::kPoll:
      return DueRows(kResting, "due_at");
    case DueFor::kWaitEnd:
      return DueRows(kEnding, "wait_ends_at");
  }
  return "";
}

// Of each definition that has rows `which`.
std::string Counts(absl::string_view values, absl::string_view which) {
  return absl::StrCat("SELECT definition, definition_version, ", values, " FROM saga WHERE owner = :owner AND ", which,
                      " GROUP BY definition, definition_version ORDER BY definition, definition_version");
}

}  // namespace

SagaPage DuePage(soci::session& sql, const std::string& owner, const DefinitionVersion& definition, DueFor what,
                 long long until, const std::string& without, int limit) {
  return PageOf(
      SelectSagas(sql, DueRows(what), owner, definition.name, definition.version, until, without, limit, kPageBytes));
}

std::vector<std::pair<DefinitionVersion, std::int64_t>> UnstartedCounts(soci::session& sql, const std::string& owner) {
  DefinitionVersion definition;
  long long sagas = 0;
  Statement select(sql, Counts("COUNT(*)", kUnstarted), into(definition.name), into(definition.version), into(sagas),
                   use(owner));
  std::vector<std::pair<DefinitionVersion, std::int64_t>> counts;
  select.Execute();
  while (select.Fetch()) counts.emplace_back(definition, sagas);
  return counts;
}

std::vector<RestingCount> RestingCounts(soci::session& sql, const std::string& owner) {
  RestingCount count;
  long long sagas = 0, oldest = 0;
  const std::string query = Counts("COUNT(*), COALESCE(MIN(waits_since), 9223372036854775807)", kResting);
  Statement select(sql, query, into(count.definition.name), into(count.definition.version), into(sagas), into(oldest),
                   use(owner));
  std::vector<RestingCount> counts;
  select.Execute();
  while (select.Fetch()) counts.push_back({count.definition, sagas, DecodeTime(oldest)});
  return counts;
}

}  // namespace unwind
