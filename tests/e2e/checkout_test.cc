// Checkouts whose customers pay in time, by the real processes: at once, by a webhook, by one that is lost or comes too
// early, by another card, over an outage of the gateway; and those that somebody cancels.
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/checkout_shop.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using shop::checkout::v1::CheckoutRequest;
using shop::checkout::v1::CheckoutResponse;

constexpr Waits kLong = {absl::Milliseconds(100), absl::Milliseconds(500), absl::Minutes(5)};

class CheckoutTest : public CheckoutShop {
 protected:
  static void SetUpTestSuite() { StartShop(kLong); }
};

TEST_F(CheckoutTest, IsToldWhatIsDueAndWhereToPayAndIsPaid) {
  const CheckoutRequest request = Begin();
  EXPECT_EQ(begun_.total().minor_units(), kPrice);
  EXPECT_EQ(begun_.due().minor_units(), kPrice);
  EXPECT_EQ(begun_.payment_id(), id());
  EXPECT_EQ(begun_.pay_path(), absl::StrCat("/api/v1/payments/", id(), ":pay"));
  const absl::Time until = absl::FromUnixSeconds(begun_.pay_until().seconds());
  EXPECT_GT(until, absl::Now() + absl::Minutes(2));
  EXPECT_LE(until, absl::Now() + absl::Minutes(5));
  const auto payment = checkouts_.GetPayment(id());
  ASSERT_TRUE(payment.ok()) << payment.status();
  EXPECT_EQ(payment->wait_until().seconds(), begun_.pay_until().seconds());
  ASSERT_TRUE(Pay().ok());
  EXPECT_EQ(paid_.state(), Attempt::STATE_SUCCESS);
  ExpectPaid(request);
}

TEST_F(CheckoutTest, OfACouponAndAWalletTheRestIsDue) {
  const CheckoutRequest request = BeginSplit();
  ASSERT_TRUE(Pay(request.member_id()).ok());
  ExpectPaid(request);
  ExpectCoupon(request.coupon_id(), Coupon::STATE_USED);
  ExpectPurse(request.member_id(), 0, 0);
  const auto order = shop_.GetOrder(id());
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->total().minor_units(), kPrice);
}

TEST_F(CheckoutTest, ARepeatIsAnsweredTheSameWhileItWaits) {
  const CheckoutRequest request = Begin();
  CheckoutResponse again;
  ASSERT_TRUE(checkouts_.Ask(request, &again).ok());
  EXPECT_EQ(again.SerializeAsString(), begun_.SerializeAsString());
  CheckoutRequest other = request;
  other.mutable_items(0)->set_quantity(2);
  ExpectError(checkouts_.Ask(other, &again), StatusCode::INVALID_ARGUMENT, "KEY_REUSED");
  ASSERT_TRUE(Pay().ok());
  ExpectPaid(request);
  ASSERT_TRUE(checkouts_.Ask(request, &again).ok());
  EXPECT_EQ(again.order_id(), id());
}

TEST_F(CheckoutTest, AWebhookPaysIt) {
  ASSERT_TRUE(IsOk(shop_.SetScenario(Async(/*delay_ms=*/100))));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  EXPECT_EQ(paid_.state(), Attempt::STATE_PENDING);
  ExpectPaid(request);
}

TEST_F(CheckoutTest, ALostWebhookIsFoundByAsking) {
  pg::v1::Scenario lost = Async(/*delay_ms=*/100);
  lost.set_webhook_lost_percent(100);
  ASSERT_TRUE(IsOk(shop_.SetScenario(lost)));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  EXPECT_EQ(paid_.state(), Attempt::STATE_PENDING);
  ExpectPaid(request);
}

TEST_F(CheckoutTest, AWebhookThatComesBeforeTheAnswerPaysItOnce) {
  pg::v1::Scenario early = Async(/*delay_ms=*/0);
  early.set_webhook_early_percent(100);
  early.set_webhook_twice_percent(100);
  ASSERT_TRUE(IsOk(shop_.SetScenario(early)));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  ExpectPaid(request);
}

TEST_F(CheckoutTest, WhoseCardIsDeclinedPaysWithAnother) {
  pg::v1::Scenario declines;
  declines.set_fail_first(1);
  ASSERT_TRUE(IsOk(shop_.SetScenario(declines)));
  const CheckoutRequest request = Begin();
  ExpectError(Pay(), StatusCode::ABORTED, "PAYMENT_DECLINED");
  CheckoutResponse waits;
  ASSERT_TRUE(checkouts_.Ask(request, &waits).ok());
  EXPECT_EQ(waits.SerializeAsString(), begun_.SerializeAsString());
  ASSERT_TRUE(Pay().ok());
  ExpectPaid(request);
  const auto payment = checkouts_.GetPayment(id());
  ASSERT_TRUE(payment.ok()) << payment.status();
  ASSERT_EQ(payment->attempts_size(), 2);
  EXPECT_EQ(payment->attempts(0).state(), Attempt::STATE_DECLINED);
  EXPECT_EQ(payment->attempts(1).state(), Attempt::STATE_SUCCESS);
}

// One customer has paid and waits for the gateway's word when it goes away; another pays while it is away.
TEST_F(CheckoutTest, WithoutTheGatewayOrdersWaitAndAreThenPaid) {
  ASSERT_TRUE(IsOk(shop_.SetScenario(Async(/*delay_ms=*/500))));
  const CheckoutRequest before = Begin("mina");
  ASSERT_TRUE(Pay("mina").ok());
  cluster_->Kill(Node::kGateway);
  product_ = NewProduct(kPieces, kPrice);
  const CheckoutRequest meanwhile = Begin("jun");
  const std::string key = NewKey();
  ExpectError(Pay("jun", key), StatusCode::UNAVAILABLE, "GATEWAY_UNKNOWN");
  ExpectOrder(id(), Order::STATE_PAYMENT_PENDING);
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kGateway)));
  ASSERT_TRUE(Eventually(kPatience, [&] { return Pay("jun", key).ok(); }));
  ExpectPaid(meanwhile);
  product_ = before.items(0).product_id();
  ExpectPaid(before);
}

TEST_F(CheckoutTest, ACancelGivesBackWhatWaits) {
  const CheckoutRequest request = Begin();
  shop::checkout::v1::CancelOrderRequest cancel;
  cancel.set_request_id(NewKey());
  cancel.set_order_id(id());
  cancel.set_member_id("mina");
  shop::checkout::v1::CancelOrderResponse refused;
  ExpectError(shop_.Cancel(cancel, &refused), StatusCode::FAILED_PRECONDITION, "ORDER_IN_PROGRESS");
  const auto saga = shop_.CancelSaga(id());
  ASSERT_TRUE(saga.ok()) << saga.status();
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_CANCELLED");
  ExpectError(Pay(), StatusCode::ABORTED, "PAYMENT_CANCELLED");
  EXPECT_EQ(Count(id(), Transaction::KIND_CAPTURE), 0);
}

TEST_F(CheckoutTest, WhoDoesNotWantItAnyMoreGetsAllOfItBackAtOnce) {
  const CheckoutRequest request = BeginSplit();
  ExpectError(checkouts_.CancelPayment(id(), "mina", NewKey()), StatusCode::NOT_FOUND, "PAYMENT_NOT_FOUND");
  const grpc::Status cancelled = checkouts_.CancelPayment(id(), request.member_id(), NewKey());
  ASSERT_TRUE(cancelled.ok()) << cancelled.error_message();
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_CANCELLED");
  ExpectCoupon(request.coupon_id(), Coupon::STATE_AVAILABLE);
  ExpectPurse(request.member_id(), kBalance, 0);
  ExpectError(Pay(request.member_id()), StatusCode::ABORTED, "PAYMENT_CANCELLED");
}

// The gateway has accepted a payment and is not finished when the checkout is cancelled: it is fenced.
TEST_F(CheckoutTest, ACancelFencesThePaymentThatIsOpen) {
  ASSERT_TRUE(IsOk(shop_.SetScenario(Async(/*delay_ms=*/60'000))));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  ASSERT_TRUE(shop_.CancelSaga(id()).ok());
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_CANCELLED");
  EXPECT_EQ(Count(id(), Transaction::KIND_FENCE), 1);
  EXPECT_EQ(Count(id(), Transaction::KIND_CAPTURE), 0);
}

TEST_F(CheckoutTest, WhatCannotBePaidHasACodeAReasonAndASentence) {
  const CheckoutRequest request = Begin();
  {
    const NothingMoves while_it_is_refused(*cluster_);
    ExpectError(Pay("jun"), StatusCode::NOT_FOUND, "PAYMENT_NOT_FOUND");
  }
  ASSERT_TRUE(Pay().ok());
  ExpectPaid(request);
  ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  const NothingMoves while_it_is_refused(*cluster_);
  ExpectError(Pay(), StatusCode::ALREADY_EXISTS, "PAYMENT_ALREADY_PAID");
  begun_.set_order_id("none");
  ExpectError(Pay(), StatusCode::NOT_FOUND, "PAYMENT_NOT_FOUND");
}

// Its first answer is its last word: nobody is told for now where to pay.
TEST_F(CheckoutTest, WhatCannotBeOrderedStartsNoPayment) {
  const auto expect_refused = [this](const CheckoutRequest& request, StatusCode code, const std::string& reason) {
    SCOPED_TRACE(reason);
    const NothingMoves while_it_is_refused(*cluster_);
    ExpectError(checkouts_.Start(request, &begun_), code, reason);
    ExpectUndone(request, code, reason);
    const auto saga = shop_.SagaOfKey("checkout", request.request_id());
    ASSERT_TRUE(saga.ok()) << saga.status();
    EXPECT_TRUE(absl::IsNotFound(checkouts_.GetPayment(saga->saga_id()).status()));
  };
  expect_refused(Checkouts::Of("mina", product_, kPieces + 1), StatusCode::ABORTED, "STOCK_NOT_ENOUGH");
  expect_refused(Checkouts::Of("mina", "unheard-of"), StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND");
  CheckoutRequest request = Checkouts::Of("mina", product_);
  request.set_coupon_id("none");
  expect_refused(request, StatusCode::NOT_FOUND, "COUPON_NOT_FOUND");
  const std::string member = NewKey();
  request = Checkouts::Of(member, product_);
  request.set_coupon_id(NewCoupon(member));
  request.mutable_wallet()->mutable_points()->set_minor_units(1'000'000);
  request.mutable_wallet()->mutable_points()->set_currency_code("KRW");
  expect_refused(request, StatusCode::ABORTED, "POINTS_NOT_ENOUGH");
  request = Checkouts::Of("mina", product_);
  request.mutable_wallet()->mutable_balance()->set_minor_units(1'000'000);
  request.mutable_wallet()->mutable_balance()->set_currency_code("KRW");
  expect_refused(request, StatusCode::ABORTED, "BALANCE_NOT_ENOUGH");
}

}  // namespace
}  // namespace unwind
