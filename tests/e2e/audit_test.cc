// The audit can fail: each rule finds the one row that was changed behind the services' backs.
#include <sqlite3.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/e2e/shop_test.h"
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

TEST_F(AuditTest, EveryRuleFindsItsViolation) {
  struct Case {
    const char* rule;
    std::string AuditBooks::*book;
    const char* tampering;
  };
  const char* const any_paid = "order_id = (SELECT MIN(order_id) FROM orders WHERE state = 2)";
  const std::string order_failed = absl::StrCat("UPDATE orders SET state = 3, payment_id = '' WHERE ", any_paid);
  const Case cases[] = {
      {"every saga is over", &AuditBooks::sagas, "UPDATE saga SET state = 1 WHERE definition = 'cancel-order'"},
      {"no order, reservation or payment is under way", &AuditBooks::stock,
       "UPDATE reservations SET state = 1 WHERE state = 3"},
      {"stock is conserved", &AuditBooks::stock, "UPDATE stocks SET reserved = reserved + 1 WHERE sold > 0"},
      {"what is sold is what paid orders contain", &AuditBooks::orders,
       "UPDATE order_items SET quantity = quantity + 1"},
      {"stock agrees with its reservations", &AuditBooks::stock, "UPDATE stocks SET sold = sold + 1 WHERE sold > 0"},
      {"money is conserved", &AuditBooks::ledger, "UPDATE ledger SET amount_minor = amount_minor + 1 WHERE kind = 1"},
      {"money is conserved", &AuditBooks::payments, "UPDATE refunds SET kept_minor = 1"},
      {"coupon, points, balance and one capture", &AuditBooks::orders,
       "UPDATE orders SET total_minor = total_minor + 1 WHERE state = 2"},
      {"coupon, points, balance and one capture", &AuditBooks::coupons,
       "UPDATE redemptions SET discount_minor = discount_minor + 1"},
      {"coupon, points, balance and one capture", &AuditBooks::wallets, "UPDATE holds SET balance = balance - 1"},
      {"no charge without an order", &AuditBooks::orders, order_failed.c_str()},
      {"at most one capture per order", &AuditBooks::ledger,
       "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code, "
       "captured_transaction_id,"
       " decline_reason, request, create_time_us) SELECT idempotency_key || '-again', 'again', 1, amount_minor, "
       "currency_code,"
       " '', '', '', 0 FROM ledger WHERE kind = 1 LIMIT 1"},
      {"no order, reservation or payment is under way", &AuditBooks::payments,
       "INSERT INTO returns (gateway_key, payment_id, captured_transaction_id, amount_minor, currency_code, tries, "
       "done,"
       " create_time_us, try_at_us) SELECT 'charge-' || payment_id, payment_id, 'late', 1, 'KRW', 1, 0, 0, 0"
       " FROM payments LIMIT 1"},
      {"at most one capture per order", &AuditBooks::ledger,
       "INSERT INTO ledger (idempotency_key, transaction_id, kind, amount_minor, currency_code,"
       " captured_transaction_id, decline_reason, request, create_time_us) SELECT 'pay-2-' || substr(idempotency_key, "
       "8),"
       " 'again', 1, amount_minor, currency_code, '', '', '', 0 FROM ledger WHERE kind = 1 LIMIT 1"},
      {"every cancelled order was paid back", &AuditBooks::ledger, "DELETE FROM ledger WHERE kind = 2"},
      {"every cancelled order was paid back", &AuditBooks::wallets,
       "UPDATE earnings SET kept = points WHERE state = 2 AND points > 0"},
      {"payments agree with the gateway's ledger", &AuditBooks::payments, "UPDATE refunds SET kept_minor = 1"},
      {"payments agree with the gateway's ledger", &AuditBooks::payments,
       "UPDATE payments SET amount_minor = amount_minor + 1 WHERE state = 3"},
      {"one order per request", &AuditBooks::sagas, "DELETE FROM saga WHERE definition = 'place-order'"},
      {"every saga's history is whole", &AuditBooks::sagas, "DELETE FROM saga_event WHERE seq = 2"},
      {"every coupon is where its order says", &AuditBooks::coupons, "UPDATE redemptions SET state = 1"},
      {"what orders took out of wallets is where they say", &AuditBooks::wallets, "UPDATE holds SET state = 1"},
      {"every paid order is followed once", &AuditBooks::sagas, "DELETE FROM saga WHERE definition = 'after-order'"},
      {"every paid order that was followed has earned once", &AuditBooks::wallets,
       "UPDATE earnings SET state = 3 WHERE state = 1"},
      {"what was charged to a wallet", &AuditBooks::wallets, "UPDATE charges SET amount_minor = amount_minor + 1"},
      // coupon_service_test, wallet_service_test and support_unit_test have the others of theirs.
      {"a campaign has issued the coupons that there are", &AuditBooks::coupons,
       "INSERT INTO campaigns VALUES ('spring', 0, 1000, 0, 'KRW', 0, 0, 1, 0, 0, 1, 0)"},
      {"every purse is the sum of its entries", &AuditBooks::wallets,
       "INSERT INTO purses VALUES ('juno', 'KRW', 1, 0, 0, 0)"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.rule);
    const AuditBooks books = Copy();
    Execute(books.*each.book, each.tampering);
    const auto report = Audit(books);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_FALSE(report->holds());
    bool found = false;
    for (const AuditRule& rule : report->rules) {
      found = found || (rule.name.rfind(each.rule, 0) == 0 && !rule.violations.empty());
    }
    EXPECT_TRUE(found) << ToText(*report);
  }
  const auto untouched = Audit(Copy());
  ASSERT_TRUE(untouched.ok()) << untouched.status();
  EXPECT_TRUE(untouched->holds()) << ToText(*untouched);
}

}  // namespace
}  // namespace unwind
