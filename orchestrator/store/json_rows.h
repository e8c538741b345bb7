// Brings the rows of the first release into the tables of today, once.
#ifndef UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_

#include "absl/status/status.h"
#include "soci/session.h"

namespace unwind {

// Of what one statement reads or writes: replies of the first release may have 4 MiB, and PostgreSQL takes 1 GiB.
inline constexpr long long kJsonPageBytes = 8 << 20;

// From saga_1, saga_event_1 and definition_1 into saga, saga_event and definition, in the transaction at hand, about
// `page_bytes` at a time. A row that cannot be read is named in the log and kept whole in saga_unreadable or
// definition_unreadable, which are made for that; a saga keeps its place besides, unreadable.
absl::Status RewriteJsonRows(soci::session& sql, long long page_bytes);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_
