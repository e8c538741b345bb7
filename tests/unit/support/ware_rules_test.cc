// The rules of a shop at rest: each finds the one row that was changed. Of the others their services' tests show it.
#include "tests/support/ware_rules.h"

#include <sqlite3.h>

#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/books.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A paid order, a failed one and a cancelled one, each with a coupon and something out of a wallet; one that lacked
// stock; and a charge.
const std::map<std::string, std::string> kMigrations = {{"orders", "order_svc/migrations/sqlite/0001_orders.sql"},
                                                        {"payments", "payment_svc/migrations/sqlite/0001_payments.sql"},
                                                        {"coupons", "coupon_svc/migrations/sqlite/0001_coupons.sql"},
                                                        {"wallets", "wallet_svc/migrations/sqlite/0001_wallets.sql"}};
constexpr char kOrders[] = R"(INSERT INTO orders VALUES
    ('paid', '', 'm1', 2, 9000, 'KRW', 'paid', '', '', 0, 0), ('failed', '', 'm1', 3, 0, '', '', 'X', '', 0, 0),
    ('sold-out', '', 'm1', 3, 0, '', '', 'STOCK_NOT_ENOUGH', '', 0, 0), ('cancelled', '', 'm1', 5, 9000, 'KRW', 'cancelled', '', 'c', 0, 0))";
constexpr char kPayments[] = "INSERT INTO payments VALUES ('charge', '', 'm1', 5000, 'KRW', 1, 3, 't', '', '', 0, 0)";
constexpr char kCoupons[] = R"(INSERT INTO campaigns VALUES ('spring', 0, 1000, 0, 'KRW', 0, 0, 1, 0, 0, 1, 0);
    INSERT INTO coupons VALUES ('c1', 'spring', 'm1', '', 0, 1000, 0, 'KRW', 3, 'paid', 0, 1, 0, 0);
    INSERT INTO redemptions VALUES ('paid', 'c1', '', 3, 10000, 1000, 'KRW', 0, 0),
    ('failed', 'c1', '', 2, 10000, 1000, 'KRW', 0, 0), ('cancelled', 'c1', '', 4, 10000, 1000, 'KRW', 0, 0))";
constexpr char kWallets[] = R"(INSERT INTO holds VALUES ('paid', '', 'm1', 3, 10000, 10, 20, 0, 'KRW', 0, 0),
    ('failed', '', 'm1', 2, 10000, 10, 20, 0, 'KRW', 0, 0), ('cancelled', '', 'm1', 4, 10000, 10, 20, 0, 'KRW', 0, 0);
    INSERT INTO earnings VALUES ('paid', 'm1', 1, 90, 0, 'KRW', '', 0, 0, 0),
    ('cancelled', 'm1', 2, 90, 0, 'KRW', 't', 0, 0, 0);
    INSERT INTO charges VALUES ('charge', 'm1', 5000, 'KRW', 0))";

// Of the orchestrator's tables what the rules read.
constexpr char kSagas[] = R"(
    CREATE TABLE saga (id TEXT, definition TEXT, definition_version BIGINT, state BIGINT, parent TEXT);
    CREATE TABLE follower (parent TEXT, parent_version BIGINT, name TEXT);
    INSERT INTO follower VALUES ('place-order', 1, 'after-order'), ('place-order', 2, 'after-order'),
    ('place-order', 1, 'after-sold-out'), ('place-order', 2, 'after-sold-out');
    INSERT INTO saga VALUES ('paid', 'place-order', 2, 3, NULL), ('failed', 'place-order', 2, 4, NULL),
    ('cancelled', 'place-order', 2, 3, NULL), ('of-before', 'place-order', 1, 3, NULL),
    ('sold-out', 'place-order', 2, 4, NULL), ('f1', 'after-order', 1, 3, 'paid'),
    ('f2', 'after-order', 1, 3, 'cancelled'), ('f3', 'after-sold-out', 1, 3, 'sold-out'))";

class WareRules : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [name, migration] : kMigrations) {
      std::ostringstream schema;
      schema << std::ifstream(migration).rdbuf();
      Run(name, schema.str());
    }
    Run("orders", kOrders);
    Run("payments", kPayments);
    Run("coupons", kCoupons);
    Run("wallets", kWallets);
    Run("sagas", kSagas);
  }

  void Run(const std::string& name, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(folder_.File(name).c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db) << ": " << sql;
    sqlite3_close(db);
  }

  // The names of the rules that are violated.
  std::vector<std::string> Violated() {
    std::map<std::string, std::string> files = {{"sagas", folder_.File("sagas")}};
    for (const auto& [name, migration] : kMigrations) files[name] = folder_.File(name);
    const auto books = Books::Open(files);
    EXPECT_TRUE(books.ok()) << books.status();
    std::vector<std::string> violated;
    for (const BooksRule& rule : kWareShopRules) {
      const auto found = (*books)->Select(rule.sql);
      EXPECT_TRUE(found.ok()) << found.status();
      if (found.ok() && !found->empty()) violated.emplace_back(rule.name);
    }
    return violated;
  }

  const TempDir folder_;
};

TEST_F(WareRules, HoldOfAShopAtRest) { EXPECT_THAT(Violated(), IsEmpty()); }

TEST_F(WareRules, EachFindsItsViolation) {
  struct Damage {
    const char* rule;
    const char* book;
    std::string sql, repair;
  };
  const auto state = [](const char* table, const char* order, int from, int to) {
    const auto set = [&](int value) {
      return absl::StrCat("UPDATE ", table, " SET state = ", value, " WHERE order_id = '", order, "'");
    };
    return std::pair(set(to), set(from));
  };
  std::vector<Damage> damages;
  for (const auto& [order, right, wrong] : {std::tuple("paid", 3, 1), std::tuple("paid", 3, 4),
                                            std::tuple("failed", 2, 1), std::tuple("cancelled", 4, 3)}) {
    const auto [coupon, coupon_back] = state("redemptions", order, right, wrong);
    // At most one of a coupon may be used or held.
    if (wrong != 1 && std::string(order) == "paid") damages.push_back({"every coupon", "coupons", coupon, coupon_back});
    const auto [hold, hold_back] = state("holds", order, right, wrong);
    damages.push_back({"what orders took out of wallets", "wallets", hold, hold_back});
  }
  const auto [lost, found] = state("earnings", "paid", 1, 3);
  const auto [kept, taken] = state("earnings", "cancelled", 2, 1);
  damages.insert(
      damages.end(),
      {{"every paid order that was followed has earned once", "wallets", lost, found},
       {"every paid order that was followed has earned once", "wallets", kept, taken},
       {"every order is followed once", "sagas", "UPDATE saga SET parent = 'paid' WHERE id = 'f2'",
        "UPDATE saga SET parent = 'cancelled' WHERE id = 'f2'"},
       {"every order is followed once", "sagas", "UPDATE saga SET parent = 'none' WHERE id = 'f1'",
        "UPDATE saga SET parent = 'paid' WHERE id = 'f1'"},
       {"every order is followed once", "sagas", "UPDATE saga SET parent = 'none' WHERE id = 'f3'",
        "UPDATE saga SET parent = 'sold-out' WHERE id = 'f3'"},
       {"every order is followed once", "sagas", "INSERT INTO saga VALUES ('f4', 'after-sold-out', 1, 3, 'failed')",
        "DELETE FROM saga WHERE id = 'f4'"},
       {"every paid order that was followed has earned once", "wallets",
        "INSERT INTO earnings VALUES ('none', 'm1', 1, 9, 0, 'KRW', '', 0, 0, 0)",
        "DELETE FROM earnings WHERE order_id = 'none'"},
       {"what was charged", "payments", "UPDATE payments SET amount_minor = 4999",
        "UPDATE payments SET amount_minor = 5000"},
       {"what was charged", "payments", "UPDATE payments SET state = 5", "UPDATE payments SET state = 3"},
       {"what was charged", "wallets", "UPDATE charges SET charge_id = 'other'",
        "UPDATE charges SET charge_id = 'charge'"},
       {"what was charged", "wallets", "UPDATE charges SET member_id = 'm2'", "UPDATE charges SET member_id = 'm1'"}});
  for (const Damage& damage : damages) {
    Run(damage.book, damage.sql);
    EXPECT_THAT(Violated(), ElementsAre(HasSubstr(damage.rule))) << damage.sql;
    Run(damage.book, damage.repair);
  }
  EXPECT_THAT(Violated(), IsEmpty());
}

}  // namespace
}  // namespace unwind
