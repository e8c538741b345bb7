#include "orchestrator/store/definition_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/pg_array.h"
#include "orchestrator/store/saga_rows.h"
#include "saga/stored/v1/rows.pb.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr char kOne[] = "WHERE name = :name AND version = :version";
// By the indexes saga_driven, saga_unstarted and saga_resting: in the order of the result it would read all sagas, and
// of those that rest no row.
constexpr char kSelectInUse[] =
    "SELECT DISTINCT definition, definition_version FROM saga WHERE owner > '' AND state IN (1, 2, 5) AND due_at IS "
    "NULL"
    " UNION SELECT DISTINCT definition, definition_version FROM saga WHERE owner > '' AND due_at = create_time"
    " UNION SELECT DISTINCT definition, definition_version FROM saga WHERE owner > '' AND due_at > create_time";

// The end of any parent may start a saga of a follower.
constexpr char kFollowsNone[] =
    " AND NOT EXISTS (SELECT 1 FROM follower AS f WHERE f.name = definition.name AND f.version = definition.version)";

constexpr absl::Duration kUnusedMax = absl::Hours(24 * 365 * 100);

// Whether it was put longer ago than :unused_for.
std::string IsOld(Dialect dialect) {
  return absl::StrCat("put_time < ", NowIn(dialect), " - CAST(:unused_for AS bigint)");
}

long long NanosOf(absl::Duration unused_for) { return absl::ToInt64Nanoseconds(std::min(unused_for, kUnusedMax)); }

template <class... Uses>
std::vector<DefinitionVersion> SelectVersions(soci::session& sql, const std::string& query, const Uses&... uses) {
  std::vector<DefinitionVersion> versions;
  DefinitionVersion row;
  Statement select(sql, query, into(row.name), into(row.version), use(uses)...);
  select.Execute();
  while (select.Fetch()) versions.push_back(row);
  return versions;
}

}  // namespace

absl::Status PutDefinitionRow(soci::session& sql, const StoredDefinition& definition) {
  const bool postgres = DialectOf(sql) == Dialect::kPostgres;
  const std::string query = absl::StrCat(
      "INSERT INTO definition (name, version, hash, content, put_time)"
      " VALUES (:name, :version, :hash, CAST(:content AS ",
      postgres ? "bytea" : "blob", "), ", NowIn(DialectOf(sql)),
      ") ON CONFLICT (name, version) DO UPDATE SET put_time = excluded.put_time"
      " WHERE definition.hash = excluded.hash");
  saga::stored::v1::Definition message;
  message.set_yaml(definition.yaml);
  message.set_descriptors(definition.descriptors);
  const std::string bytes = message.SerializeAsString(), content = postgres ? ToPgText(PgBytes{bytes}) : bytes;
  const long long put =
      Statement(sql, query, use(definition.name), use(definition.version), use(definition.hash), use(content))
          .CountChanges();
  if (put == 1) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("version ", definition.version, " of definition ", definition.name,
                                               " is stored with other content; give the changed one a new version"));
}

absl::StatusOr<StoredDefinition> LoadDefinitionRow(soci::session& sql, absl::string_view name, int version) {
  const std::string of(name);
  StoredDefinition definition{.name = of, .version = version, .hash = "", .yaml = "", .descriptors = ""};
  std::string column;
  if (!RunOnce(sql, absl::StrCat("SELECT hash, content FROM definition ", kOne), into(definition.hash), into(column),
               use(of), use(version))) {
    return absl::NotFoundError(absl::StrCat("version ", version, " of definition ", name, " is not stored"));
  }
  saga::stored::v1::Definition content;
  if (!content.ParseFromString(BytesOf(sql, column))) {
    return absl::DataLossError(
        absl::StrCat("version ", version, " of the stored definition ", name, " cannot be read"));
  }
  definition.yaml = content.yaml();
  definition.descriptors = content.descriptors();
  return definition;
}

std::vector<DefinitionVersion> DefinitionsOfUnfinished(soci::session& sql) {
  std::vector<DefinitionVersion> used = SelectVersions(sql, kSelectInUse);
  std::sort(used.begin(), used.end());
  return used;
}

std::vector<DefinitionVersion> StoredDefinitionRows(soci::session& sql) {
  return SelectVersions(sql, "SELECT name, version FROM definition ORDER BY name, version");
}

std::vector<DefinitionVersion> UnusedDefinitions(soci::session& sql, absl::Duration unused_for) {
  const std::string query =
      absl::StrCat("SELECT name, version FROM definition WHERE ", IsOld(DialectOf(sql)),
                   " AND NOT EXISTS (SELECT 1 FROM saga WHERE saga.definition = definition.name AND"
                   " saga.definition_version = definition.version)",
                   kFollowsNone, " ORDER BY name, version");
  const long long nanos = NanosOf(unused_for);
  return SelectVersions(sql, query, nanos);
}

void RemoveDefinitions(soci::session& sql, absl::Duration unused_for, std::vector<DefinitionVersion>& unused) {
  const std::string query = absl::StrCat("DELETE FROM definition ", kOne, " AND ", IsOld(DialectOf(sql)), kFollowsNone);
  const long long nanos = NanosOf(unused_for);
  std::vector<DefinitionVersion> removed;
  for (DefinitionVersion& each : unused) {
    if (Statement(sql, query, use(each.name), use(each.version), use(nanos)).CountChanges() == 1) {
      removed.push_back(std::move(each));
    }
  }
  unused = std::move(removed);
}

}  // namespace unwind
