#include "wallet_svc/wallet.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"

namespace unwind::wallet {
namespace {

using Metadata = std::map<std::string, std::string>;

absl::Status Refuse(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

absl::string_view StateName(HoldState state) {
  switch (state) {
    case HoldState::kHeld:
      return "HELD";
    case HoldState::kReleased:
      return "RELEASED";
    case HoldState::kSettled:
      return "SETTLED";
    case HoldState::kReturned:
      return "RETURNED";
  }
  return "UNKNOWN";
}

// The hold is in a state that the step does not start from.
absl::Status WrongState(const Hold& hold, HoldState wanted) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("what order ", hold.order_id, " took out of its buyer's wallet is ", StateName(hold.state),
                             "; it must be ", StateName(wanted)),
                absl::StrCat("HOLD_NOT_", StateName(wanted)),
                {{"order_id", hold.order_id}, {"state", std::string(StateName(hold.state))}});
}

absl::Status NotEnough(absl::string_view what, absl::string_view reason, std::int64_t requested, std::int64_t available,
                       const std::string& currency_code) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("the wallet has ", what, " of ", available, " minor units of ", currency_code, ", ",
                             requested, " were asked for"),
                reason,
                {{"requested", absl::StrCat(requested)},
                 {"available", absl::StrCat(available)},
                 {"currency_code", currency_code}});
}

absl::Status CheckCurrency(const Money& money, absl::string_view field) {
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  const std::string& code = money.currency_code;
  if (code.size() == 3 && std::all_of(code.begin(), code.end(), capital)) return absl::OkStatus();
  return MakeBadRequest(kErrorDomain,
                        {{absl::StrCat(field, ".currency_code"), "must be three capital letters, such as KRW"}});
}

absl::Status CheckSameCurrency(const Money& money, const Money& total, absl::string_view field) {
  if (money.currency_code.empty() || money.currency_code == total.currency_code) return absl::OkStatus();
  return MakeBadRequest(kErrorDomain, {{absl::StrCat(field, ".currency_code"),
                                        absl::StrCat("must be that of the total, ", total.currency_code)}});
}

Purse PurseOf(const Ledger& ledger, const std::string& member_id, const std::string& currency_code) {
  const auto found = ledger.purses.find({member_id, currency_code});
  return found == ledger.purses.end() ? Purse{} : found->second;
}

// Whether `more` can be added to an account that has `have` and may have at most `max`.
absl::Status CheckRoom(std::int64_t have, std::int64_t more, std::int64_t max, const std::string& member_id) {
  if (more <= max - have) return absl::OkStatus();
  return Refuse(absl::StatusCode::kOutOfRange,
                absl::StrCat("an account of member ", member_id, " would hold more than ", max, " minor units"),
                "AMOUNT_OVERFLOW", {{"member_id", member_id}});
}

constexpr std::int64_t kAnything = std::numeric_limits<std::int64_t>::max();  // what was the member's comes back

void Change(Purse& purse, Account account, std::int64_t change) {
  switch (account) {
    case Account::kBalance:
      purse.balance += change;
      return;
    case Account::kPoints:
      purse.points += change;
      return;
    case Account::kBalanceHeld:
      purse.balance_held += change;
      return;
    case Account::kPointsHeld:
      purse.points_held += change;
      return;
    case Account::kCards:
    case Account::kSales:
    case Account::kPointsPool:
      return;  // what the shop has is the sum of its entries
  }
}

// What the entries of one decision have in common.
struct Posting {
  Cause cause;
  std::string cause_id;
  std::string member_id;
  std::string currency_code;
  absl::Time now;
  std::int64_t line = 0;  // of the next entry
};

// Moves an amount between two accounts; nothing if it is 0. REQUIRES: there is room (CheckRoom).
void Post(Ledger& ledger, Posting& posting, Account from, Account to, std::int64_t amount) {
  if (amount == 0) return;
  Purse& purse = ledger.purses[{posting.member_id, posting.currency_code}];
  for (const auto& [account, change] : {std::pair(from, -amount), std::pair(to, amount)}) {
    Change(purse, account, change);
    ledger.entries.push_back({posting.cause_id, posting.cause, posting.line++, posting.member_id, account, change,
                              posting.currency_code, posting.now});
  }
}

Posting PostingOf(const Hold& hold, Cause cause, absl::Time now) {
  return {cause, hold.order_id, hold.member_id, hold.currency_code, now};
}

Posting PostingOf(const Earning& earning, Cause cause, absl::Time now) {
  return {cause, earning.order_id, earning.member_id, earning.currency_code, now, 2 * earning.take_backs};
}

// What the order pays out of the balance, in `currency_code`.
std::int64_t PaidOf(const std::optional<Hold>& hold, const std::string& currency_code) {
  const bool pays = hold && hold->state != HoldState::kReleased && hold->currency_code == currency_code;
  return pays ? hold->balance : 0;
}

// Whether something of what the hold spends may still be given back by ReturnSettled.
bool MayReturn(const Hold& hold) { return hold.state == HoldState::kHeld || hold.state == HoldState::kSettled; }

void Move(Hold& hold, HoldState state, absl::Time now) {
  hold.state = state;
  hold.update_time = now;
}

void Move(Earning& earning, EarningState state, absl::Time now) {
  earning.state = state;
  earning.update_time = now;
}

void StartEarning(std::optional<Earning>& earning, absl::string_view order_id, absl::Time now) {
  earning.emplace();
  earning->order_id = std::string(order_id);
  earning->create_time = now;
}

}  // namespace

absl::Status TakeHold(std::optional<Hold>& hold, Ledger& ledger, const HoldCall& call, absl::Time now) {
  RETURN_IF_ERROR(CheckCurrency(call.total, "total"));
  RETURN_IF_ERROR(CheckSameCurrency(call.points, call.total, "use.points"));
  RETURN_IF_ERROR(CheckSameCurrency(call.balance, call.total, "use.balance"));
  if (hold) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("order ", call.order_id, " has taken out of a wallet; an order does so once"),
                  "HOLD_EXISTS", {{"order_id", call.order_id}});
  }
  const std::string& currency = call.total.currency_code;
  const Purse purse = PurseOf(ledger, call.member_id, currency);
  const std::int64_t points = std::min(call.points.minor_units, call.total.minor_units);
  const std::int64_t balance = std::min(call.balance.minor_units, call.total.minor_units - points);
  if (points > purse.points) return NotEnough("points", "POINTS_NOT_ENOUGH", points, purse.points, currency);
  if (balance > purse.balance) return NotEnough("a balance", "BALANCE_NOT_ENOUGH", balance, purse.balance, currency);
  RETURN_IF_ERROR(CheckRoom(purse.points_held, points, kAnything, call.member_id));
  RETURN_IF_ERROR(CheckRoom(purse.balance_held, balance, kAnything, call.member_id));
  hold = Hold{.order_id = call.order_id,
              .owner = call.owner,
              .member_id = call.member_id,
              .state = HoldState::kHeld,
              .total = call.total.minor_units,
              .points = points,
              .balance = balance,
              .kept = 0,
              .currency_code = currency,
              .create_time = now,
              .update_time = now};
  Posting posting = PostingOf(*hold, Cause::kHold, now);
  Post(ledger, posting, Account::kPoints, Account::kPointsHeld, points);
  Post(ledger, posting, Account::kBalance, Account::kBalanceHeld, balance);
  return absl::OkStatus();
}

absl::Status Release(std::optional<Hold>& hold, Ledger& ledger, absl::string_view owner, absl::Time now) {
  if (!hold) return absl::OkStatus();
  if (hold->owner != owner) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("another call took what order ", hold->order_id, " holds"), "HOLD_OWNED_BY_OTHER",
                  {{"order_id", hold->order_id}});
  }
  if (hold->state == HoldState::kReleased) return absl::OkStatus();
  if (hold->state != HoldState::kHeld) return WrongState(*hold, HoldState::kHeld);
  const Purse purse = PurseOf(ledger, hold->member_id, hold->currency_code);
  RETURN_IF_ERROR(CheckRoom(purse.points, hold->points, kAnything, hold->member_id));
  RETURN_IF_ERROR(CheckRoom(purse.balance, hold->balance, kAnything, hold->member_id));
  Posting posting = PostingOf(*hold, Cause::kRelease, now);
  Post(ledger, posting, Account::kPointsHeld, Account::kPoints, hold->points);
  Post(ledger, posting, Account::kBalanceHeld, Account::kBalance, hold->balance);
  Move(*hold, HoldState::kReleased, now);
  return absl::OkStatus();
}

absl::Status Settle(std::optional<Hold>& hold, Ledger& ledger, absl::string_view order_id, absl::Time now) {
  if (!hold) {
    return Refuse(absl::StatusCode::kNotFound, absl::StrCat("order ", order_id, " holds nothing of a wallet"),
                  "HOLD_NOT_FOUND", {{"order_id", std::string(order_id)}});
  }
  if (hold->state != HoldState::kHeld) return WrongState(*hold, HoldState::kHeld);
  Posting posting = PostingOf(*hold, Cause::kSettle, now);
  Post(ledger, posting, Account::kPointsHeld, Account::kPointsPool, hold->points);
  Post(ledger, posting, Account::kBalanceHeld, Account::kSales, hold->balance);
  Move(*hold, HoldState::kSettled, now);
  return absl::OkStatus();
}

absl::Status ReturnSettled(std::optional<Hold>& hold, Ledger& ledger, absl::Time now) {
  if (!hold) return absl::OkStatus();
  if (hold->state == HoldState::kHeld) {
    // Its order is paid and cancelled already, and the settlement is still on its way.
    return Refuse(absl::StatusCode::kUnavailable,
                  absl::StrCat("what order ", hold->order_id, " holds is not settled yet"), "HOLD_IN_PROGRESS",
                  {{"order_id", hold->order_id}});
  }
  if (hold->state != HoldState::kSettled) return WrongState(*hold, HoldState::kSettled);
  const Purse purse = PurseOf(ledger, hold->member_id, hold->currency_code);
  RETURN_IF_ERROR(CheckRoom(purse.points, hold->points, kAnything, hold->member_id));
  RETURN_IF_ERROR(CheckRoom(purse.balance, hold->balance, kAnything, hold->member_id));
  Posting posting = PostingOf(*hold, Cause::kReturn, now);
  Post(ledger, posting, Account::kPointsPool, Account::kPoints, hold->points);
  Post(ledger, posting, Account::kSales, Account::kBalance, hold->balance - hold->kept);
  Move(*hold, HoldState::kReturned, now);
  return absl::OkStatus();
}

absl::Status Earn(std::optional<Earning>& earning, const std::optional<Hold>& hold, Ledger& ledger,
                  const EarnCall& call, int earn_percent, absl::Time now, std::int64_t& earned) {
  earned = 0;
  RETURN_IF_ERROR(CheckCurrency(call.paid, "paid"));
  const bool is_tombstone = earning && earning->state != EarningState::kEarned && earning->member_id.empty();
  if (earning && !is_tombstone) {
    return Refuse(absl::StatusCode::kAlreadyExists, absl::StrCat("order ", call.order_id, " has earned its points"),
                  "EARNING_EXISTS", {{"order_id", call.order_id}});
  }
  const std::int64_t paid = call.paid.minor_units + PaidOf(hold, call.paid.currency_code);
  const std::int64_t points = paid * earn_percent / 100;
  const Purse purse = PurseOf(ledger, call.member_id, call.paid.currency_code);
  RETURN_IF_ERROR(CheckRoom(purse.points, points, kPurseMinorMax, call.member_id));
  if (!earning) StartEarning(earning, call.order_id, now);
  earning->member_id = call.member_id;
  earning->currency_code = call.paid.currency_code;
  earning->points = points;
  if (earning->state == EarningState::kTakenBack) {
    Move(*earning, EarningState::kTakenBack, now);
    return absl::OkStatus();
  }
  Posting posting = PostingOf(*earning, Cause::kEarn, now);
  Post(ledger, posting, Account::kPointsPool, Account::kPoints, points);
  Move(*earning, EarningState::kEarned, now);
  earned = points;
  return absl::OkStatus();
}

absl::Status TakeBack(std::optional<Earning>& earning, std::optional<Hold>& hold, Ledger& ledger,
                      absl::string_view order_id, absl::string_view owner, absl::Time now, TakenBack& taken) {
  taken = {};
  if (earning && earning->state == EarningState::kTakenBack) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("what order ", order_id, " earned was taken back by another call"), "TAKEN_BACK_ALREADY",
                  {{"order_id", std::string(order_id)}});
  }
  if (!earning) StartEarning(earning, order_id, now);
  if (!earning->member_id.empty()) {
    const Purse purse = PurseOf(ledger, earning->member_id, earning->currency_code);
    taken.taken = std::min(earning->points, purse.points);
    Posting posting = PostingOf(*earning, Cause::kTakeBack, now);
    Post(ledger, posting, Account::kPoints, Account::kPointsPool, taken.taken);
    earning->kept = earning->points - taken.taken;
    if (hold && hold->currency_code == earning->currency_code && MayReturn(*hold)) {
      hold->kept = std::min(earning->kept, hold->balance);
      hold->update_time = now;
      taken.kept_from_balance = hold->kept;
    }
    taken.keep_from_refund = earning->kept - taken.kept_from_balance;
  }
  earning->taker = std::string(owner);
  Move(*earning, EarningState::kTakenBack, now);
  return absl::OkStatus();
}

absl::Status UndoTakeBack(std::optional<Earning>& earning, std::optional<Hold>& hold, Ledger& ledger,
                          absl::string_view owner, absl::Time now) {
  if (!earning || earning->state != EarningState::kTakenBack) return absl::OkStatus();
  if (earning->taker != owner) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("another call took back what order ", earning->order_id, " earned"),
                  "TAKE_BACK_OWNED_BY_OTHER", {{"order_id", earning->order_id}});
  }
  const std::int64_t given = earning->points - earning->kept;
  const Purse purse = PurseOf(ledger, earning->member_id, earning->currency_code);
  RETURN_IF_ERROR(CheckRoom(purse.points, given, kAnything, earning->member_id));
  Posting posting = PostingOf(*earning, Cause::kUndoTakeBack, now);
  Post(ledger, posting, Account::kPointsPool, Account::kPoints, given);
  earning->kept = 0;
  ++earning->take_backs;
  if (hold && MayReturn(*hold) && hold->kept > 0) {
    hold->kept = 0;
    hold->update_time = now;
  }
  Move(*earning, earning->member_id.empty() ? EarningState::kOpen : EarningState::kEarned, now);
  return absl::OkStatus();
}

absl::Status MakeCharge(std::optional<Charge>& charge, Ledger& ledger, const Charge& call, absl::Time now) {
  RETURN_IF_ERROR(CheckCurrency(call.amount, "amount"));
  if (call.amount.minor_units < 1) {
    return MakeBadRequest(kErrorDomain, {{"amount.minor_units", "must be at least 1"}});
  }
  if (charge) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("charge_id ", call.charge_id, " is taken; choose another"), "CHARGE_EXISTS",
                  {{"charge_id", call.charge_id}});
  }
  const Purse purse = PurseOf(ledger, call.member_id, call.amount.currency_code);
  RETURN_IF_ERROR(CheckRoom(purse.balance, call.amount.minor_units, kPurseMinorMax, call.member_id));
  charge = call;
  charge->create_time = now;
  Posting posting{Cause::kCharge, call.charge_id, call.member_id, call.amount.currency_code, now};
  Post(ledger, posting, Account::kCards, Account::kBalance, call.amount.minor_units);
  return absl::OkStatus();
}

}  // namespace unwind::wallet
