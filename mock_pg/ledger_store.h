// The ledger's rows. Every function runs inside the caller's transaction and lets soci_error pass.
#ifndef UNWIND_MOCK_PG_LEDGER_STORE_H_
#define UNWIND_MOCK_PG_LEDGER_STORE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mock_pg/ledger.h"
#include "soci/session.h"

namespace unwind::pg {

// The entries and intents of these keys, the entries of these transactions, and the refunds of these transactions.
Ledger LoadLedger(soci::session& session, const std::vector<std::string>& keys,
                  const std::vector<std::string>& transaction_ids);

// Appends `entries` in their order. False: another process has used one of their keys meanwhile; roll back.
bool AppendEntries(soci::session& session, const std::vector<Entry>& entries);

// Writes how intents ended, also over a fence of the same key. Returns the keys whose entry was written: a fence stays
// where nothing was captured.
std::set<std::string> PutEnds(soci::session& session, const std::vector<Entry>& entries);

// Of the key, also what is pending.
std::optional<Entry> FindEntry(soci::session& session, const std::string& key);

// Up to `limit` entries behind position `after`, oldest first, each with its position. The first position is above 0.
std::vector<std::pair<std::int64_t, Entry>> ListEntries(soci::session& session, std::int64_t after, int limit);

// Removes all entries, and what is pending, and says how many entries there were.
std::int64_t ClearLedger(soci::session& session);

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_LEDGER_STORE_H_
