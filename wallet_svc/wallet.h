// Members' wallets, the ledger behind them, and the decisions over both, without I/O.
//
// Whatever moves is posted as two entries of the same amount, one negative, so that the ledger's sum is zero in every
// currency, always. A purse is what a member's four accounts come to; none is ever negative. What is spent on an order
// is a hold, HELD -> RELEASED | SETTLED; SETTLED -> RETURNED. What an order earns is an earning, EARNED -> TAKEN_BACK,
// or back; a TAKEN_BACK without a member is a tombstone: it came before the points, which are not earned any more.
// Every other step is refused, and a refusal changes nothing.
#ifndef UNWIND_WALLET_SVC_WALLET_H_
#define UNWIND_WALLET_SVC_WALLET_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::wallet {

inline constexpr absl::string_view kErrorDomain = "wallet.shop.unwind";
inline constexpr std::int64_t kAmountMinorMax = 1'000'000'000'000'000;   // of one request
inline constexpr std::int64_t kPurseMinorMax = 1'000 * kAmountMinorMax;  // of one account, by charges and earnings

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

// Stored: never renumber.
enum class Account : std::uint8_t {
  kBalance = 1,      // a member's
  kPoints = 2,       // a member's
  kBalanceHeld = 3,  // a member's, for orders that are being placed
  kPointsHeld = 4,   // a member's, for orders that are being placed
  kCards = 5,        // the shop's: where charged money comes from
  kSales = 6,        // the shop's: what was paid with balance
  kPointsPool = 7,   // the shop's: where points come from and go to
};

// Stored: never renumber.
enum class Cause : std::uint8_t {
  kCharge = 1,
  kHold = 2,
  kRelease = 3,
  kSettle = 4,
  kReturn = 5,
  kEarn = 6,
  kTakeBack = 7,
  kUndoTakeBack = 8,
};

struct Entry {
  std::string cause_id;  // the order, or the charge
  Cause cause = Cause::kCharge;
  std::int64_t line = 0;  // counts the entries of a cause
  std::string member_id;
  Account account = Account::kBalance;
  std::int64_t change_minor = 0;
  std::string currency_code;
  absl::Time create_time;

  bool operator==(const Entry&) const = default;
};

// What a member has in one currency.
struct Purse {
  std::int64_t balance = 0;
  std::int64_t points = 0;
  std::int64_t balance_held = 0;
  std::int64_t points_held = 0;

  bool operator==(const Purse&) const = default;
};

// By member and currency. One that is not there holds nothing.
using Purses = std::map<std::pair<std::string, std::string>, Purse>;

// The purses of the members that a batch is about, and what it posts.
struct Ledger {
  Purses purses;
  std::vector<Entry> entries;
};

// Stored: never renumber.
enum class HoldState : std::uint8_t { kHeld = 1, kReleased = 2, kSettled = 3, kReturned = 4 };

struct Hold {
  std::string order_id;
  std::string owner;  // the call that made it; only its compensation releases it
  std::string member_id;
  HoldState state = HoldState::kHeld;
  std::int64_t total = 0;  // due without it
  std::int64_t points = 0;
  std::int64_t balance = 0;
  std::int64_t kept = 0;  // of the balance, when it is returned
  std::string currency_code;
  absl::Time create_time;
  absl::Time update_time;

  std::int64_t due() const { return total - points - balance; }
  bool operator==(const Hold&) const = default;
};

// Stored: never renumber.
enum class EarningState : std::uint8_t {
  kEarned = 1,
  kTakenBack = 2,
  kOpen = 3,  // nothing yet: a tombstone that was undone
};

struct Earning {
  std::string order_id;
  std::string member_id;  // empty on a tombstone
  EarningState state = EarningState::kOpen;
  std::int64_t points = 0;      // that the order is worth; 0 until it earns
  std::int64_t kept = 0;        // of them, while TAKEN_BACK: those that the member has spent
  std::string currency_code;    // empty on a tombstone
  std::string taker;            // the call that takes them back; only its compensation undoes that
  std::int64_t take_backs = 0;  // counts them
  absl::Time create_time;
  absl::Time update_time;

  bool operator==(const Earning&) const = default;
};

struct Charge {
  std::string charge_id;
  std::string member_id;
  Money amount;
  absl::Time create_time;

  bool operator==(const Charge&) const = default;
};

struct HoldCall {
  std::string order_id;
  std::string owner;
  std::string member_id;
  Money points;   // no currency: none
  Money balance;  // no currency: none
  Money total;
};

// In each of these `hold`, `earning` and `charge` are the rows of the call's order or charge, if there are any, and
// `ledger` has the purses of its member, or of the hold's or the earning's.

absl::Status TakeHold(std::optional<Hold>& hold, Ledger& ledger, const HoldCall& call, absl::Time now);

// A hold that never came is nothing to undo.
absl::Status Release(std::optional<Hold>& hold, Ledger& ledger, absl::string_view owner, absl::Time now);

absl::Status Settle(std::optional<Hold>& hold, Ledger& ledger, absl::string_view order_id, absl::Time now);

// A hold that never came is nothing to return.
absl::Status ReturnSettled(std::optional<Hold>& hold, Ledger& ledger, absl::Time now);

struct EarnCall {
  std::string order_id;
  std::string member_id;
  Money paid;  // without what `hold` spent
};

// `earned`: the points that the member has got by this call.
absl::Status Earn(std::optional<Earning>& earning, const std::optional<Hold>& hold, Ledger& ledger,
                  const EarnCall& call, int earn_percent, absl::Time now, std::int64_t& earned);

// What became of the points that an order earned.
struct TakenBack {
  std::int64_t taken = 0;
  std::int64_t kept_from_balance = 0;  // in money, when the hold is returned
  std::int64_t keep_from_refund = 0;   // in money, by the one who refunds
};

absl::Status TakeBack(std::optional<Earning>& earning, std::optional<Hold>& hold, Ledger& ledger,
                      absl::string_view order_id, absl::string_view owner, absl::Time now, TakenBack& taken);

// One that never came is nothing to undo.
absl::Status UndoTakeBack(std::optional<Earning>& earning, std::optional<Hold>& hold, Ledger& ledger,
                          absl::string_view owner, absl::Time now);

// `call` is the charge as asked for.
absl::Status MakeCharge(std::optional<Charge>& charge, Ledger& ledger, const Charge& call, absl::Time now);

}  // namespace unwind::wallet

#endif  // UNWIND_WALLET_SVC_WALLET_H_
