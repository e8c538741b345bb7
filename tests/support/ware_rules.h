// What the books of coupon_svc and wallet_svc must say: rules of the audit, each a name and a SELECT over Books whose
// rows are sentences about what violates it. States, accounts and causes by their numbers, as in coupon.h, wallet.h and
// order.h: coupons 1 AVAILABLE 2 HELD 3 USED; redemptions 1 HELD 2 RELEASED 3 USED 4 RETURNED; holds 1 HELD 2 RELEASED
// 3 SETTLED 4 RETURNED; earnings 1 EARNED 2 TAKEN_BACK 3 OPEN; accounts 1 BALANCE 2 POINTS 3 BALANCE_HELD 4
// POINTS_HELD, 5 to 7 the shop's, 7 that of points; causes 1 CHARGE, 2 to 5 of holds, 6 to 8 of earnings; orders 2
// PAID 3 FAILED 5 CANCELLED; payments 3 SUCCESS.
#ifndef UNWIND_TESTS_SUPPORT_WARE_RULES_H_
#define UNWIND_TESTS_SUPPORT_WARE_RULES_H_

namespace unwind {

struct BooksRule {
  const char* name;
  const char* sql;
};

// At any moment; over `coupons`.
inline constexpr BooksRule kCouponRules[] = {
    {"a coupon is held or used exactly as its redemptions say",
     R"(SELECT printf('coupon %s is in state %d by order "%s", its redemptions say otherwise', coupon_id, state, order_id)
        FROM coupons.coupons c
        WHERE (SELECT COUNT(*) FROM coupons.redemptions r WHERE r.coupon_id = c.coupon_id AND r.state IN (1, 3))
              <> (c.state <> 1)
           OR (c.state <> 1 AND NOT EXISTS (SELECT 1 FROM coupons.redemptions r WHERE r.coupon_id = c.coupon_id
               AND r.order_id = c.order_id AND r.state = CASE c.state WHEN 2 THEN 1 ELSE 3 END)))"},
    {"a campaign has issued the coupons that there are, and no more than it has",
     R"(SELECT printf('campaign %s has issued %d of %d, and there are %d', g.campaign_id, g.issued, g.coupons_max,
                      COUNT(c.coupon_id))
        FROM coupons.campaigns g LEFT JOIN coupons.coupons c USING (campaign_id) GROUP BY g.campaign_id
        HAVING g.issued <> COUNT(c.coupon_id) OR (g.coupons_max > 0 AND g.issued > g.coupons_max))"},
    {"nobody got a campaign's coupon twice",
     R"(SELECT printf('member %s has %d coupons of campaign %s', c.member_id, COUNT(*), c.campaign_id)
        FROM coupons.coupons c WHERE c.occasion = '' GROUP BY c.member_id, c.campaign_id HAVING COUNT(*) > 1)"},
    {"every apology is a coupon of that member, and every coupon for an order an apology",
     R"(SELECT printf('member %s has no coupon for product %s', a.member_id, a.product_id) FROM coupons.apologies a
        LEFT JOIN coupons.coupons c ON c.coupon_id = a.coupon_id AND c.member_id = a.member_id
             AND c.campaign_id = a.campaign_id AND c.occasion <> ''
        WHERE c.coupon_id IS NULL
        UNION ALL SELECT printf('coupon %s is for no product', coupon_id) FROM coupons.coupons
        WHERE occasion <> '' AND coupon_id NOT IN (SELECT coupon_id FROM coupons.apologies))"},
};

// At any moment; over `wallets`.
inline constexpr BooksRule kWalletRules[] = {
    {"the ledger sums to zero, pair by pair, and points never become money",
     R"(SELECT printf('entries in %s sum to %d', currency_code, SUM(change_minor)) FROM wallets.entries
        GROUP BY currency_code HAVING SUM(change_minor) <> 0
        UNION ALL
        SELECT printf('line %d of cause %d of %s has %d entries, together %d', line / 2 * 2, cause, cause_id, COUNT(*),
                      SUM(change_minor))
        FROM wallets.entries GROUP BY cause_id, cause, line / 2
        HAVING SUM(change_minor) <> 0 OR COUNT(*) <> 2 OR MIN(member_id || currency_code) <> MAX(member_id || currency_code)
            OR MIN(account IN (2, 4, 7)) <> MAX(account IN (2, 4, 7)))"},
    {"every purse is the sum of its entries, and none is negative",
     R"(WITH sums AS (SELECT member_id, currency_code, SUM(change_minor * (account = 1)) AS balance,
                             SUM(change_minor * (account = 2)) AS points, SUM(change_minor * (account = 3)) AS balance_held,
                             SUM(change_minor * (account = 4)) AS points_held
                      FROM wallets.entries GROUP BY member_id, currency_code)
        SELECT printf('purse %s in %s: %d, %d, %d, %d; its entries say %d, %d, %d, %d', p.member_id, p.currency_code,
                      p.balance, p.points, p.balance_held, p.points_held, s.balance, s.points, s.balance_held, s.points_held)
        FROM wallets.purses p LEFT JOIN sums s USING (member_id, currency_code)
        WHERE (p.balance, p.points, p.balance_held, p.points_held)
              IS NOT (COALESCE(s.balance, 0), COALESCE(s.points, 0), COALESCE(s.balance_held, 0), COALESCE(s.points_held, 0))
           OR MIN(p.balance, p.points, p.balance_held, p.points_held) < 0
        UNION ALL
        SELECT printf('member %s has entries in %s and no purse', s.member_id, s.currency_code) FROM sums s
        WHERE NOT EXISTS (SELECT 1 FROM wallets.purses p
                          WHERE p.member_id = s.member_id AND p.currency_code = s.currency_code))"},
    {"what purses hold is what orders hold",
     R"(WITH held AS (SELECT member_id, currency_code, SUM(balance) AS balance, SUM(points) AS points FROM wallets.holds
                      WHERE state = 1 GROUP BY member_id, currency_code)
        SELECT printf('purse %s in %s holds %d and %d points, orders hold %d and %d', p.member_id, p.currency_code,
                      p.balance_held, p.points_held, h.balance, h.points)
        FROM wallets.purses p LEFT JOIN held h USING (member_id, currency_code)
        WHERE p.balance_held <> COALESCE(h.balance, 0) OR p.points_held <> COALESCE(h.points, 0))"},
    {"holds, earnings and charges have moved what they say",
     R"(WITH moved AS (SELECT cause_id, CASE WHEN cause = 1 THEN 1 WHEN cause <= 5 THEN 2 ELSE 6 END AS kind,
                              SUM(change_minor * (account = 1)) AS balance, SUM(change_minor * (account = 2)) AS points
                       FROM wallets.entries GROUP BY 1, 2),
             said AS (SELECT charge_id AS cause_id, 1 AS kind, amount_minor AS balance, 0 AS points FROM wallets.charges
                      UNION ALL
                      SELECT order_id, 2, CASE state WHEN 2 THEN 0 WHEN 4 THEN -kept ELSE -balance END,
                             CASE WHEN state IN (2, 4) THEN 0 ELSE -points END FROM wallets.holds
                      UNION ALL
                      SELECT order_id, 6, 0, CASE state WHEN 1 THEN points WHEN 2 THEN kept ELSE 0 END FROM wallets.earnings)
        SELECT printf('%s (kind %d) has moved %d and %d points, it says %d and %d', cause_id, kind, m.balance, m.points,
                      s.balance, s.points)
        FROM said s LEFT JOIN moved m USING (cause_id, kind)
        WHERE COALESCE(m.balance, 0) <> s.balance OR COALESCE(m.points, 0) <> s.points
        UNION ALL
        SELECT printf('entries of %s (kind %d) come of nothing', m.cause_id, m.kind) FROM moved m
        WHERE NOT EXISTS (SELECT 1 FROM said s WHERE s.cause_id = m.cause_id AND s.kind = m.kind))"},
};

// Of a shop at rest; over `orders`, `payments` and `sagas` as well.
inline constexpr BooksRule kWareShopRules[] = {
    {"every coupon is where its order says, and none is held",
     R"(SELECT printf('order %s is in state %s, its coupon %s in state %d', r.order_id, COALESCE(o.state, 'none'), r.coupon_id,
                      r.state)
        FROM coupons.redemptions r LEFT JOIN orders.orders o USING (order_id)
        WHERE r.state IS NOT CASE o.state WHEN 2 THEN 3 WHEN 3 THEN 2 WHEN 5 THEN 4 END)"},
    {"what orders took out of wallets is where they say, and nothing is held",
     R"(SELECT printf('order %s is in state %s, what it took out of a wallet in state %d', h.order_id,
                      COALESCE(o.state, 'none'), h.state)
        FROM wallets.holds h LEFT JOIN orders.orders o USING (order_id)
        WHERE h.state IS NOT CASE o.state WHEN 2 THEN 3 WHEN 3 THEN 2 WHEN 5 THEN 4 END)"},
    // The orders of place-order's first version may have ended before there were followers.
    {"every order is followed once by what follows its end: a paid one by after-order, one that lacked stock by "
     "after-sold-out",
     R"(SELECT printf('order %s is in state %s (%s), and %d sagas of %s follow it', s.id, COALESCE(o.state, 'none'), o.reason,
                      COUNT(c.id), f.name)
        FROM sagas.saga s
        JOIN sagas.follower f ON f.parent = s.definition AND f.parent_version = s.definition_version
             AND f.name IN ('after-order', 'after-sold-out')
        LEFT JOIN orders.orders o ON o.order_id = s.id
        LEFT JOIN sagas.saga c ON c.parent = s.id AND c.definition = f.name
        WHERE s.state IN (3, 4) AND (s.definition <> 'place-order' OR s.definition_version > 1)
        GROUP BY s.id, f.name
        HAVING COUNT(c.id) <> CASE f.name WHEN 'after-order' THEN s.state = 3
                              ELSE s.state = 4 AND COALESCE(o.reason, '') = 'STOCK_NOT_ENOUGH' END)"},
    {"every paid order that was followed has earned once, and no other",
     R"(SELECT printf('order %s is in state %d, what it earned in state %s', o.order_id, o.state, COALESCE(e.state, 'none'))
        FROM orders.orders o LEFT JOIN wallets.earnings e USING (order_id)
        LEFT JOIN sagas.saga c ON c.parent = o.order_id AND c.definition = 'after-order'
        WHERE (o.state = 2 AND c.id IS NOT NULL AND e.state IS NOT 1) OR (o.state <> 2 AND e.state IS 1)
        UNION ALL
        SELECT printf('%s has earned and is no order', order_id) FROM wallets.earnings
        WHERE order_id NOT IN (SELECT order_id FROM orders.orders))"},
    {"what was charged to a wallet is what its payment took",
     R"(SELECT printf('charge %s of %d: its payment is %s of %s', c.charge_id, c.amount_minor, COALESCE(p.state, 'none'),
                      COALESCE(p.amount_minor, 'nothing'))
        FROM wallets.charges c LEFT JOIN payments.payments p ON p.payment_id = c.charge_id
        WHERE p.state IS NOT 3 OR p.amount_minor <> c.amount_minor OR p.member_id <> c.member_id)"},
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_WARE_RULES_H_
