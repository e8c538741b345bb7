// The audit can fail: each rule finds the one row that was changed behind the services' backs.
#include <sqlite3.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/checkouts.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

void Execute(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db) << ": " << sql;
  sqlite3_close(db);
}

class AuditTest : public ShopTest {
 protected:
  // A paid order, in part by coupon and balance, a cancelled one and a failed one, and copies of all databases.
  void SetUp() override {
    ShopTest::SetUp();
    const std::string product = NewProduct(10);
    shop::checkout::v1::PlaceOrderResponse placed;
    ASSERT_TRUE(shop_.Place(Shop::Order("mina", product, 2), &placed).ok());
    shop::checkout::v1::CancelOrderRequest cancel;
    cancel.set_request_id(NewKey());
    cancel.set_order_id(placed.order_id());
    cancel.set_member_id("mina");
    shop::checkout::v1::CancelOrderResponse cancelled;
    ASSERT_TRUE(shop_.Cancel(cancel, &cancelled).ok());
    ASSERT_FALSE(shop_.Place(Shop::Order("mina", product, 11), &placed).ok());
    shop::checkout::v1::PlaceOrderRequest split = Shop::Order("mina", product, 3);
    ASSERT_TRUE(IsOk(wares_.Charge("mina", 500)));
    ASSERT_TRUE(IsOk(wares_.Begin(Wares::AmountOff("autumn", 700))));
    split.set_coupon_id(wares_.Issue("autumn", "mina").value_or(""));
    *split.mutable_wallet() = Use(0, 500);
    ASSERT_TRUE(shop_.Place(split, &placed).ok());
    ASSERT_EQ(placed.charged().minor_units(), 1800);
    ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  }

  AuditBooks Copy() {
    const std::string folder = absl::StrCat(cluster_->scratch(), "/copy-", copies_++);
    std::filesystem::create_directory(folder);
    const auto copy = [&](Node node) {
      const std::string path = absl::StrCat(folder, "/", NodeName(node));
      Execute(cluster_->Database(node), absl::StrCat("VACUUM INTO '", path, "'"));
      return path;
    };
    return {copy(Node::kOrder),        copy(Node::kStock),  copy(Node::kPayment), copy(Node::kGateway),
            copy(Node::kOrchestrator), copy(Node::kCoupon), copy(Node::kWallet)};
  }

  inline static int copies_ = 0;
  Wares wares_{*cluster_};
};

// A capture, or with `captured` what was paid back of one, under a key that the ledger has not seen.
std::string LedgerEntry(const std::string& key, int kind, const std::string& captured) {
  return absl::StrCat(
      "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code, "
      "captured_transaction_id, "
      "decline_reason, request, create_time_us) SELECT ",
      key, ", 'again', ", kind, ", amount_minor, currency_code, ", captured, ", '', '', 0 FROM ledger ");
}

struct Damage {
  const char* rule;  // how its name begins
  const char* says;  // in the sentence about it; of a rule over several things, which it is
  std::string AuditBooks::*book;
  std::string sql;
};

std::vector<Damage> Damages() {
  const std::string again = LedgerEntry("idempotency_key || '-again'", 1, "''") + "WHERE kind = 1 LIMIT 1";
  const std::string another_card =
      LedgerEntry("'pay-2-' || substr(idempotency_key, 8)", 1, "''") + "WHERE kind = 1 LIMIT 1";
  const std::string back_twice =
      "DROP INDEX ledger_refund_once; " + LedgerEntry("'twice'", 2, "captured_transaction_id") + "WHERE kind = 2";
  const std::string order_back = LedgerEntry("'stray'", 2, "transaction_id") + "WHERE kind = 1 AND amount_minor = 1800";
  const char* const two_sagas =
      "CREATE TABLE unchecked AS SELECT * FROM saga; DROP TABLE saga; ALTER TABLE unchecked RENAME TO saga; "
      "UPDATE saga SET key = 'one' WHERE definition = 'place-order'";
  const char* const second_coupon =
      "DROP INDEX coupons_once; INSERT INTO coupons SELECT 'again', campaign_id, member_id, occasion, percent, "
      "amount_minor, minimum_minor, currency_code, 1, '', valid_from_us, valid_until_us, create_time_us, "
      "update_time_us "
      "FROM coupons";
  return {
      {"every saga is over", "saga ", &AuditBooks::sagas,
       "UPDATE saga SET state = 1 WHERE definition = 'cancel-order'"},
      {"no order, reservation or payment is under way", "order ", &AuditBooks::orders,
       "UPDATE orders SET state = 4 WHERE state = 5"},
      {"no order, reservation or payment is under way", "reservation ", &AuditBooks::stock,
       "UPDATE reservations SET state = 1 WHERE state = 3"},
      {"no order, reservation or payment is under way", "payment ", &AuditBooks::payments,
       "UPDATE payments SET state = 2 WHERE state = 3"},
      {"no order, reservation or payment is under way", "refund ", &AuditBooks::payments,
       "UPDATE refunds SET state = 1"},
      {"no order, reservation or payment is under way", "attempt 1", &AuditBooks::payments,
       "INSERT INTO attempts SELECT 'pay-1-' || payment_id, payment_id, 1, '', 1, 1, '', '', 0, 0 FROM payments"},
      {"the gateway has said its last word", "last word of attempt 1", &AuditBooks::payments,
       "INSERT INTO attempts SELECT 'pay-1-' || payment_id, payment_id, 1, '', 1, 4, '', '', 0, 1 FROM payments"},
      {"the gateway has said its last word", "last word of payment", &AuditBooks::payments,
       "UPDATE payments SET inquire_at_us = 1"},
      {"the gateway has said its last word", "late capture late", &AuditBooks::payments,
       "INSERT INTO returns SELECT 'charge-' || payment_id, payment_id, 'late', 1, 'KRW', 1, 0, 0, 0 FROM payments "
       "LIMIT 1"},
      {"no order, reservation or payment is under way", "payment_svc has a pending call", &AuditBooks::payments,
       "UPDATE saga_barrier SET outcome = 4 WHERE step = 'charge'"},
      {"stock is conserved", "reserved 1", &AuditBooks::stock,
       "UPDATE stocks SET reserved = reserved + 1 WHERE sold > 0"},
      {"stock is conserved", "total 1,", &AuditBooks::stock, "UPDATE stocks SET total = 1 WHERE sold > 1"},
      {"what is sold is what paid orders contain", "but paid orders contain", &AuditBooks::orders,
       "UPDATE order_items SET quantity = quantity + 1"},
      {"what is sold is what paid orders contain", "stock_svc does not know it", &AuditBooks::stock,
       "DELETE FROM stocks"},
      {"stock agrees with its reservations", "product ", &AuditBooks::stock,
       "UPDATE stocks SET sold = sold + 1 WHERE sold > 0"},
      {"money is conserved", "the gateway kept", &AuditBooks::ledger,
       "UPDATE ledger SET amount_minor = amount_minor + 1 WHERE kind = 1"},
      {"money is conserved", "the gateway kept", &AuditBooks::ledger,
       "UPDATE ledger SET amount_minor = amount_minor - 1 WHERE kind = 2"},
      {"money is conserved", "the gateway kept", &AuditBooks::payments, "UPDATE refunds SET kept_minor = 1"},
      {"money is conserved", "the gateway kept", &AuditBooks::wallets, "DELETE FROM charges"},
      {"coupon, points, balance and one capture", "order ", &AuditBooks::orders,
       "UPDATE orders SET total_minor = total_minor + 1 WHERE state = 2"},
      {"coupon, points, balance and one capture", "coupon took 701 off", &AuditBooks::coupons,
       "UPDATE redemptions SET discount_minor = discount_minor + 1"},
      {"coupon, points, balance and one capture", "wallet paid 499", &AuditBooks::wallets,
       "UPDATE holds SET balance = balance - 1"},
      {"coupon, points, balance and one capture", "0 captures paid 0", &AuditBooks::ledger, order_back},
      {"no charge without an order", "belongs to no paid or cancelled order", &AuditBooks::orders,
       "UPDATE orders SET state = 3, payment_id = '' WHERE state = 2"},
      {"no charge without an order", "belongs to no paid or cancelled order", &AuditBooks::wallets,
       "DELETE FROM charges"},
      {"at most one capture per order", "captured 2 times", &AuditBooks::ledger, again},
      {"at most one capture per order", "captured 2 times", &AuditBooks::ledger, another_card},
      {"every cancelled order was paid back", "0 paid back", &AuditBooks::ledger, "DELETE FROM ledger WHERE kind = 2"},
      {"every cancelled order was paid back", "4000 paid back", &AuditBooks::ledger, back_twice},
      {"every cancelled order was paid back", "order ", &AuditBooks::wallets,
       "UPDATE earnings SET kept = points WHERE state = 2 AND points > 0"},
      {"payments agree with the gateway's ledger", "is SUCCESS", &AuditBooks::payments,
       "UPDATE payments SET amount_minor = amount_minor + 1 WHERE state = 3"},
      {"payments agree with the gateway's ledger", "is SUCCESS", &AuditBooks::ledger, order_back},
      {"payments agree with the gateway's ledger", "is REFUNDED", &AuditBooks::payments,
       "UPDATE refunds SET kept_minor = 1"},
      {"payments agree with the gateway's ledger", "is FAILED", &AuditBooks::payments,
       "UPDATE payments SET state = 4 WHERE state = 3"},
      {"one order per request", "belongs to no saga", &AuditBooks::sagas,
       "DELETE FROM saga WHERE definition = 'place-order'"},
      {"one order per request", "completed, its order is in state none", &AuditBooks::orders, "DELETE FROM orders"},
      {"one order per request", "completed, its order is in state 3", &AuditBooks::orders,
       "UPDATE orders SET state = 3 WHERE state = 2"},
      {"one order per request", "was undone, its order is in state 2", &AuditBooks::orders,
       "UPDATE orders SET state = 2 WHERE state = 3"},
      {"one order per request", "request one made 3 sagas", &AuditBooks::sagas, two_sagas},
      {"every saga's history is whole", "saga ", &AuditBooks::sagas, "DELETE FROM saga_event WHERE seq = 2"},
      {"every saga's history is whole", "saga ", &AuditBooks::sagas, "UPDATE saga_event SET seq = 99 WHERE seq = 1"},
      {"a coupon is held or used exactly", "coupon ", &AuditBooks::coupons,
       "UPDATE coupons SET state = 1, order_id = '' WHERE state = 3"},
      {"a campaign has issued the coupons that there are", "campaign spring", &AuditBooks::coupons,
       "INSERT INTO campaigns VALUES ('spring', 0, 1000, 0, 'KRW', 0, 0, 1, 0, 0, 1, 0)"},
      {"nobody got a campaign's coupon twice", "member mina has 2 coupons", &AuditBooks::coupons, second_coupon},
      {"every apology is a coupon", "member juno has no coupon", &AuditBooks::coupons,
       "INSERT INTO apologies SELECT 'autumn', 'juno', 'lamp', coupon_id FROM coupons"},
      {"every apology is a coupon", "is for no product", &AuditBooks::coupons, "UPDATE coupons SET occasion = 'o1'"},
      {"the ledger sums to zero", "entries in KRW sum to", &AuditBooks::wallets,
       "UPDATE entries SET change_minor = change_minor + 1 WHERE account = 1"},
      {"the ledger sums to zero", "line 0", &AuditBooks::wallets, "UPDATE entries SET account = 2 WHERE account = 1"},
      {"every purse is the sum of its entries", "purse juno", &AuditBooks::wallets,
       "INSERT INTO purses VALUES ('juno', 'KRW', 1, 0, 0, 0)"},
      {"every purse is the sum of its entries", "and no purse", &AuditBooks::wallets, "DELETE FROM purses"},
      {"what purses hold is what orders hold", "purse mina", &AuditBooks::wallets,
       "UPDATE purses SET balance_held = balance_held + 1"},
      {"holds, earnings and charges have moved", "has moved", &AuditBooks::wallets,
       "UPDATE earnings SET points = points + 1 WHERE state = 1"},
      {"holds, earnings and charges have moved", "come of nothing", &AuditBooks::wallets, "DELETE FROM charges"},
      {"every coupon is where its order says", "its coupon ", &AuditBooks::coupons, "UPDATE redemptions SET state = 1"},
      {"what orders took out of wallets is where they say", "order ", &AuditBooks::wallets,
       "UPDATE holds SET state = 1"},
      {"every order is followed once", "0 sagas of after-order", &AuditBooks::sagas,
       "DELETE FROM saga WHERE definition = 'after-order'"},
      {"every order is followed once", "0 sagas of after-sold-out", &AuditBooks::sagas,
       "DELETE FROM saga WHERE definition = 'after-sold-out'"},
      {"every paid order that was followed has earned once", "is in state 2", &AuditBooks::wallets,
       "UPDATE earnings SET state = 3 WHERE state = 1"},
      {"every paid order that was followed has earned once", "is in state 5", &AuditBooks::wallets,
       "UPDATE earnings SET state = 1 WHERE state = 2"},
      {"every paid order that was followed has earned once", "none has earned and is no order", &AuditBooks::wallets,
       "INSERT INTO earnings VALUES ('none', 'juno', 1, 0, 0, 'KRW', '', 0, 0, 0)"},
      {"what was charged to a wallet", "charge ", &AuditBooks::wallets,
       "UPDATE charges SET amount_minor = amount_minor + 1"},
  };
}

// The rule that says so of the damaged books; empty: none does.
std::string RuleThatSees(const Damage& damage, const AuditReport& report) {
  for (const AuditRule& rule : report.rules) {
    if (!absl::StartsWith(rule.name, damage.rule)) continue;
    for (const std::string& violation : rule.violations) {
      if (absl::StrContains(violation, damage.says)) return rule.name;
    }
  }
  return "";
}

TEST_F(AuditTest, EveryRuleFindsItsViolation) {
  std::set<std::string> seen;
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(absl::StrCat(damage.rule, ": ", damage.sql));
    const AuditBooks books = Copy();
    Execute(books.*damage.book, absl::StrCat("PRAGMA ignore_check_constraints = ON; ", damage.sql));
    const auto report = Audit(books);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->holds());
    const std::string rule = RuleThatSees(damage, *report);
    EXPECT_NE(rule, "") << ToText(*report);
    seen.insert(rule);
  }
  const auto untouched = Audit(Copy());
  ASSERT_TRUE(untouched.ok()) << untouched.status();
  EXPECT_TRUE(untouched->holds()) << ToText(*untouched);
  for (const AuditRule& rule : untouched->rules)
    EXPECT_EQ(seen.count(rule.name), 1u) << "no damage shows: " << rule.name;
}

class AuditWaitTest : public ShopTest {};

// While the gateway takes its time over a payment, the audit finds the attempt open at its first look.
TEST_F(AuditWaitTest, WhatASagaMustSettleIsNotWaitedFor) {
  pg::v1::Scenario later;
  later.set_async_percent(100);
  later.set_async_delay_ms(static_cast<int>(absl::ToInt64Milliseconds(absl::Minutes(10))));
  ASSERT_TRUE(IsOk(shop_.SetScenario(later)));
  Checkouts checkouts(*cluster_);
  shop::checkout::v1::CheckoutResponse begun;
  ASSERT_TRUE(checkouts.Start(Checkouts::Of("mina", NewProduct(1)), &begun).ok());
  shop::payment::v1::PayResponse paid;
  ASSERT_TRUE(checkouts.Pay(Checkouts::PaymentOf(begun.payment_id(), "mina"), NewKey(), &paid).ok());
  EXPECT_TRUE(IsOk(AwaitSettled(*cluster_, absl::ZeroDuration())));
  const Damage open = {"no order, reservation or payment is under way", "attempt 1", nullptr, ""};
  const AuditReport report = Books();
  EXPECT_NE(RuleThatSees(open, report), "") << ToText(report);
  EXPECT_TRUE(checkouts.CancelPayment(begun.payment_id(), "mina", NewKey()).ok());
}

}  // namespace
}  // namespace unwind
