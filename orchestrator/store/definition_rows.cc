#include "orchestrator/store/definition_rows.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/db/statement.h"
#include "orchestrator/store/instance_rows.h"
#include "orchestrator/store/stored_text.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

constexpr char kSelect[] = "SELECT name, version, hash, yaml, descriptors FROM definition ";
constexpr char kOne[] = "WHERE name = :name AND version = :version";
constexpr char kAll[] = "ORDER BY name, version";
constexpr char kSelectInUse[] =
    "SELECT DISTINCT definition, definition_version FROM saga WHERE state IN (1, 2, 5)"
    " ORDER BY definition, definition_version";

constexpr absl::Duration kUnusedMax = absl::Hours(24 * 365 * 100);

// Whether it was put longer ago than :unused_for.
std::string IsOld(Dialect dialect) {
  return absl::StrCat("put_time < ", NowIn(dialect), " - CAST(:unused_for AS bigint)");
}

long long NanosOf(absl::Duration unused_for) { return absl::ToInt64Nanoseconds(std::min(unused_for, kUnusedMax)); }

// Makes the texts and bytes of `row` what they were, in place.
absl::Status Decode(StoredDefinition& row) {
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

template <class... Uses>
absl::StatusOr<std::vector<StoredDefinition>> Select(soci::session& sql, const char* which, const Uses&... uses) {
  std::vector<StoredDefinition> rows;
  StoredDefinition row;
  Statement select(sql, absl::StrCat(kSelect, which), into(row.name), into(row.version), into(row.hash), into(row.yaml),
                   into(row.descriptors), use(uses)...);
  select.Execute();
  while (select.Fetch()) rows.push_back(row);
  for (StoredDefinition& each : rows) RETURN_IF_ERROR(Decode(each));
  return rows;
}

template <class... Uses>
absl::StatusOr<std::vector<DefinitionVersion>> SelectVersions(soci::session& sql, const std::string& query,
                                                              const Uses&... uses) {
  std::vector<DefinitionVersion> versions;
  DefinitionVersion row;
  Statement select(sql, query, into(row.name), into(row.version), use(uses)...);
  select.Execute();
  while (select.Fetch()) {
    std::optional<std::string> name = DecodeText(row.name);
    if (!name) return absl::DataLossError(absl::StrCat("the name of a definition, ", row.name, ", cannot be read"));
    versions.push_back({*std::move(name), row.version});
  }
  return versions;
}

}  // namespace

absl::Status PutDefinitionRow(soci::session& sql, const StoredDefinition& definition) {
  const std::string query = absl::StrCat(
      "INSERT INTO definition (name, version, hash, yaml, descriptors, put_time)"
      " VALUES (:name, :version, :hash, :yaml, :descriptors, ",
      NowIn(DialectOf(sql)),
      ") ON CONFLICT (name, version) DO UPDATE SET put_time = excluded.put_time"
      " WHERE definition.hash = excluded.hash");
  const std::string name = EncodeText(definition.name), hash = EncodeText(definition.hash),
                    yaml = EncodeText(definition.yaml), descriptors = absl::Base64Escape(definition.descriptors);
  const long long put =
      Statement(sql, query, use(name), use(definition.version), use(hash), use(yaml), use(descriptors)).CountChanges();
  if (put == 1) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("version ", definition.version, " of definition ", definition.name,
                                               " is stored with other content; give the changed one a new version"));
}

absl::StatusOr<std::vector<StoredDefinition>> LoadDefinitionRows(soci::session& sql) { return Select(sql, kAll); }

absl::StatusOr<StoredDefinition> LoadDefinitionRow(soci::session& sql, absl::string_view name, int version) {
  const std::string stored_name = EncodeText(name);
  ASSIGN_OR_RETURN(std::vector<StoredDefinition> found, Select(sql, kOne, stored_name, version));
  if (!found.empty()) return std::move(found.front());
  return absl::NotFoundError(absl::StrCat("version ", version, " of definition ", name, " is not stored"));
}

absl::StatusOr<std::vector<DefinitionVersion>> DefinitionsOfUnfinished(soci::session& sql) {
  return SelectVersions(sql, kSelectInUse);
}

absl::StatusOr<std::vector<DefinitionVersion>> UnusedDefinitions(soci::session& sql, absl::Duration unused_for) {
  const std::string query =
      absl::StrCat("SELECT name, version FROM definition WHERE ", IsOld(DialectOf(sql)),
                   " AND NOT EXISTS (SELECT 1 FROM saga WHERE saga.definition = definition.name AND"
                   " saga.definition_version = definition.version) ORDER BY name, version");
  const long long nanos = NanosOf(unused_for);
  return SelectVersions(sql, query, nanos);
}

void RemoveDefinitions(soci::session& sql, absl::Duration unused_for, std::vector<DefinitionVersion>& unused) {
  const std::string query = absl::StrCat("DELETE FROM definition ", kOne, " AND ", IsOld(DialectOf(sql)));
  const long long nanos = NanosOf(unused_for);
  std::vector<DefinitionVersion> removed;
  for (DefinitionVersion& each : unused) {
    const std::string name = EncodeText(each.name);
    if (Statement(sql, query, use(name), use(each.version), use(nanos)).CountChanges() == 1) {
      removed.push_back(std::move(each));
    }
  }
  unused = std::move(removed);
}

}  // namespace unwind
