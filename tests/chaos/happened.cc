#include "tests/chaos/happened.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

constexpr double kKills = 8;  // of each process; all of these are a minute's
constexpr double kBadLinks = 5;
constexpr double kSagas = 1000;
constexpr double kPaid = 100;
constexpr double kEach = 5;

// States, accounts and causes by their numbers, as in audit.cc and ware_rules.h; of attempts 2 is a capture, 4 a fence.
constexpr struct {
  const char* what;
  double per_minute;
  const char* which;  // rows
} kInBooks[] = {
    {"a saga was started", kSagas, "sagas.saga WHERE parent IS NULL"},
    {"an order was paid", kPaid, "orders.orders WHERE state IN (2, 4, 5)"},
    {"an order was cancelled", kEach, "orders.orders WHERE state = 5"},
    {"a saga was undone", kEach, "sagas.saga WHERE state = 4"},
    {"a checkout was paid", kEach, "sagas.saga WHERE definition = 'checkout' AND state = 3"},
    {"a checkout was not paid in time", kEach, "orders.orders WHERE state = 3 AND reason = 'PAYMENT_EXPIRED'"},
    // It fails before the time of its payment is over, and no operator cancels here.
    {"a buyer ended his wait", kEach,
     "orders.orders o JOIN payments.payments p ON p.payment_id = o.order_id WHERE o.state = 3"
     " AND o.reason = 'PAYMENT_EXPIRED' AND o.update_time_us < p.wait_until_us"},
    {"a second card paid", kEach, "payments.attempts WHERE state = 2 AND number > 1"},
    {"a webhook was taken", kEach, "payments.webhook_events"},
    {"money that came late went back", kEach, "payments.returns WHERE done = 1"},
    {"an order was paid by coupon, points, balance and card", kEach,
     "wallets.holds h JOIN coupons.redemptions r USING (order_id) JOIN payments.payments p ON p.payment_id = h.order_id"
     " WHERE h.state IN (3, 4) AND h.points > 0 AND h.balance > 0 AND p.amount_minor > 0"},
    {"what a wallet had paid went back after a cancel", kEach, "wallets.holds WHERE state = 4"},
    {"what a wallet was to pay went back after a failure", kEach, "wallets.holds WHERE state = 2"},
    {"a cancel came before what the order earns", kEach,
     "wallets.earnings WHERE state = 2 AND points > 0"
     " AND order_id NOT IN (SELECT cause_id FROM wallets.entries WHERE cause = 6)"},
    {"a cancel came after what the order earns", kEach,
     "wallets.earnings WHERE state = 2 AND order_id IN (SELECT cause_id FROM wallets.entries WHERE cause = 6)"},
    {"a wallet was charged", kEach, "wallets.charges"},
    {"a paid order was followed", kEach, "sagas.saga WHERE definition = 'after-order' AND state = 3"},
    {"an order that lacked stock was followed", kEach, "sagas.saga WHERE definition = 'after-sold-out' AND state = 3"},
};

// What an order fails of that nobody refuses: somebody was not there. Of a checkout that was not paid in time, which
// its buyer did not end himself: it had to fence an attempt, which the gateway had neither taken nor declined by then.
constexpr char kLost[] =
    "state = 3 AND (reason IN ('PAYMENT_TIMEOUT', 'STEP_FAILED', 'SAGA_DEADLINE') OR (reason = 'PAYMENT_EXPIRED'"
    " AND EXISTS (SELECT 1 FROM payments.payments p JOIN payments.attempts a USING (payment_id)"
    " WHERE p.payment_id = orders.order_id AND a.state = 4 AND orders.update_time_us >= p.wait_until_us)))";

}  // namespace

std::vector<Happening> HappenedTo(const HavocReport& havoc) {
  std::vector<Happening> happenings = {{"a link was delayed", havoc.delays, kBadLinks},
                                       {"a link was stalled", havoc.stalls, kBadLinks},
                                       {"a link was cut", havoc.cuts, kBadLinks}};
  for (const Node node : kNodes) {
    const auto kills = havoc.kills.find(node);
    happenings.push_back(
        {absl::StrCat(NodeName(node), " was killed"), kills == havoc.kills.end() ? 0 : kills->second, kKills});
  }
  return happenings;
}

absl::StatusOr<std::vector<Happening>> HappenedIn(Books& books) {
  std::vector<Happening> happenings;
  for (const auto& [what, per_minute, which] : kInBooks) {
    ASSIGN_OR_RETURN(const std::int64_t times, books.Number(absl::StrCat("SELECT COUNT(*) FROM ", which)));
    happenings.push_back({what, times, per_minute});
  }
  return happenings;
}

std::vector<std::string> TooLittle(const std::vector<Happening>& happenings, double minutes) {
  std::vector<std::string> sentences;
  for (const Happening& each : happenings) {
    const double least = std::max(1.0, std::floor(each.per_minute * minutes));
    if (static_cast<double>(each.times) >= least) continue;
    sentences.push_back(absl::StrFormat("%s %d times, and in a run of %.2f minutes it must be %.0f", each.what,
                                        each.times, minutes, least));
  }
  return sentences;
}

absl::StatusOr<double> PaidShare(Books& books) {
  ASSIGN_OR_RETURN(const std::int64_t paid,
                   books.Number("SELECT COUNT(*) FROM orders.orders WHERE state IN (2, 4, 5)"));
  ASSIGN_OR_RETURN(const std::int64_t lost,
                   books.Number(absl::StrCat("SELECT COUNT(*) FROM orders.orders WHERE ", kLost)));
  return paid == 0 ? 0 : static_cast<double>(paid) / static_cast<double>(paid + lost);
}

}  // namespace unwind
