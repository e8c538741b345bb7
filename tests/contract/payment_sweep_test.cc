// A sweep takes what is due while another transaction settles it: what is settled is not asked for again.
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/db/migrate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/payment_store.h"
#include "soci/soci.h"
#include "tests/support/poll.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

extern const unwind::Migrations kPaymentMigrations;

namespace unwind::payment {
namespace {

using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kDue = kNow - absl::Seconds(1);
constexpr int kLimit = 100;

class PaymentSweepTest : public testing::Test {
 protected:
  PaymentSweepTest() {
    EXPECT_TRUE(Migrate(*settling_, "payment", kPaymentMigrations).ok());
    if (TestsOnPostgres()) {
      Write(*sweeping_, [&](soci::session& session) { session << "SELECT pg_backend_pid()", soci::into(sweeper_); });
    }
  }

  std::unique_ptr<Connection> Open() { return OpenTestDatabase(folder_.File("payment.db")); }

  static void Write(Connection& connection, const std::function<void(soci::session&)>& body) {
    const absl::Status status = connection.Write([&](soci::session& session) {
      body(session);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  Payment PaymentOf(const std::string& id) const {
    Payment payment;
    payment.payment_id = id;
    payment.owner = "owner";
    payment.member_id = "m1";
    payment.amount = {1000, "KRW"};
    payment.create_time = kNow - absl::Minutes(1);
    return payment;
  }

  // In SQLite a sweep cannot even begin meanwhile.
  bool SweepWaits() {
    if (!TestsOnPostgres()) return true;
    return Eventually(absl::Seconds(10), [&] {
      long long waits = 0;
      Write(*onlooking_, [&](soci::session& session) {
        session << "SELECT count(*) FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'",
            soci::use(sweeper_), soci::into(waits);
      });
      return waits > 0;
    });
  }

  // `sweep` begins before `settle` is committed, and ends after it.
  void SweepWhile(const std::function<void(soci::session&)>& settle, const std::function<void(soci::session&)>& sweep) {
    std::thread sweeper;
    Write(*settling_, [&](soci::session& session) {
      settle(session);
      sweeper = std::thread([&] { Write(*sweeping_, sweep); });
      EXPECT_TRUE(SweepWaits());
    });
    sweeper.join();
  }

  const TempDir folder_;
  const std::unique_ptr<Connection> settling_ = Open(), sweeping_ = Open(), onlooking_ = Open();
  long long sweeper_ = 0;  // its session's process
  std::vector<std::string> taken_;
};

TEST_F(PaymentSweepTest, AChargeWhoseLastWordIsHeardMeanwhile) {
  Payment charge = PaymentOf("p1");
  charge.state = State::kFailed;
  charge.failed_reason = "CARD_DECLINED";
  charge.inquire_at = kDue;
  Write(*settling_, [&](soci::session& session) { InsertPayments(session, {charge}); });
  charge.inquire_at.reset();
  SweepWhile([&](soci::session& session) { UpdatePayments(session, {charge}); },
             [&](soci::session& session) { taken_ = TakeInquiries(session, kNow, kLimit); });
  EXPECT_THAT(taken_, IsEmpty());
  Write(*settling_,
        [&](soci::session& session) { EXPECT_EQ(LoadPayments(session, {"p1"}, Purpose::kRead)["p1"], charge); });
}

TEST_F(PaymentSweepTest, AnAttemptThatTakesTheMoneyMeanwhile) {
  Payment payment = PaymentOf("p1");
  payment.wait_until = kNow + absl::Minutes(15);
  Attempt attempt;
  attempt.key = AttemptKey("p1", 1);
  attempt.payment_id = "p1";
  attempt.number = 1;
  attempt.create_time = kNow - absl::Minutes(1);
  attempt.inquire_at = kDue;
  Write(*settling_, [&](soci::session& session) {
    InsertPayments(session, {payment});
    InsertAttempts(session, {attempt});
  });
  attempt.state = AttemptState::kCaptured;
  attempt.pg_transaction_id = "tx-1";
  attempt.inquire_at.reset();
  SweepWhile([&](soci::session& session) { UpdateAttempts(session, {attempt}); },
             [&](soci::session& session) { taken_ = TakeInquiries(session, kNow, kLimit); });
  EXPECT_THAT(taken_, IsEmpty());
  Write(*settling_, [&](soci::session& session) {
    EXPECT_THAT(LoadAttempts(session, {"p1"}, Purpose::kRead), testing::ElementsAre(attempt));
  });
}

TEST_F(PaymentSweepTest, AReturnThatIsPaidBackMeanwhile) {
  Payment charge = PaymentOf("p1");
  charge.state = State::kFailed;
  charge.failed_reason = "CARD_DECLINED";
  Return due;
  due.key = ChargeKey("p1");
  due.payment_id = "p1";
  due.captured = "tx-1";
  due.amount = charge.amount;
  due.create_time = kNow - absl::Minutes(1);
  due.try_at = kDue;
  Write(*settling_, [&](soci::session& session) {
    InsertPayments(session, {charge});
    InsertReturns(session, {due});
  });
  due.done = true;
  std::vector<Return> returns;
  SweepWhile([&](soci::session& session) { UpdateReturns(session, {due}); },
             [&](soci::session& session) { returns = TakeReturns(session, kNow, kLimit); });
  EXPECT_THAT(returns, IsEmpty());
  Write(*settling_,
        [&](soci::session& session) { EXPECT_THAT(LoadReturns(session, {"p1"}), testing::ElementsAre(due)); });
}

}  // namespace
}  // namespace unwind::payment
