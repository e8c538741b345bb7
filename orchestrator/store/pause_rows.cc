#include "orchestrator/store/pause_rows.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/db/statement.h"
#include "orchestrator/store/instance_rows.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr char kDelete[] = "DELETE FROM pause WHERE name = :name";
constexpr char kSelectPauses[] = "SELECT name, pause_time, actor, reason FROM pause ORDER BY name";
constexpr char kSelectStored[] = "SELECT version FROM definition WHERE name = :name LIMIT 1";

std::string InsertPauseIn(Dialect dialect) {
  return absl::StrCat("INSERT INTO pause (name, pause_time, actor, reason) SELECT CAST(:name AS text), ",
                      NowIn(dialect),
                      ", CAST(:actor AS text), CAST(:reason AS text)"
                      " WHERE EXISTS (SELECT 1 FROM definition WHERE name = CAST(:name2 AS text))"
                      " ON CONFLICT (name) DO UPDATE SET actor = excluded.actor, reason = excluded.reason"
                      " RETURNING pause_time");
}

absl::Status NotStored(const std::string& definition) {
  return absl::NotFoundError(absl::StrCat("no version of definition ", definition, " is stored"));
}

}  // namespace

absl::StatusOr<DefinitionPause> PutPauseRow(soci::session& sql, const std::string& definition, const std::string& actor,
                                            const std::string& reason) {
  long long since = 0;
  if (!RunOnce(sql, InsertPauseIn(DialectOf(sql)), use(definition), use(actor), use(reason), use(definition),
               into(since))) {
    return NotStored(definition);
  }
  return DefinitionPause{definition, absl::FromUnixNanos(since), actor, reason};
}

absl::Status RemovePauseRow(soci::session& sql, const std::string& definition) {
  if (Statement(sql, kDelete, use(definition)).CountChanges() > 0) return absl::OkStatus();
  long long version = 0;
  return RunOnce(sql, kSelectStored, use(definition), into(version)) ? absl::OkStatus() : NotStored(definition);
}

std::vector<DefinitionPause> PauseRows(soci::session& sql) {
  DefinitionPause row;
  long long since = 0;
  Statement select(sql, kSelectPauses, into(row.definition), into(since), into(row.actor), into(row.reason));
  std::vector<DefinitionPause> pauses;
  select.Execute();
  while (select.Fetch()) {
    row.since = absl::FromUnixNanos(since);
    pauses.push_back(row);
  }
  return pauses;
}

}  // namespace unwind
