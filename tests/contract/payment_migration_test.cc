// A database of the release before Collect: its payments stay, and that release goes on beside this one.
#include <string>

#include "gtest/gtest.h"
#include "payment_svc/payment_store.h"
#include "soci/soci.h"
#include "tests/contract/payment_harness.h"

namespace unwind::payment {
namespace {

// As the release before writes them.
constexpr char kInsert[] =
    "INSERT INTO payments (payment_id, owner, member_id, amount_minor, currency_code, method, state, pg_transaction_id,"
    " failed_reason, refund_id, create_time_us, paid_at_us) VALUES ";
constexpr char kInsertRefund[] =
    "INSERT INTO refunds (refund_id, owner, payment_id, state, pg_transaction_id, failed_reason, create_time_us)"
    " VALUES ('r1', 'o', 'p2', 3, 'tx-r', '', 7)";

class PaymentMigrationTest : public testing::Test {
 protected:
  absl::Status Execute(const std::string& sql) {
    return connection_->Write([&](soci::session& session) {
      session << sql;
      return absl::OkStatus();
    });
  }
  Payments Load(const std::vector<std::string>& ids) {
    Payments payments;
    EXPECT_TRUE(connection_
                    ->Read([&](soci::session& session) {
                      payments = LoadPayments(session, ids, Purpose::kRead);
                      return absl::OkStatus();
                    })
                    .ok());
    return payments;
  }

  ScratchFolder folder_;
  std::unique_ptr<Connection> connection_ = OpenTestDatabase(folder_.File("payment.db"));
};

TEST_F(PaymentMigrationTest, WhatWasThereStaysAndTheReleaseBeforeGoesOn) {
  Migrations first;
  for (const auto& [name, text] : kPaymentMigrations) {
    if (name.find("0001") != std::string::npos) first.emplace_back(name, text);
  }
  ASSERT_EQ(first.size(), 2u);
  ASSERT_TRUE(Migrate(*connection_, "payment", first).ok());
  ASSERT_EQ(Execute(std::string(kInsert) + "('p1', 'o', 'm1', 5, 'KRW', 1, 3, 'tx-1', '', '', 7, 8)"),
            absl::OkStatus());
  ASSERT_EQ(Execute(std::string(kInsert) + "('p2', 'o', 'm1', 6, 'KRW', 2, 5, 'tx-2', '', 'r1', 7, 8)"),
            absl::OkStatus());
  ASSERT_EQ(Execute(kInsertRefund), absl::OkStatus());

  ASSERT_EQ(Migrate(*connection_, "payment", kPaymentMigrations), absl::OkStatus());
  const Payment paid = *Load({"p1"})["p1"];
  EXPECT_EQ(paid.pg_transaction_id, "tx-1");
  EXPECT_EQ(paid.amount, (Money{5, "KRW"}));
  EXPECT_EQ(paid.paid_at, absl::FromUnixMicros(8));
  EXPECT_FALSE(paid.is_collect());
  EXPECT_FALSE(paid.inquire_at);
  EXPECT_EQ(Load({"p2"})["p2"]->state, State::kRefunded);
  long long refunds = 0;
  EXPECT_TRUE(connection_
                  ->Read([&](soci::session& session) {
                    session << "SELECT count(*) FROM refunds WHERE payment_id = 'p2'", soci::into(refunds);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(refunds, 1);

  EXPECT_EQ(Execute(std::string(kInsert) + "('p3', 'o', 'm1', 5, 'KRW', 1, 1, '', '', '', 7, 0)"), absl::OkStatus());
  EXPECT_EQ(Execute("UPDATE payments SET state = 3, pg_transaction_id = 'tx-3' WHERE payment_id = 'p3'"),
            absl::OkStatus());
  EXPECT_FALSE(Load({"p3"})["p3"]->is_collect());
}

TEST_F(PaymentMigrationTest, RowsThatCannotBeAreRefused) {
  ASSERT_EQ(Migrate(*connection_, "payment", kPaymentMigrations), absl::OkStatus());
  EXPECT_EQ(Execute(std::string(kInsert) + "('p0', 'o', 'm1', 0, 'KRW', 1, 3, '', '', '', 7, 8)"), absl::OkStatus())
      << "nothing was due";
  for (const char* row : {
           "('p1', 'o', 'm1', 5, 'KRW', 1, 3, '', '', '', 7, 8)",      // taken without a transaction
           "('p1', 'o', 'm1', 0, 'KRW', 1, 3, 'tx-1', '', '', 7, 8)",  // a transaction of nothing
           "('p1', 'o', 'm1', -1, 'KRW', 1, 1, '', '', '', 7, 0)",
           "('p1', 'o', 'm1', 5, 'KRW', 1, 4, '', '', '', 7, 0)",  // failed without a reason
       }) {
    EXPECT_FALSE(Execute(std::string(kInsert) + row).ok()) << row;
  }
  const std::string attempt =
      "INSERT INTO attempts (gateway_key, payment_id, number, owner, method, state, pg_transaction_id, failed_reason,"
      " create_time_us, inquire_at_us) VALUES ";
  ASSERT_EQ(Execute(attempt + "('k1', 'p0', 1, 'a', 1, 1, '', '', 7, 0)"), absl::OkStatus());
  EXPECT_FALSE(Execute(attempt + "('k2', 'p0', 2, 'b', 1, 1, '', '', 7, 0)").ok()) << "two open ones";
  ASSERT_EQ(Execute(attempt + "('k3', 'p0', 3, 'c', 1, 2, 'tx-3', '', 7, 0)"), absl::OkStatus());
  EXPECT_FALSE(Execute(attempt + "('k4', 'p0', 4, 'd', 1, 2, 'tx-4', '', 7, 0)").ok()) << "two captures";
}

}  // namespace
}  // namespace unwind::payment
