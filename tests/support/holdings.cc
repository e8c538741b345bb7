#include "tests/support/holdings.h"

#include <memory>

#include "common/base/status_macros.h"
#include "tests/support/books.h"

namespace unwind {
namespace {

// States by their numbers, as in audit.cc and ware_rules.h.
constexpr char kHoldings[] = R"(
    SELECT printf('product %s: %d, of which %d reserved and %d sold', product_id, total, reserved, sold) AS line
    FROM stock.stocks
    UNION ALL SELECT printf('reservation %s is in state %d', reservation_id, state) FROM stock.reservations
    WHERE state IN (1, 3)
    UNION ALL SELECT printf('order %s is in state %d', order_id, state) FROM orders.orders WHERE state <> 3
    UNION ALL SELECT printf('%s has %d of %s in the cart since %d', member_id, quantity, product_id, add_time_us)
    FROM orders.cart_additions
    UNION ALL SELECT printf('coupon %s of %s is in state %d for order "%s"', coupon_id, member_id, state, order_id)
    FROM coupons.coupons
    UNION ALL SELECT printf('campaign %s has issued %d', campaign_id, issued) FROM coupons.campaigns
    UNION ALL SELECT printf('order %s has coupon %s in state %d', order_id, coupon_id, state) FROM coupons.redemptions
    WHERE state IN (1, 3)
    UNION ALL SELECT printf('%s has %d and %d points in %s; %d and %d are held', member_id, balance, points,
                            currency_code, balance_held, points_held) FROM wallets.purses
    UNION ALL SELECT printf('order %s has %d and %d points in state %d', order_id, balance, points, state)
    FROM wallets.holds WHERE state IN (1, 3)
    UNION ALL SELECT printf('order %s has earned %d in state %d', order_id, points, state) FROM wallets.earnings
    UNION ALL SELECT printf('payment %s of %d is in state %d', payment_id, amount_minor, state) FROM payments.payments
    WHERE state <> 4
    UNION ALL SELECT printf('attempt %s is in state %d', gateway_key, state) FROM payments.attempts
    WHERE state IN (1, 2)
    UNION ALL SELECT printf('refund %s is in state %d', refund_id, state) FROM payments.refunds WHERE state <> 4
    UNION ALL SELECT printf('return %s is done: %d', gateway_key, done) FROM payments.returns
    UNION ALL SELECT printf('the gateway moved %d under key %s', amount_minor, idempotency_key) FROM ledger.ledger
    WHERE kind IN (1, 2)
    ORDER BY line)";

}  // namespace

absl::StatusOr<std::vector<std::string>> Holdings(const Cluster& cluster) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Books> books, Books::Open({{"orders", cluster.Database(Node::kOrder)},
                                                                    {"stock", cluster.Database(Node::kStock)},
                                                                    {"payments", cluster.Database(Node::kPayment)},
                                                                    {"ledger", cluster.Database(Node::kGateway)},
                                                                    {"coupons", cluster.Database(Node::kCoupon)},
                                                                    {"wallets", cluster.Database(Node::kWallet)}}));
  return books->Select(kHoldings);
}

}  // namespace unwind
