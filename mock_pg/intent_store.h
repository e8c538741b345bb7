// The rows of what is finished later. Every function runs inside the caller's transaction and lets soci_error pass.
#ifndef UNWIND_MOCK_PG_INTENT_STORE_H_
#define UNWIND_MOCK_PG_INTENT_STORE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mock_pg/ledger.h"
#include "soci/session.h"

namespace unwind::pg {

std::vector<Intent> LoadIntents(soci::session& session, const std::vector<std::string>& keys);

// False: another process has the key of one of them; roll back.
bool InsertIntents(soci::session& session, const std::vector<Intent>& intents);

// False: one of them is not there any more; roll back.
bool DropIntents(soci::session& session, const std::vector<std::string>& keys);

// False as above.
bool SetDue(soci::session& session, const std::map<std::string, absl::Time>& dues);  // by key

// Takes out up to `limit` that are due at `now`.
std::vector<Intent> TakeDueIntents(soci::session& session, absl::Time now, int limit);

// When the next one is due; infinite: there is none.
absl::Time NextDue(soci::session& session);

void ClearIntents(soci::session& session);

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_INTENT_STORE_H_
