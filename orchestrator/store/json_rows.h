// Brings the rows of the first release into the tables of today, once.
#ifndef UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_
#define UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_

#include "absl/status/status.h"
#include "soci/session.h"

namespace unwind {

// From saga_1, saga_event_1 and definition_1 into saga, saga_event and definition, in the transaction at hand. A row
// that cannot be read keeps its place, unreadable, and is named in the log.
absl::Status RewriteJsonRows(soci::session& sql);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_JSON_ROWS_H_
