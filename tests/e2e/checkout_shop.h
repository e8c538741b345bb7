// A fixture of a shop whose customers pay themselves, and whose gateway finishes payments later and tells of it.
#ifndef UNWIND_TESTS_E2E_CHECKOUT_SHOP_H_
#define UNWIND_TESTS_E2E_CHECKOUT_SHOP_H_

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"
#include "shop/wallet/v1/wallet_service.grpc.pb.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/checkouts.h"
#include "tests/support/poll.h"
#include "tests/support/short_waits.h"
#include "tests/support/temp_dir.h"
#include "tests/support/timeline.h"

namespace unwind {

class CheckoutShop : public ShopTest {
 protected:
  using Payment = shop::payment::v1::Payment;
  using Attempt = shop::payment::v1::PaymentAttempt;
  using Order = shop::order::v1::Order;
  using Transaction = pg::v1::Transaction;
  using Coupon = shop::coupon::v1::Coupon;

  // Checkouts wait for as long as `waits` says.
  static void StartShop(const Waits& waits) {
    folder_ = std::make_unique<TempDir>();
    ASSERT_TRUE(IsOk(WriteWithWaits("orchestrator/sagas", folder_->File("sagas"), waits)));
    ClusterOptions options;
    options.webhooks = true;
    options.definitions = folder_->File("sagas");
    StartCluster(std::move(options));
  }
  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    folder_.reset();
  }

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ShopTest::SetUp());
    product_ = NewProduct(kPieces, kPrice);
  }

  // What the saga, payment_svc and the gateway did is gone with the shop.
  void TearDown() override {
    if (HasFailure() && !id().empty()) std::printf("%s", Story().c_str());
    ShopTest::TearDown();
  }

  static pg::v1::Scenario Async(int delay_ms) {
    pg::v1::Scenario scenario;
    scenario.set_async_percent(100);
    scenario.set_async_delay_ms(delay_ms);
    return scenario;
  }
  // The money comes after its key was fenced, however long that takes.
  static pg::v1::Scenario Late() {
    pg::v1::Scenario scenario = Async(kNeverMs);
    scenario.set_after_fence_percent(100);
    scenario.set_after_fence_ms(kLateMs);
    return scenario;
  }

  // One piece, that its customer is to pay.
  shop::checkout::v1::CheckoutRequest Begin(const std::string& member = "mina") {
    const auto request = Checkouts::Of(member, product_);
    const grpc::Status status = checkouts_.Start(request, &begun_);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(begun_.payment_state(), Payment::STATE_PENDING);
    return request;
  }
  // The same with a coupon and money from the wallet, of a member of this test alone.
  shop::checkout::v1::CheckoutRequest BeginSplit() {
    auto request = Checkouts::Of(NewKey(), product_);
    request.set_coupon_id(NewCoupon(request.member_id()));
    FillWallet(request.member_id(), kBalance);
    request.mutable_wallet()->mutable_balance()->set_minor_units(kBalance);
    request.mutable_wallet()->mutable_balance()->set_currency_code("KRW");
    const grpc::Status status = checkouts_.Start(request, &begun_);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(begun_.payment_state(), Payment::STATE_PENDING);
    EXPECT_EQ(begun_.total().minor_units(), kPrice);
    EXPECT_EQ(begun_.due().minor_units(), kPrice - kOff - kBalance);
    ExpectCoupon(request.coupon_id(), Coupon::STATE_HELD);
    ExpectPurse(request.member_id(), 0, kBalance);
    return request;
  }
  // Of the checkout that was begun last.
  const std::string& id() const { return begun_.order_id(); }
  grpc::Status Pay(const std::string& member = "mina", const std::string& key = NewKey()) {
    return checkouts_.Pay(Checkouts::PaymentOf(id(), member), key, &paid_);
  }

  void ExpectError(const grpc::Status& status, grpc::StatusCode code, const std::string& reason) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_EQ(Reason(status), reason) << status.error_message();
    EXPECT_FALSE(status.error_message().empty());
  }
  // The last word to who asked for it, and where everything is.
  void ExpectPaid(const shop::checkout::v1::CheckoutRequest& request) {
    shop::checkout::v1::CheckoutResponse told;
    const grpc::Status status = checkouts_.AwaitLastWord(request, &told);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(told.payment_state(), Payment::STATE_SUCCESS);
    ASSERT_TRUE(shop_.AwaitEnd(told.order_id(), kPatience).ok());
    ExpectOrder(told.order_id(), Order::STATE_PAID);
    ExpectStock(1);
    EXPECT_EQ(Count(told.order_id(), Transaction::KIND_CAPTURE), 1);
    EXPECT_EQ(Count(told.order_id(), Transaction::KIND_REFUND), 0);
  }
  void ExpectUndone(const shop::checkout::v1::CheckoutRequest& request, grpc::StatusCode code,
                    const std::string& reason) {
    shop::checkout::v1::CheckoutResponse told;
    const grpc::Status status = checkouts_.AwaitLastWord(request, &told);
    ExpectError(status, code, reason);
    if (status.ok()) ADD_FAILURE() << "he was told " << told.ShortDebugString();
    const auto saga = shop_.SagaOfKey("checkout", request.request_id());
    ASSERT_TRUE(saga.ok()) << saga.status();
    ExpectOrder(saga->saga_id(), Order::STATE_FAILED);
    ExpectStock(0);
  }
  void ExpectOrder(const std::string& order_id, Order::State state) {
    const auto order = shop_.GetOrder(order_id);
    ASSERT_TRUE(order.ok()) << order.status();
    EXPECT_EQ(order->state(), state) << Order::State_Name(order->state());
  }
  void ExpectCoupon(const std::string& coupon_id, Coupon::State state) {
    shop::coupon::v1::GetCouponRequest request;
    request.set_coupon_id(coupon_id);
    Coupon coupon;
    grpc::ClientContext context;
    const grpc::Status status = Coupons()->GetCoupon(&context, request, &coupon);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(coupon.state(), state) << Coupon::State_Name(coupon.state());
  }
  void ExpectPurse(const std::string& member, int balance, int held) {
    shop::wallet::v1::GetWalletRequest request;
    request.set_member_id(member);
    shop::wallet::v1::Wallet wallet;
    grpc::ClientContext context;
    const auto stub = shop::wallet::v1::WalletService::NewStub(cluster_->Channel(Node::kWallet));
    const grpc::Status status = stub->GetWallet(&context, request, &wallet);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(wallet.purses_size(), 1);
    EXPECT_EQ(wallet.purses(0).balance().minor_units(), balance);
    EXPECT_EQ(wallet.purses(0).balance_held().minor_units(), held);
  }
  void ExpectStock(int sold) {
    const auto product = shop_.Product(product_);
    ASSERT_TRUE(product.ok()) << product.status();
    EXPECT_EQ(product->sold(), sold);
    EXPECT_EQ(product->available(), kPieces - sold);
  }
  // What the gateway did for the order: under its keys, or to their captures.
  int Count(const std::string& order_id, Transaction::Kind kind) {
    const auto ledger = shop_.Ledger();
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    int count = 0;
    for (const Transaction& entry : *ledger) {
      count += entry.kind() == kind && absl::StrContains(entry.idempotency_key(), order_id) ? 1 : 0;
    }
    return count;
  }

  // Of the checkout that was begun last.
  std::string Story() {
    std::string story;
    const auto saga = shop_.Saga(id());
    const auto history = shop_.History(id());
    if (saga.ok() && history.ok()) absl::StrAppend(&story, Timeline(*saga, *history));
    if (const auto payment = checkouts_.GetPayment(id()); payment.ok()) {
      absl::StrAppend(&story, "  payment ", payment->ShortDebugString(), "\n");
    }
    const auto ledger = shop_.Ledger();
    for (const Transaction& entry : ledger.value_or(std::vector<Transaction>())) {
      if (!absl::StrContains(entry.idempotency_key(), id())) continue;
      absl::StrAppend(&story, "  the gateway has ", entry.ShortDebugString(), "\n");
    }
    return story;
  }

  static std::unique_ptr<shop::coupon::v1::CouponService::Stub> Coupons() {
    return shop::coupon::v1::CouponService::NewStub(cluster_->Channel(Node::kCoupon));
  }
  // Of kOff, for one order.
  std::string NewCoupon(const std::string& member) {
    shop::coupon::v1::CreateCampaignRequest campaign;
    campaign.set_campaign_id(NewKey());
    campaign.mutable_terms()->mutable_amount_off()->set_minor_units(kOff);
    campaign.mutable_terms()->mutable_amount_off()->set_currency_code("KRW");
    campaign.mutable_valid_until()->set_seconds(absl::ToUnixSeconds(absl::Now() + absl::Hours(1)));
    shop::coupon::v1::CreateCampaignResponse created;
    grpc::ClientContext creating;
    creating.AddMetadata("idempotency-key", NewKey());
    EXPECT_TRUE(Coupons()->CreateCampaign(&creating, campaign, &created).ok());
    shop::coupon::v1::IssueRequest issue;
    issue.set_campaign_id(campaign.campaign_id());
    issue.set_member_id(member);
    shop::coupon::v1::IssueResponse issued;
    grpc::ClientContext issuing;
    issuing.AddMetadata("idempotency-key", NewKey());
    EXPECT_TRUE(Coupons()->Issue(&issuing, issue, &issued).ok());
    return issued.coupon().coupon_id();
  }
  void FillWallet(const std::string& member, int minor_units) {
    shop::checkout::v1::ChargeWalletResponse charged;
    const grpc::Status status = checkouts_.ChargeWallet(Checkouts::ChargeOf(member, minor_units), &charged);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(charged.balance().minor_units(), minor_units);
  }

  static constexpr int kPieces = 5, kPrice = 1000, kOff = 300, kBalance = 200;
  static constexpr int kNeverMs = 3'600'000;  // no test takes so long
  static constexpr int kLateMs = 1000;

  inline static std::unique_ptr<TempDir> folder_;
  Checkouts checkouts_{*cluster_};
  std::string product_;
  shop::checkout::v1::CheckoutResponse begun_;
  shop::payment::v1::PayResponse paid_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_CHECKOUT_SHOP_H_
