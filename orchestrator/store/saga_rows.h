// Rows of table saga, read and decoded.
#ifndef UNWIND_ORCHESTRATOR_STORE_SAGA_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_SAGA_ROWS_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/db/statement.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/saga_codec.h"
#include "soci/soci.h"

namespace unwind {

inline constexpr char kSagaColumns[] =
    "id, definition, definition_version, key_scope, key, state, version, owner, next_run_at, create_time, update_time,"
    " COALESCE(parent, ''), COALESCE(due_at, 9223372036854775807), accepted, progress";

// The bytes of a BYTEA or BLOB column, of what SOCI read of it.
std::string BytesOf(soci::session& sql, const std::string& column);

// The rows of `query`, which gives kSagaColumns; `uses` in the order of its parameters.
template <class... Uses>
std::vector<SagaRow> SagasOf(soci::session& sql, absl::string_view query, const Uses&... uses) {
  SagaRow row;
  Statement select(sql, query, soci::into(row.id), soci::into(row.definition), soci::into(row.definition_version),
                   soci::into(row.key_scope), soci::into(row.key), soci::into(row.state), soci::into(row.version),
                   soci::into(row.owner), soci::into(row.next_run_at), soci::into(row.create_time),
                   soci::into(row.update_time), soci::into(row.parent), soci::into(row.due_at),
                   soci::into(row.accepted), soci::into(row.progress), soci::use(uses)...);
  std::vector<SagaRow> rows;
  select.Execute();
  while (select.Fetch()) {
    rows.push_back(row);
    rows.back().accepted = BytesOf(sql, row.accepted);
    rows.back().progress = BytesOf(sql, row.progress);
  }
  return rows;
}

// `where`: the rest of the statement.
template <class... Uses>
std::vector<SagaRow> SelectSagas(soci::session& sql, absl::string_view where, const Uses&... uses) {
  return SagasOf(sql, absl::StrCat("SELECT ", kSagaColumns, " FROM saga ", where), uses...);
}

// Without what they carry.
template <class... Uses>
std::vector<SagaHead> SelectHeads(soci::session& sql, absl::string_view where, const Uses&... uses) {
  std::string id;
  long long version = 0;
  int state = 0;
  Statement select(sql, absl::StrCat("SELECT id, version, state FROM saga ", where), soci::into(id),
                   soci::into(version), soci::into(state), soci::use(uses)...);
  std::vector<SagaHead> heads;
  select.Execute();
  while (select.Fetch()) heads.push_back({id, version, static_cast<SagaState>(state)});
  return heads;
}

// Adds the saga of `row`, or that it cannot be read, to `page`.
void Append(SagaPage& page, const SagaRow& row);

SagaPage PageOf(const std::vector<SagaRow>& rows);

// SagaStore::CountUnfinished; `owner` may be empty.
std::vector<UnfinishedCount> UnfinishedCounts(soci::session& sql, const std::string& owner);
// SagaStore::CountOrphaned.
std::vector<UnfinishedCount> OrphanedCounts(soci::session& sql, const std::string& instance);

// To SQLite a negative limit is none.
inline int Limit(int limit) { return limit < 0 ? 0 : limit; }

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SAGA_ROWS_H_
