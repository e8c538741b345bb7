#include "tests/support/audit.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "tests/support/poll.h"
#include "tests/support/ware_rules.h"

namespace unwind {
namespace {

// The rules of all databases but coupon_svc's and wallet_svc's, which ware_rules.h has. The states' numbers are those
// of the services' own headers: orders 1 PENDING 2 PAID 3 FAILED 4 CANCELLING 5 CANCELLED; reservations 1 HELD 2
// RELEASED 3 SOLD 4 RETURNED; payments 1 PENDING 2 RESOLVING 3 SUCCESS 4 FAILED 5 REFUNDED; ledger 1 CAPTURE 2 REFUND 3
// DECLINE 4 FENCE; sagas 3 COMPLETED 4 ABORTED. The gateway's key of a charge is "charge-" and the payment's id, a
// UUID; that of an attempt "pay-", its number, "-" and the id. Of a capture `l` of the ledger:
#define UNWIND_PAYMENT_OF_KEY                                                    \
  "substr(l.idempotency_key, CASE WHEN l.idempotency_key LIKE 'pay-%' THEN 5 + " \
  "instr(substr(l.idempotency_key, 5), '-') ELSE 8 END, 36)"
#define UNWIND_CAME_LATE_AND_WENT_BACK                                          \
  "EXISTS (SELECT 1 FROM payments.returns d JOIN ledger.ledger b ON b.kind = 2" \
  " AND b.captured_transaction_id = d.captured_transaction_id"                  \
  " WHERE d.captured_transaction_id = l.transaction_id)"

// What payment_svc settles with the gateway after its sagas are over.
#define UNWIND_UNSETTLED                                                                                        \
  "SELECT printf('the gateway has not said its last word of attempt %d of payment %s', number, payment_id)"     \
  " FROM payments.attempts WHERE state <> 1 AND inquire_at_us > 0"                                              \
  " UNION ALL SELECT printf('the gateway has not said its last word of payment %s', payment_id)"                \
  " FROM payments.payments WHERE state NOT IN (1, 2) AND inquire_at_us > 0"                                     \
  " UNION ALL SELECT printf('late capture %s is not paid back', captured_transaction_id) FROM payments.returns" \
  " WHERE done = 0"

constexpr BooksRule kRules[] = {
    {"every saga is over",
     R"(SELECT printf('saga %s (%s) is in state %d', id, definition, state) FROM sagas.saga WHERE state NOT IN (3, 4))"},
    {"no order, reservation or payment is under way",
     R"(SELECT printf('order %s is in state %d', order_id, state) FROM orders.orders WHERE state IN (1, 4)
        UNION ALL SELECT printf('reservation %s is still held', reservation_id) FROM stock.reservations WHERE state = 1
        UNION ALL SELECT printf('payment %s is in state %d', payment_id, state) FROM payments.payments WHERE state IN (1, 2)
        UNION ALL SELECT printf('refund %s is in state %d', refund_id, state) FROM payments.refunds WHERE state IN (1, 2)
        UNION ALL SELECT printf('attempt %d of payment %s is open', number, payment_id) FROM payments.attempts
        WHERE state = 1
        UNION ALL SELECT printf('payment_svc has a pending call of saga %s', saga_id) FROM payments.saga_barrier
        WHERE outcome IN (4, 5) AND step <> '')"},
    {"the gateway has said its last word of every payment, and what came late went back", UNWIND_UNSETTLED},
    {"stock is conserved: total = available + reserved + sold, and reserved is 0 at rest",
     R"(SELECT printf('product %s: total %d, reserved %d, sold %d', product_id, total, reserved, sold) FROM stock.stocks
        WHERE total - reserved - sold < 0 OR reserved <> 0)"},
    {"what is sold is what paid orders contain",
     R"(WITH paid AS (SELECT i.product_id, SUM(i.quantity) AS pieces FROM orders.order_items i
                      JOIN orders.orders o USING (order_id) WHERE o.state = 2 GROUP BY i.product_id)
        SELECT printf('product %s: %d sold, but paid orders contain %d', s.product_id, s.sold, COALESCE(p.pieces, 0))
        FROM stock.stocks s LEFT JOIN paid p USING (product_id) WHERE s.sold <> COALESCE(p.pieces, 0)
        UNION ALL SELECT printf('product %s: paid orders contain %d, stock_svc does not know it', product_id, pieces)
        FROM paid WHERE product_id NOT IN (SELECT product_id FROM stock.stocks))"},
    {"stock agrees with its reservations",
     R"(WITH held AS (SELECT i.product_id, SUM(i.quantity * (r.state = 1)) AS held, SUM(i.quantity * (r.state = 3)) AS sold
                      FROM stock.reservation_items i JOIN stock.reservations r USING (reservation_id) GROUP BY i.product_id)
        SELECT printf('product %s: reserved %d and sold %d, its reservations say %d and %d', s.product_id, s.reserved, s.sold,
                      COALESCE(h.held, 0), COALESCE(h.sold, 0))
        FROM stock.stocks s LEFT JOIN held h USING (product_id)
        WHERE s.reserved <> COALESCE(h.held, 0) OR s.sold <> COALESCE(h.sold, 0))"},
    {"money is conserved: captures - refunds = what paid orders were charged, cancelled ones keep, and wallets were "
     "charged",
     R"(WITH ledger AS (SELECT COALESCE(SUM(CASE kind WHEN 1 THEN amount_minor WHEN 2 THEN -amount_minor END), 0) AS kept
                        FROM ledger.ledger WHERE kind IN (1, 2)),
             own AS (SELECT COALESCE((SELECT SUM(p.amount_minor) FROM payments.payments p JOIN orders.orders o USING (payment_id)
                                      WHERE o.state = 2), 0)
                          + COALESCE((SELECT SUM(r.kept_minor) FROM payments.refunds r JOIN orders.orders o USING (payment_id)
                                      WHERE o.state = 5 AND r.state = 3), 0)
                          + COALESCE((SELECT SUM(amount_minor) FROM wallets.charges), 0) AS kept)
        SELECT printf('the gateway kept %d, orders and wallets say %d', ledger.kept, own.kept) FROM ledger, own
        WHERE ledger.kept <> own.kept)"},
    {"coupon, points, balance and one capture, not paid back, make the total of every paid order",
     R"(WITH kept AS (SELECT p.payment_id, COUNT(*) AS captures, SUM(l.amount_minor) AS amount
                      FROM payments.payments p JOIN ledger.ledger l ON l.transaction_id = p.pg_transaction_id AND l.kind = 1
                      WHERE l.transaction_id NOT IN (SELECT captured_transaction_id FROM ledger.ledger WHERE kind = 2)
                      GROUP BY p.payment_id),
             paid AS (SELECT o.order_id, o.total_minor, COALESCE(r.discount_minor, 0) AS discount,
                             COALESCE(h.points, 0) + COALESCE(h.balance, 0) AS wallet, COALESCE(k.captures, 0) AS captures,
                             COALESCE(k.amount, 0) AS charged
                      FROM orders.orders o LEFT JOIN kept k USING (payment_id)
                      LEFT JOIN coupons.redemptions r ON r.order_id = o.order_id AND r.state = 3
                      LEFT JOIN wallets.holds h ON h.order_id = o.order_id AND h.state = 3 WHERE o.state = 2)
        SELECT printf('order %s of %d: its coupon took %d off, its wallet paid %d, %d captures paid %d', order_id, total_minor,
                      discount, wallet, captures, charged)
        FROM paid WHERE captures > 1 OR discount + wallet + charged <> total_minor)"},
    {"no charge without an order or a wallet",
     R"(SELECT printf('capture %s of %d (key %s) belongs to no paid or cancelled order and to no charged wallet',
                      l.transaction_id, l.amount_minor, l.idempotency_key)
        FROM ledger.ledger l
        LEFT JOIN payments.payments p ON p.pg_transaction_id = l.transaction_id
        LEFT JOIN orders.orders o ON o.payment_id = p.payment_id AND o.state IN (2, 5)
        LEFT JOIN wallets.charges c ON c.charge_id = p.payment_id
        WHERE l.kind = 1 AND o.order_id IS NULL AND c.charge_id IS NULL AND NOT )" UNWIND_CAME_LATE_AND_WENT_BACK},
    {"at most one capture per order",
     R"(SELECT printf('payment %s was captured %d times', payment_id, captures)
        FROM (SELECT )" UNWIND_PAYMENT_OF_KEY R"( AS payment_id, COUNT(*) AS captures FROM ledger.ledger l
              WHERE kind = 1 AND NOT )" UNWIND_CAME_LATE_AND_WENT_BACK R"( GROUP BY 1)
        WHERE captures > 1)"},
    {"every cancelled order was paid back, once, but for the points that it had earned and that were spent",
     R"(WITH said AS (SELECT o.order_id, p.pg_transaction_id,
                             p.amount_minor - (COALESCE(e.kept, 0) - COALESCE(h.kept, 0)) AS due
                      FROM orders.orders o LEFT JOIN payments.payments p USING (payment_id)
                      LEFT JOIN wallets.earnings e ON e.order_id = o.order_id
                      LEFT JOIN wallets.holds h ON h.order_id = o.order_id WHERE o.state = 5)
        SELECT printf('order %s, of which %d must go back: %d paid back', s.order_id, s.due, COALESCE(SUM(r.amount_minor), 0))
        FROM said s LEFT JOIN ledger.ledger r ON r.kind = 2 AND r.captured_transaction_id = s.pg_transaction_id
        GROUP BY s.order_id HAVING COUNT(r.seq) > 1 OR COALESCE(SUM(r.amount_minor), 0) IS NOT s.due)"},
    {"payments agree with the gateway's ledger",
     R"(SELECT printf('payment %s is SUCCESS, the ledger says otherwise', p.payment_id) FROM payments.payments p
        LEFT JOIN ledger.ledger c ON c.kind = 1 AND c.transaction_id = p.pg_transaction_id
        LEFT JOIN ledger.ledger r ON r.kind = 2 AND r.captured_transaction_id = p.pg_transaction_id
        WHERE p.state = 3 AND (COALESCE(c.amount_minor, 0) <> p.amount_minor OR r.seq IS NOT NULL)
        UNION ALL
        SELECT printf('payment %s is REFUNDED, the ledger says otherwise', p.payment_id) FROM payments.payments p
        LEFT JOIN payments.refunds f ON f.refund_id = p.refund_id
        LEFT JOIN ledger.ledger r ON r.kind = 2 AND r.captured_transaction_id = p.pg_transaction_id
        WHERE p.state = 5 AND COALESCE(r.amount_minor, 0) IS NOT p.amount_minor - f.kept_minor
        UNION ALL
        SELECT printf('payment %s is FAILED, but the ledger has a capture', p.payment_id) FROM payments.payments p
        JOIN ledger.ledger l ON l.kind = 1 AND )" UNWIND_PAYMENT_OF_KEY R"( = p.payment_id
        WHERE p.state = 4 AND NOT )" UNWIND_CAME_LATE_AND_WENT_BACK},
    {"one order per request: each is the own one of the saga that places it, paid exactly if that completed",
     R"(SELECT printf('order %s belongs to no saga', order_id) FROM orders.orders
        WHERE order_id NOT IN (SELECT id FROM sagas.saga WHERE definition IN ('place-order', 'checkout'))
        UNION ALL
        SELECT printf('saga %s completed, its order is in state %s', s.id, COALESCE(o.state, 'none')) FROM sagas.saga s
        LEFT JOIN orders.orders o ON o.order_id = s.id
        WHERE s.definition IN ('place-order', 'checkout') AND s.state = 3 AND (o.state IS NULL OR o.state NOT IN (2, 5))
        UNION ALL
        SELECT printf('saga %s was undone, its order is in state %d', s.id, o.state) FROM sagas.saga s
        JOIN orders.orders o ON o.order_id = s.id
        WHERE s.definition IN ('place-order', 'checkout') AND s.state = 4 AND o.state <> 3
        UNION ALL
        SELECT printf('request %s made %d sagas', key, COUNT(*)) FROM sagas.saga GROUP BY definition, key_scope, key
        HAVING COUNT(*) > 1)"},
    {"every saga's history is whole",
     R"(SELECT printf('saga %s is at version %d and has %d events', s.id, s.version, COUNT(e.seq)) FROM sagas.saga s
        LEFT JOIN sagas.saga_event e ON e.saga_id = s.id GROUP BY s.id
        HAVING COUNT(e.seq) <> s.version OR MAX(e.seq) <> s.version)"},
};

constexpr absl::Duration kSettledPatience = absl::Seconds(60);

AuditBooks BooksOf(const Cluster& cluster) {
  return {.orders = cluster.Database(Node::kOrder),
          .stock = cluster.Database(Node::kStock),
          .payments = cluster.Database(Node::kPayment),
          .ledger = cluster.Database(Node::kGateway),
          .sagas = cluster.Database(Node::kOrchestrator),
          .coupons = cluster.Database(Node::kCoupon),
          .wallets = cluster.Database(Node::kWallet)};
}

// Each a sentence.
absl::StatusOr<std::vector<std::string>> Unsettled(const Cluster& cluster) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Books> books, Books::Open({{"payments", cluster.Database(Node::kPayment)}}));
  return books->Select(UNWIND_UNSETTLED);
}

template <std::size_t kCount>
absl::Status Check(Books& books, const BooksRule (&rules)[kCount], AuditReport& report) {
  for (const BooksRule& rule : rules) {
    ASSIGN_OR_RETURN(std::vector<std::string> violations, books.Select(rule.sql));
    report.rules.push_back({rule.name, std::move(violations)});
  }
  return absl::OkStatus();
}

absl::Status Count(Books& books, AuditReport& report) {
  const auto orders = [&books](int state) {
    return books.Number(absl::StrCat("SELECT COUNT(*) FROM orders.orders WHERE state = ", state));
  };
  const auto moved = [&books](int kind) {
    return books.Number(absl::StrCat("SELECT COALESCE(SUM(amount_minor), 0) FROM ledger.ledger WHERE kind = ", kind));
  };
  const auto sagas = [&books](absl::string_view which) {
    return books.Number(absl::StrCat("SELECT COUNT(*) FROM sagas.saga WHERE ", which));
  };
  ASSIGN_OR_RETURN(report.sagas, sagas("parent IS NULL"));
  ASSIGN_OR_RETURN(report.sagas_completed, sagas("parent IS NULL AND state = 3"));
  ASSIGN_OR_RETURN(report.sagas_aborted, sagas("parent IS NULL AND state = 4"));
  ASSIGN_OR_RETURN(report.followers, sagas("parent IS NOT NULL"));
  ASSIGN_OR_RETURN(report.orders_paid, orders(2));
  ASSIGN_OR_RETURN(report.orders_failed, orders(3));
  ASSIGN_OR_RETURN(report.orders_cancelled, orders(5));
  ASSIGN_OR_RETURN(report.captured_minor, moved(1));
  ASSIGN_OR_RETURN(report.refunded_minor, moved(2));
  return absl::OkStatus();
}

}  // namespace

bool AuditReport::holds() const {
  for (const AuditRule& rule : rules) {
    if (!rule.violations.empty()) return false;
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const AuditBooks& books, const std::set<std::string>& left_out) {
  return Books::Open({{"orders", books.orders},
                      {"stock", books.stock},
                      {"payments", books.payments},
                      {"ledger", books.ledger},
                      {"sagas", books.sagas},
                      {"coupons", books.coupons},
                      {"wallets", books.wallets}},
                     left_out);
}

absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const Cluster& cluster, const std::set<std::string>& left_out) {
  return OpenBooks(BooksOf(cluster), left_out);
}

absl::StatusOr<AuditReport> Audit(Books& books) {
  AuditReport report;
  RETURN_IF_ERROR(Check(books, kRules, report));
  RETURN_IF_ERROR(Check(books, kCouponRules, report));
  RETURN_IF_ERROR(Check(books, kWalletRules, report));
  RETURN_IF_ERROR(Check(books, kWareShopRules, report));
  RETURN_IF_ERROR(Count(books, report));
  return report;
}

absl::StatusOr<AuditReport> Audit(const AuditBooks& books) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Books> opened, OpenBooks(books));
  return Audit(*opened);
}

absl::StatusOr<AuditReport> Audit(const Cluster& cluster) {
  AwaitSettled(cluster, kSettledPatience).IgnoreError();
  return Audit(BooksOf(cluster));
}

absl::Status AwaitSettled(const Cluster& cluster, absl::Duration patience) {
  absl::StatusOr<std::vector<std::string>> open;
  Eventually(patience, [&] {
    open = Unsettled(cluster);
    return !open.ok() || open->empty();
  });
  RETURN_IF_ERROR(open.status());
  if (open->empty()) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("payments are not settled after ", absl::FormatDuration(patience), ": ", open->front(),
                   open->size() == 1 ? "" : absl::StrCat(", and ", open->size() - 1, " more")));
}

std::string ToText(const AuditReport& report) {
  std::string text;
  for (const AuditRule& rule : report.rules) {
    absl::StrAppend(&text, rule.violations.empty() ? "  holds     " : "  VIOLATED  ", rule.name, "\n");
    for (const std::string& violation : rule.violations) absl::StrAppend(&text, "              ", violation, "\n");
  }
  absl::StrAppendFormat(
      &text,
      "  %d sagas, and %d that followed them; orders: %d paid, %d failed, %d cancelled; the gateway took "
      "%d and paid %d back\n",
      report.sagas, report.followers, report.orders_paid, report.orders_failed, report.orders_cancelled,
      report.captured_minor, report.refunded_minor);
  return text;
}

}  // namespace unwind
