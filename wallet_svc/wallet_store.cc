#include "wallet_svc/wallet_store.h"

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "soci/soci.h"

namespace unwind::wallet {
namespace {

constexpr char kLoadHolds[] =
    "SELECT order_id, owner, member_id, state, total_minor, points, balance, kept, currency_code, create_time_us,"
    " update_time_us FROM holds"
    " WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY order_id FOR UPDATE";

constexpr char kLoadEarnings[] =
    "SELECT order_id, member_id, state, points, kept, currency_code, taker, take_backs, create_time_us, update_time_us"
    " FROM earnings WHERE order_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY order_id FOR UPDATE";

constexpr char kLoadCharges[] =
    "SELECT charge_id, member_id, amount_minor, currency_code, create_time_us FROM charges"
    " WHERE charge_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

constexpr char kSelectPurses[] =
    "SELECT member_id, currency_code, balance, points, balance_held, points_held FROM purses"
    " WHERE member_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY member_id, currency_code";
constexpr char kLocked[] = " FOR UPDATE";

constexpr char kFindEntries[] =
    "SELECT cause_id, cause, line, account, change_minor, currency_code, create_time_us FROM entries"
    " WHERE member_id = :member AND account <= 4"
    " AND (create_time_us, cause_id, cause, line) < (:time, :id, :cause, :line)"
    " ORDER BY create_time_us DESC, cause_id DESC, cause DESC, line DESC LIMIT :limit";

constexpr char kInsertHolds[] =
    "INSERT INTO holds (order_id, owner, member_id, state, total_minor, points, balance, kept, currency_code,"
    " create_time_us, update_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT),"
    " CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT),"
    " CAST(r.value ->> 7 AS BIGINT), r.value ->> 8, CAST(r.value ->> 9 AS BIGINT), CAST(r.value ->> 10 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateHolds[] =
    "UPDATE holds SET state = CAST(r.value ->> 1 AS BIGINT), kept = CAST(r.value ->> 2 AS BIGINT),"
    " update_time_us = CAST(r.value ->> 3 AS BIGINT) FROM ROWS(:rows) AS r WHERE order_id = r.value ->> 0";

constexpr char kInsertEarnings[] =
    "INSERT INTO earnings (order_id, member_id, state, points, kept, currency_code, taker, take_backs, create_time_us,"
    " update_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT),"
    " CAST(r.value ->> 4 AS BIGINT), r.value ->> 5, r.value ->> 6, CAST(r.value ->> 7 AS BIGINT),"
    " CAST(r.value ->> 8 AS BIGINT), CAST(r.value ->> 9 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateEarnings[] =
    "UPDATE earnings SET member_id = r.value ->> 1, state = CAST(r.value ->> 2 AS BIGINT),"
    " points = CAST(r.value ->> 3 AS BIGINT), kept = CAST(r.value ->> 4 AS BIGINT), currency_code = r.value ->> 5,"
    " taker = r.value ->> 6, take_backs = CAST(r.value ->> 7 AS BIGINT),"
    " update_time_us = CAST(r.value ->> 8 AS BIGINT) FROM ROWS(:rows) AS r WHERE order_id = r.value ->> 0";

constexpr char kInsertCharges[] =
    "INSERT INTO charges (charge_id, member_id, amount_minor, currency_code, create_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), r.value ->> 3,"
    " CAST(r.value ->> 4 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING amount_minor";

constexpr char kInsertPurses[] =
    "INSERT INTO purses (member_id, currency_code, balance, points, balance_held, points_held)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT),"
    " CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING balance";

constexpr char kUpdatePurses[] =
    "UPDATE purses SET balance = CAST(r.value ->> 2 AS BIGINT), points = CAST(r.value ->> 3 AS BIGINT),"
    " balance_held = CAST(r.value ->> 4 AS BIGINT), points_held = CAST(r.value ->> 5 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE member_id = r.value ->> 0 AND currency_code = r.value ->> 1";

constexpr char kInsertEntries[] =
    "INSERT INTO entries (cause_id, cause, line, member_id, account, change_minor, currency_code, create_time_us)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT), r.value ->> 3,"
    " CAST(r.value ->> 4 AS BIGINT), CAST(r.value ->> 5 AS BIGINT), r.value ->> 6, CAST(r.value ->> 7 AS BIGINT)"
    " FROM ROWS(:rows) AS r";

constexpr char kCountHeld[] = "SELECT count(*) FROM holds WHERE state = 1";

RowList RowsOf(const Purses& purses) {
  RowList rows;
  for (const auto& [key, purse] : purses) {
    rows.Add(key.first, key.second, purse.balance, purse.points, purse.balance_held, purse.points_held);
  }
  return rows;
}

template <class Row>
std::map<std::string, std::optional<Row>> NoneOf(const std::set<std::string>& ids) {
  std::map<std::string, std::optional<Row>> rows;
  for (const std::string& id : ids) rows.try_emplace(id);
  return rows;
}

}  // namespace

Holds LoadHolds(soci::session& session, const std::set<std::string>& order_ids) {
  Holds holds = NoneOf<Hold>(order_ids);
  if (holds.empty()) return holds;
  const std::string ids = IdRows(order_ids);
  Hold row;
  long long state = 0, total = 0, points = 0, balance = 0, kept = 0, created = 0, updated = 0;
  Statement select(session, kLoadHolds, soci::use(ids), soci::into(row.order_id), soci::into(row.owner),
                   soci::into(row.member_id), soci::into(state), soci::into(total), soci::into(points),
                   soci::into(balance), soci::into(kept), soci::into(row.currency_code), soci::into(created),
                   soci::into(updated));
  select.Execute();
  while (select.Fetch()) {
    row.state = static_cast<HoldState>(state);
    row.total = total;
    row.points = points;
    row.balance = balance;
    row.kept = kept;
    row.create_time = absl::FromUnixMicros(created);
    row.update_time = absl::FromUnixMicros(updated);
    holds[row.order_id] = row;
  }
  return holds;
}

Earnings LoadEarnings(soci::session& session, const std::set<std::string>& order_ids) {
  Earnings earnings = NoneOf<Earning>(order_ids);
  if (earnings.empty()) return earnings;
  const std::string ids = IdRows(order_ids);
  Earning row;
  long long state = 0, points = 0, kept = 0, take_backs = 0, created = 0, updated = 0;
  Statement select(session, kLoadEarnings, soci::use(ids), soci::into(row.order_id), soci::into(row.member_id),
                   soci::into(state), soci::into(points), soci::into(kept), soci::into(row.currency_code),
                   soci::into(row.taker), soci::into(take_backs), soci::into(created), soci::into(updated));
  select.Execute();
  while (select.Fetch()) {
    row.state = static_cast<EarningState>(state);
    row.points = points;
    row.kept = kept;
    row.take_backs = take_backs;
    row.create_time = absl::FromUnixMicros(created);
    row.update_time = absl::FromUnixMicros(updated);
    earnings[row.order_id] = row;
  }
  return earnings;
}

Charges LoadCharges(soci::session& session, const std::set<std::string>& charge_ids) {
  Charges charges = NoneOf<Charge>(charge_ids);
  if (charges.empty()) return charges;
  const std::string ids = IdRows(charge_ids);
  Charge row;
  long long amount = 0, created = 0;
  Statement select(session, kLoadCharges, soci::use(ids), soci::into(row.charge_id), soci::into(row.member_id),
                   soci::into(amount), soci::into(row.amount.currency_code), soci::into(created));
  select.Execute();
  while (select.Fetch()) {
    row.amount.minor_units = amount;
    row.create_time = absl::FromUnixMicros(created);
    charges[row.charge_id] = row;
  }
  return charges;
}

Purses LoadPurses(soci::session& session, const std::set<std::string>& member_ids, Purpose purpose) {
  Purses purses;
  if (member_ids.empty()) return purses;
  const std::string ids = IdRows(member_ids);
  std::string member_id, currency_code;
  long long balance = 0, points = 0, balance_held = 0, points_held = 0;
  const std::string sql = absl::StrCat(kSelectPurses, purpose == Purpose::kWrite ? kLocked : "");
  Statement select(session, sql, soci::use(ids), soci::into(member_id), soci::into(currency_code), soci::into(balance),
                   soci::into(points), soci::into(balance_held), soci::into(points_held));
  select.Execute();
  while (select.Fetch()) purses[{member_id, currency_code}] = {balance, points, balance_held, points_held};
  return purses;
}

void UpdateHolds(soci::session& session, const std::vector<const Hold*>& holds) {
  RowList rows;
  for (const Hold* hold : holds) {
    rows.Add(hold->order_id, static_cast<int>(hold->state), hold->kept, absl::ToUnixMicros(hold->update_time));
  }
  PutRows(session, kUpdateHolds, rows);
}

void UpdateEarnings(soci::session& session, const std::vector<const Earning*>& earnings) {
  RowList rows;
  for (const Earning* earning : earnings) {
    rows.Add(earning->order_id, earning->member_id, static_cast<int>(earning->state), earning->points, earning->kept,
             earning->currency_code, earning->taker, earning->take_backs, absl::ToUnixMicros(earning->update_time));
  }
  PutRows(session, kUpdateEarnings, rows);
}

void UpdatePurses(soci::session& session, const Purses& purses) { PutRows(session, kUpdatePurses, RowsOf(purses)); }

bool InsertHolds(soci::session& session, const std::vector<const Hold*>& holds) {
  RowList rows;
  for (const Hold* hold : holds) {
    rows.Add(hold->order_id, hold->owner, hold->member_id, static_cast<int>(hold->state), hold->total, hold->points,
             hold->balance, hold->kept, hold->currency_code, absl::ToUnixMicros(hold->create_time),
             absl::ToUnixMicros(hold->update_time));
  }
  return InsertRows(session, kInsertHolds, rows);
}

bool InsertEarnings(soci::session& session, const std::vector<const Earning*>& earnings) {
  RowList rows;
  for (const Earning* earning : earnings) {
    rows.Add(earning->order_id, earning->member_id, static_cast<int>(earning->state), earning->points, earning->kept,
             earning->currency_code, earning->taker, earning->take_backs, absl::ToUnixMicros(earning->create_time),
             absl::ToUnixMicros(earning->update_time));
  }
  return InsertRows(session, kInsertEarnings, rows);
}

bool InsertCharges(soci::session& session, const std::vector<const Charge*>& charges) {
  RowList rows;
  for (const Charge* charge : charges) {
    rows.Add(charge->charge_id, charge->member_id, charge->amount.minor_units, charge->amount.currency_code,
             absl::ToUnixMicros(charge->create_time));
  }
  return InsertRows(session, kInsertCharges, rows);
}

bool InsertPurses(soci::session& session, const Purses& purses) {
  return InsertRows(session, kInsertPurses, RowsOf(purses));
}

void InsertEntries(soci::session& session, const std::vector<Entry>& entries) {
  RowList rows;
  for (const Entry& entry : entries) {
    rows.Add(entry.cause_id, static_cast<int>(entry.cause), entry.line, entry.member_id,
             static_cast<int>(entry.account), entry.change_minor, entry.currency_code,
             absl::ToUnixMicros(entry.create_time));
  }
  PutRows(session, kInsertEntries, rows);
}

std::int64_t CountHeld(soci::session& session) {
  long long count = 0;
  session << kCountHeld, soci::into(count);
  return count;
}

std::int64_t ClearWallets(soci::session& session) {
  long long count = 0;
  session << "SELECT count(*) FROM purses", soci::into(count);
  session << "DELETE FROM entries";
  session << "DELETE FROM holds";
  session << "DELETE FROM earnings";
  session << "DELETE FROM charges";
  session << "DELETE FROM purses";
  return count;
}

std::vector<Entry> FindEntries(soci::session& session, const std::string& member_id, const EntryPosition& after,
                               std::int64_t limit) {
  const long long time = after.create_time_us, after_cause = after.cause, after_line = after.line, rows = limit;
  Entry row;
  row.member_id = member_id;
  long long cause = 0, line = 0, account = 0, change = 0, created = 0;
  std::vector<Entry> entries;
  Statement select(session, kFindEntries, soci::use(member_id), soci::use(time), soci::use(after.cause_id),
                   soci::use(after_cause), soci::use(after_line), soci::use(rows), soci::into(row.cause_id),
                   soci::into(cause), soci::into(line), soci::into(account), soci::into(change),
                   soci::into(row.currency_code), soci::into(created));
  select.Execute();
  while (select.Fetch()) {
    row.cause = static_cast<Cause>(cause);
    row.line = line;
    row.account = static_cast<Account>(account);
    row.change_minor = change;
    row.create_time = absl::FromUnixMicros(created);
    entries.push_back(row);
  }
  return entries;
}

}  // namespace unwind::wallet
