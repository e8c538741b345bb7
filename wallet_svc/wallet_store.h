// The rows of purses, entries, holds, earnings and charges. Every function runs inside the caller's transaction and
// lets soci_error pass.
#ifndef UNWIND_WALLET_SVC_WALLET_STORE_H_
#define UNWIND_WALLET_SVC_WALLET_STORE_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/db/statement.h"
#include "soci/session.h"
#include "wallet_svc/wallet.h"

namespace unwind::wallet {

// By id. An id that was asked for and has no row is there without a value.
using Holds = std::map<std::string, std::optional<Hold>>;
using Earnings = std::map<std::string, std::optional<Earning>>;
using Charges = std::map<std::string, std::optional<Charge>>;

// To be written, in this order: the one in which rows are locked.
Holds LoadHolds(soci::session& session, const std::set<std::string>& order_ids);
Earnings LoadEarnings(soci::session& session, const std::set<std::string>& order_ids);
Charges LoadCharges(soci::session& session, const std::set<std::string>& charge_ids);

// All of the members' purses.
Purses LoadPurses(soci::session& session, const std::set<std::string>& member_ids, Purpose purpose);

void UpdateHolds(soci::session& session, const std::vector<const Hold*>& holds);
void UpdateEarnings(soci::session& session, const std::vector<const Earning*>& earnings);
void UpdatePurses(soci::session& session, const Purses& purses);

// False: another process has inserted one of them meanwhile; roll back.
bool InsertHolds(soci::session& session, const std::vector<const Hold*>& holds);
bool InsertEarnings(soci::session& session, const std::vector<const Earning*>& earnings);
bool InsertCharges(soci::session& session, const std::vector<const Charge*>& charges);
bool InsertPurses(soci::session& session, const Purses& purses);

// After the rows that they come of, whose ids are theirs.
void InsertEntries(soci::session& session, const std::vector<Entry>& entries);

std::int64_t CountHeld(soci::session& session);

// Removes everything, and says how many purses there were.
std::int64_t ClearWallets(soci::session& session);

// Where a page begins: after this one, in the order of the list.
struct EntryPosition {
  std::int64_t create_time_us = std::numeric_limits<std::int64_t>::max();
  std::string cause_id;
  std::int64_t cause = 0;
  std::int64_t line = 0;
};

// At most `limit` entries in the member's own accounts, newest first.
std::vector<Entry> FindEntries(soci::session& session, const std::string& member_id, const EntryPosition& after,
                               std::int64_t limit);

}  // namespace unwind::wallet

#endif  // UNWIND_WALLET_SVC_WALLET_STORE_H_
