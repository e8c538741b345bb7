#include "common/db/row_list.h"

#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind {

void PutRows(soci::session& session, absl::string_view sql, const RowList& rows) {
  if (rows.empty()) return;
  const std::string param = rows.json();
  RunOnce(session, sql, soci::use(param));
}

bool InsertRows(soci::session& session, absl::string_view sql, const RowList& rows) {
  if (rows.empty()) return true;
  const std::string param = rows.json();
  long long returned = 0;
  return Statement(session, sql, soci::use(param), soci::into(returned)).CountRows() == rows.size();
}

}  // namespace unwind
