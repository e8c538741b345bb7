// What a policy has to say before a program starts with it, or without one.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Nothing is at these addresses: no start of these tests comes so far.
constexpr char kParticipants[] =
    "--participants=shop.order.v1.OrderService=127.0.0.1:1,shop.stock.v1.StockService=127.0.0.1:1,"
    "shop.payment.v1.PaymentService=127.0.0.1:1,shop.coupon.v1.CouponService=127.0.0.1:1,"
    "shop.wallet.v1.WalletService=127.0.0.1:1,shop.order.v1.CartService=127.0.0.1:1,"
    "shop.order.v1.NotificationService=127.0.0.1:1";

class PolicyStart : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/unwind-policy-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    const TestAuthority authority("Throw-away CA");
    const Certificate own = authority.Issue(Service("stock_svc"));
    WriteFile(File("ca"), authority.pem());
    WriteFile(File("cert"), own.chain);
    WriteFile(File("key"), own.key);
  }

  void TearDown() override { std::filesystem::remove_all(scratch_); }

  std::string File(const std::string& name) const { return absl::StrCat(scratch_, "/", name); }

  std::vector<std::string> Tls() const {
    return {absl::StrCat("--tls_ca=", File("ca")), absl::StrCat("--tls_cert=", File("cert")),
            absl::StrCat("--tls_key=", File("key"))};
  }

  // What the program says before it exits, which must be with 1.
  std::string Fails(const std::string& program, std::vector<std::string> flags, const std::vector<std::string>& more) {
    flags.insert(flags.begin(), absl::StrCat(UNWIND_BIN_DIR, "/", program));
    flags.push_back(absl::StrCat("--db=", File("a.db")));
    flags.insert(flags.end(), more.begin(), more.end());
    const absl::StatusOr<int> status = RunToEnd(flags, File("log"), absl::Seconds(30));
    EXPECT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(status.value_or(-1), 1) << ContentsOf(File("log"));
    return ContentsOf(File("log"));
  }

  std::string scratch_;
};

TEST_F(PolicyStart, InPlaintextNobodyHasANameThatItCouldAllow) {
  EXPECT_THAT(Fails("stock_svc", {}, {"--policy=policy/shop.yaml"}),
              HasSubstr("--policy=policy/shop.yaml: names callers by their certificates, and in plaintext nobody shows "
                        "one: give --tls_cert, --tls_key and --tls_ca too, or leave it out"));
}

TEST_F(PolicyStart, WhatOtherMachinesReachNeedsOne) {
  EXPECT_THAT(Fails("stock_svc", Tls(), {"--listen=0.0.0.0:0"}),
              AllOf(HasSubstr("--listen=0.0.0.0:0 would let other machines call everything"), HasSubstr("--policy")));
}

TEST_F(PolicyStart, NothingIsStoredByAStartThatIsRefused) {
  std::vector<std::string> flags = Tls();
  flags.push_back("--definitions=orchestrator/sagas");
  flags.push_back(kParticipants);
  EXPECT_THAT(Fails("orchestrator", flags, {absl::StrCat("--policy=", File("none.yaml"))}),
              HasSubstr("none.yaml cannot be read"));
  EXPECT_FALSE(std::filesystem::exists(File("a.db")));
}

TEST_F(PolicyStart, EverythingThatIsWrongIsToldAtOnce) {
  WriteFile(File("bad.yaml"),
            absl::StrReplaceAll(ContentsOf("policy/shop.yaml"), {{"StockService/Restock", "StockService/Restok"},
                                                                 {"pg.v1.MockControl/*", "pg.v1.MokControl/*"}}));
  EXPECT_THAT(Fails("stock_svc", Tls(), {absl::StrCat("--policy=", File("bad.yaml"))}),
              AllOf(HasSubstr("'shop.stock.v1.StockService/Restok' names no method of shop.stock.v1.StockService"),
                    HasSubstr("'pg.v1.MokControl/*' names no service that this program knows"),
                    HasSubstr("no rule is about shop.stock.v1.StockService/Restock, which is served here")));
  EXPECT_THAT(Fails("stock_svc", Tls(), {absl::StrCat("--policy=", File("none.yaml"))}),
              HasSubstr("none.yaml cannot be read; give --policy a file that this program may read"));
}

// It is read before anything is stored, so that a running instance of the same name goes on.
TEST_F(PolicyStart, OfTheOrchestratorItCoversBothPortsAndIsReadFirst) {
  WriteFile(File("bad.yaml"), "rules:\n  - {callers: [a], methods: [shop.checkout.v1.CheckoutService/PlaceOrder]}\n");
  const std::string said =
      Fails("orchestrator", Tls(),
            {absl::StrCat("--policy=", File("bad.yaml")), "--definitions=orchestrator/sagas", kParticipants});
  EXPECT_THAT(said, AllOf(HasSubstr("no rule is about shop.checkout.v1.CheckoutService/CancelOrder"),
                          HasSubstr("no rule is about saga.v1.SagaService/CancelSaga"),
                          HasSubstr("no rule is about grpc.health.v1.Health/Check"), Not(HasSubstr("lease"))));
}

}  // namespace
}  // namespace unwind
