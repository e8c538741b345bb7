// Orders that are paid by coupon, points, balance and card, undone and cancelled; and what follows them.
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/checkouts.h"
#include "tests/support/coupon_rush.h"
#include "tests/support/poll.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;
using shop::coupon::v1::Coupon;
using shop::order::v1::Notification;
using shop::payment::v1::Payment;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr std::int64_t kDear = 500'000;  // an order of it earns kEarned points
constexpr std::int64_t kEarned = 5'000;

class TenderTest : public ShopTest {
 protected:
  void SetUp() override {
    ShopTest::SetUp();
    member_ = absl::StrCat("m-", NewKey());
    product_ = NewProduct(10, 39'000);
    dear_ = NewProduct(10, kDear);
  }

  // A paid order, and what follows it over.
  PlaceOrderResponse Placed(const PlaceOrderRequest& request) {
    PlaceOrderResponse response;
    const grpc::Status status = shop_.Place(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
    return response;
  }
  PlaceOrderResponse Placed(const std::string& product) { return Placed(Shop::Order(member_, product)); }

  static CancelOrderRequest CancelOf(const std::string& order_id, const std::string& member) {
    CancelOrderRequest request;
    request.set_request_id(NewKey());
    request.set_order_id(order_id);
    request.set_member_id(member);
    return request;
  }
  CancelOrderResponse Cancelled(const std::string& order_id) {
    CancelOrderResponse response;
    const grpc::Status status = shop_.Cancel(CancelOf(order_id, member_), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // A coupon of the member's that takes `won` off.
  std::string CouponOf(std::int64_t won) {
    const std::string campaign = NewKey();
    EXPECT_TRUE(IsOk(wares_.Begin(Wares::AmountOff(campaign, won))));
    const auto coupon = wares_.Issue(campaign, member_);
    EXPECT_TRUE(coupon.ok()) << coupon.status();
    return coupon.value_or("");
  }
  Coupon::State StateOf(const std::string& coupon_id) {
    const auto coupon = wares_.Coupon(coupon_id);
    EXPECT_TRUE(coupon.ok()) << coupon.status();
    return coupon.ok() ? coupon->state() : Coupon::STATE_UNSPECIFIED;
  }

  void ExpectPurse(std::int64_t points, std::int64_t balance) {
    const auto purse = wares_.Purse(member_);
    ASSERT_TRUE(purse.ok()) << purse.status();
    EXPECT_EQ(purse->points().minor_units(), points);
    EXPECT_EQ(purse->balance().minor_units(), balance);
    EXPECT_EQ(purse->points_held().minor_units(), 0);
    EXPECT_EQ(purse->balance_held().minor_units(), 0);
  }

  // kEarned points by an order, and a balance by card.
  void Fill(std::int64_t balance) {
    Placed(dear_);
    ASSERT_TRUE(IsOk(wares_.Charge(member_, balance)));
    ExpectPurse(kEarned, balance);
  }

  // An order of 39,000: 4,000 by coupon, 3,000 in points, 20,000 of balance, the rest by card.
  PlaceOrderRequest SplitOrder(const std::string& coupon) {
    PlaceOrderRequest request = Shop::Order(member_, product_);
    request.set_coupon_id(coupon);
    *request.mutable_wallet() = Use(3'000, 20'000);
    return request;
  }

  // What the member was told of the order.
  std::vector<Notification::Kind> ToldOf(const std::string& order_id) {
    const auto told = wares_.Told(member_);
    EXPECT_TRUE(told.ok()) << told.status();
    std::vector<Notification::Kind> kinds;
    if (!told.ok()) return kinds;
    for (const Notification& each : *told) {
      if (each.order_id() == order_id) kinds.push_back(each.kind());
    }
    return kinds;
  }

  void Pause(const std::string& definition, bool paused) {
    const auto stub = saga::v1::SagaService::NewStub(cluster_->AdminChannel(Node::kOrchestrator));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    grpc::Status status;
    if (paused) {
      saga::v1::PauseDefinitionRequest request;
      request.set_name(definition);
      request.set_actor("operator");
      request.set_reason("a test");
      saga::v1::PauseDefinitionResponse response;
      status = stub->PauseDefinition(&context, request, &response);
    } else {
      saga::v1::ResumeDefinitionRequest request;
      request.set_name(definition);
      request.set_actor("operator");
      saga::v1::ResumeDefinitionResponse response;
      status = stub->ResumeDefinition(&context, request, &response);
    }
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  Wares wares_{*cluster_};
  std::string member_, product_, dear_;
};

TEST_F(TenderTest, AnOrderIsPaidByCouponPointsBalanceAndCard) {
  Fill(20'000);
  const std::string coupon = CouponOf(4'000);
  const PlaceOrderRequest request = SplitOrder(coupon);
  const PlaceOrderResponse placed = Placed(request);
  EXPECT_EQ(placed.total().minor_units(), 39'000);
  EXPECT_EQ(placed.discount().minor_units(), 4'000);
  EXPECT_EQ(placed.points().minor_units(), 3'000);
  EXPECT_EQ(placed.balance().minor_units(), 20'000);
  EXPECT_EQ(placed.charged().minor_units(), 12'000);
  EXPECT_EQ(StateOf(coupon), Coupon::STATE_USED);
  const auto payment = wares_.Payment(placed.order_id());
  ASSERT_TRUE(payment.ok()) << payment.status();
  EXPECT_EQ(payment->amount().minor_units(), 12'000);
  ExpectPurse(kEarned - 3'000 + 320, 0);  // of the card and the balance, not of points and coupon
  EXPECT_THAT(ToldOf(placed.order_id()),
              UnorderedElementsAre(Notification::KIND_ORDER_PAID, Notification::KIND_POINTS_EARNED));

  PlaceOrderResponse again;
  ASSERT_TRUE(shop_.Place(request, &again).ok());
  EXPECT_EQ(again.SerializeAsString(), placed.SerializeAsString());
}

// A member who offers more than is due pays what is due, points first.
TEST_F(TenderTest, WhereNothingIsLeftToPayTheGatewayIsNotAsked) {
  Fill(40'000);
  const auto before = shop_.Ledger();
  ASSERT_TRUE(before.ok()) << before.status();
  PlaceOrderRequest request = Shop::Order(member_, product_);
  *request.mutable_wallet() = Use(4'000, 40'000);
  const PlaceOrderResponse placed = Placed(request);
  EXPECT_EQ(placed.points().minor_units(), 4'000);
  EXPECT_EQ(placed.balance().minor_units(), 35'000);
  ASSERT_TRUE(placed.has_charged());
  EXPECT_EQ(placed.charged().minor_units(), 0);
  const auto after = shop_.Ledger();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->size(), before->size());
  ExpectPurse(kEarned - 4'000 + 350, 5'000);

  const CancelOrderResponse cancelled = Cancelled(placed.order_id());
  EXPECT_EQ(cancelled.refunded().minor_units(), 0);
  EXPECT_EQ(cancelled.points().minor_units(), 4'000);
  EXPECT_EQ(cancelled.balance().minor_units(), 35'000);
  ExpectPurse(kEarned, 40'000);
}

TEST_F(TenderTest, WhenTheCardIsDeclinedAllThatWasHeldGoesBack) {
  Fill(20'000);
  const std::string coupon = CouponOf(4'000);
  pg::v1::Scenario declines;
  declines.set_fail_first(1);
  ASSERT_TRUE(IsOk(shop_.SetScenario(declines)));
  const grpc::Status declined = shop_.Place(SplitOrder(coupon), nullptr);
  EXPECT_EQ(Reason(declined), "PAYMENT_FAILED") << declined.error_message();
  EXPECT_EQ(StateOf(coupon), Coupon::STATE_AVAILABLE);
  ExpectPurse(kEarned, 20'000);
  const auto left = shop_.Product(product_);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->available(), 10);
  // All of it may be used again.
  EXPECT_EQ(Placed(SplitOrder(coupon)).charged().minor_units(), 12'000);
}

TEST_F(TenderTest, ACancelGivesBackCardBalancePointsCouponAndStockAndTakesTheEarnedPoints) {
  Fill(20'000);
  const std::string coupon = CouponOf(4'000);
  const PlaceOrderResponse placed = Placed(SplitOrder(coupon));
  ExpectPurse(kEarned - 3'000 + 320, 0);
  const CancelOrderRequest request = CancelOf(placed.order_id(), member_);
  CancelOrderResponse cancelled, again;
  ASSERT_TRUE(shop_.Cancel(request, &cancelled).ok());
  EXPECT_EQ(cancelled.refunded().minor_units(), 12'000);
  EXPECT_EQ(cancelled.points().minor_units(), 3'000);
  EXPECT_EQ(cancelled.balance().minor_units(), 20'000);
  ExpectPurse(kEarned, 20'000);
  EXPECT_EQ(StateOf(coupon), Coupon::STATE_AVAILABLE);
  const auto left = shop_.Product(product_);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->available(), 10);
  ASSERT_TRUE(shop_.Cancel(request, &again).ok());
  EXPECT_EQ(again.SerializeAsString(), cancelled.SerializeAsString());
}

TEST_F(TenderTest, PointsThatAreSpentAreKeptFromTheRefund) {
  const PlaceOrderResponse earning = Placed(dear_);
  PlaceOrderRequest spending = Shop::Order(member_, product_);
  *spending.mutable_wallet() = Use(kEarned, 0);
  Placed(spending);
  ExpectPurse(340, 0);  // of what the second order paid by card
  const CancelOrderResponse cancelled = Cancelled(earning.order_id());
  EXPECT_EQ(cancelled.refunded().minor_units(), kDear - (kEarned - 340));
  const auto payment = wares_.Payment(earning.order_id());
  ASSERT_TRUE(payment.ok()) << payment.status();
  EXPECT_EQ(payment->state(), Payment::STATE_REFUNDED);
  EXPECT_EQ(payment->refunded().minor_units(), kDear - (kEarned - 340));
  ExpectPurse(0, 0);
}

TEST_F(TenderTest, WhenTheRefundIsDeclinedTheOrderKeepsItsPoints) {
  const PlaceOrderResponse placed = Placed(dear_);
  pg::v1::Scenario declines;
  declines.set_fail_first(1);
  ASSERT_TRUE(IsOk(shop_.SetScenario(declines)));
  const grpc::Status declined = shop_.Cancel(CancelOf(placed.order_id(), member_), nullptr);
  EXPECT_EQ(Reason(declined), "REFUND_FAILED") << declined.error_message();
  ExpectPurse(kEarned, 0);
  EXPECT_EQ(Cancelled(placed.order_id()).refunded().minor_units(), kDear);
  ExpectPurse(0, 0);
}

// The order is cancelled before what follows it has begun.
TEST_F(TenderTest, ACancelThatOvertakesTheEarningLeavesNothingToEarn) {
  Pause("after-order", true);
  PlaceOrderResponse placed;
  ASSERT_TRUE(shop_.Place(Shop::Order(member_, dear_), &placed).ok());
  EXPECT_EQ(Cancelled(placed.order_id()).refunded().minor_units(), kDear);
  Pause("after-order", false);
  ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  ExpectPurse(0, 0);
}

TEST_F(TenderTest, WhatWasOrderedLeavesTheCartAndTheBuyerIsTold) {
  ASSERT_TRUE(IsOk(wares_.AddToCart(member_, product_, 3)));
  ASSERT_TRUE(IsOk(wares_.AddToCart(member_, dear_, 1)));
  const PlaceOrderResponse placed = Placed(Shop::Order(member_, product_, 2));
  const auto cart = wares_.Cart(member_);
  ASSERT_TRUE(cart.ok()) << cart.status();
  EXPECT_THAT(*cart, UnorderedElementsAre(Pair(product_, 1), Pair(dear_, 1)));
  const auto told = wares_.Told(member_);
  ASSERT_TRUE(told.ok()) << told.status();
  ASSERT_EQ(told->size(), 2u);
  for (const Notification& each : *told) {
    EXPECT_EQ(each.order_id(), placed.order_id());
    if (each.kind() == Notification::KIND_ORDER_PAID) {
      EXPECT_EQ(each.amount().minor_units(), 78'000);
    } else {
      EXPECT_EQ(each.points(), 780);
    }
  }
}

TEST_F(TenderTest, WhoFindsAProductSoldOutGetsACouponOnceForIt) {
  auto sorry = Wares::PercentOff("sold-out", 10, 5'000);
  sorry.set_for_apologies(true);
  const absl::Status begun = wares_.Begin(sorry);
  EXPECT_TRUE(begun.ok() || absl::IsAlreadyExists(begun)) << begun;
  const std::string one = NewProduct(0), other = NewProduct(0);
  for (const std::string& product : {one, one, other}) {
    EXPECT_EQ(Reason(shop_.Place(Shop::Order(member_, product), nullptr)), "STOCK_NOT_ENOUGH");
    ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  }
  const auto coupons = wares_.CouponsOf(member_);
  ASSERT_TRUE(coupons.ok()) << coupons.status();
  ASSERT_EQ(coupons->size(), 2u);
  const auto told = wares_.Told(member_);
  ASSERT_TRUE(told.ok()) << told.status();
  std::vector<std::string> told_of;
  for (const Notification& each : *told) {
    EXPECT_EQ(each.kind(), Notification::KIND_SOLD_OUT_APOLOGY);
    told_of.push_back(each.coupon_id());
  }
  EXPECT_THAT(told_of, UnorderedElementsAre((*coupons)[0].coupon_id(), (*coupons)[1].coupon_id()));

  PlaceOrderRequest request = Shop::Order(member_, product_);
  request.set_coupon_id((*coupons)[0].coupon_id());
  EXPECT_EQ(Placed(request).discount().minor_units(), 3'900);
}

TEST_F(TenderTest, WhatFollowsAnOrderHappensOnceThoughTheOrchestratorIsKilled) {
  std::map<std::string, std::string> orders;  // by member
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Placing>> calls;
    std::vector<PlaceOrderRequest> requests;
    for (int i = 0; i < 3; ++i) {
      requests.push_back(Shop::Order(absl::StrCat(member_, "-", round, "-", i), dear_));
      calls.push_back(shop_.Begin(requests.back()));
    }
    ASSERT_FALSE(calls[0]->SagaId(kPatience).empty());
    cluster_->Kill(Node::kOrchestrator);
    ASSERT_TRUE(IsOk(cluster_->Restart(Node::kOrchestrator)));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      PlaceOrderResponse placed;
      ASSERT_TRUE(shop_.Place(requests[i], &placed).ok());
      orders[requests[i].member_id()] = placed.order_id();
    }
  }
  cluster_->Kill(Node::kOrchestrator);
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kOrchestrator)));
  ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
  for (const auto& [member, order_id] : orders) {
    member_ = member;
    ExpectPurse(kEarned, 0);
    EXPECT_THAT(ToldOf(order_id),
                UnorderedElementsAre(Notification::KIND_ORDER_PAID, Notification::KIND_POINTS_EARNED));
    const auto saga = shop_.Saga(order_id);
    ASSERT_TRUE(saga.ok()) << saga.status();
    EXPECT_EQ(saga->children_size(), 1);
  }
}

TEST_F(TenderTest, OfAHundredCouponsAHundredAreGivenAndUsed) {
  constexpr int kCoupons = 100;
  auto campaign = Wares::AmountOff(NewKey(), 1'000);
  campaign.set_coupons_max(kCoupons);
  ASSERT_TRUE(IsOk(wares_.Begin(campaign)));
  const auto rush = RunCouponRush(*cluster_, {.campaign = campaign.campaign_id(), .member_prefix = member_});
  ASSERT_TRUE(rush.ok()) << rush.status();
  EXPECT_EQ(rush->coupons.size(), std::size_t{kCoupons});
  EXPECT_THAT(rush->refusals, ElementsAre(Pair("COUPONS_EXHAUSTED", 1000 - kCoupons)));

  const std::string product = NewProduct(kCoupons, 10'000);
  std::vector<std::unique_ptr<Placing>> calls;
  std::vector<PlaceOrderRequest> requests;
  for (const auto& [member, coupon] : rush->coupons) {
    requests.push_back(Shop::Order(member, product));
    requests.back().set_coupon_id(coupon);
    calls.push_back(shop_.Begin(requests.back(), kPatience));
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i]->Wait();
    PlaceOrderResponse placed;
    ASSERT_TRUE(shop_.Place(requests[i], &placed).ok());
    EXPECT_EQ(placed.charged().minor_units(), 9'000);
    EXPECT_EQ(StateOf(requests[i].coupon_id()), Coupon::STATE_USED);
  }
}

// ---- bad input

struct Refused {
  grpc::StatusCode code;
  std::string reason, why;
};

class BadTender : public TenderTest {
 protected:
  static void SetUpTestSuite() {
    ClusterOptions options;
    options.webhooks = true;
    StartCluster(std::move(options));
  }

  // Of an order that leaves all as it was.
  Refused Order(const std::string& coupon, const shop::type::v1::WalletUse* use = nullptr,
                const std::string& member = "") {
    const NothingMoves while_it_is_refused(*cluster_);
    PlaceOrderRequest request = Shop::Order(member.empty() ? member_ : member, product_);
    request.set_coupon_id(coupon);
    if (use != nullptr) *request.mutable_wallet() = *use;
    const grpc::Status status = shop_.Place(request, nullptr);
    EXPECT_FALSE(status.error_message().empty());
    return {status.error_code(), Reason(status), GetErrorInfo(FromGrpc(status)).metadata["why"]};
  }
  Refused Order(const shop::type::v1::WalletUse& use) { return Order("", &use); }

  static void Expect(const Refused& refused, grpc::StatusCode code, const std::string& reason,
                     const std::string& why = "") {
    EXPECT_EQ(refused.code, code);
    EXPECT_EQ(refused.reason, reason);
    EXPECT_EQ(refused.why, why);
  }
};

TEST_F(BadTender, ACouponOfAnotherMemberIsAsUnknownAsOneThatIsNotThere) {
  const std::string coupon = CouponOf(1'000);
  Expect(Order(coupon, nullptr, "somebody-else"), grpc::StatusCode::NOT_FOUND, "COUPON_NOT_FOUND");
  Expect(Order("no-such-coupon"), grpc::StatusCode::NOT_FOUND, "COUPON_NOT_FOUND");
  EXPECT_EQ(StateOf(coupon), Coupon::STATE_AVAILABLE);
}

TEST_F(BadTender, ACouponThatIsUsed) {
  const std::string coupon = CouponOf(1'000);
  PlaceOrderRequest request = Shop::Order(member_, dear_);
  request.set_coupon_id(coupon);
  Placed(request);
  Expect(Order(coupon), grpc::StatusCode::ABORTED, "COUPON_NOT_USABLE", "USED");
}

TEST_F(BadTender, ACouponOutsideOfItsTime) {
  auto later = Wares::AmountOff(NewKey(), 1'000);
  later.mutable_valid_from()->set_seconds(absl::ToUnixSeconds(absl::Now() + absl::Hours(1)));
  ASSERT_TRUE(IsOk(wares_.Begin(later)));
  const auto early = wares_.Issue(later.campaign_id(), member_);
  ASSERT_TRUE(early.ok()) << early.status();
  Expect(Order(*early), grpc::StatusCode::ABORTED, "COUPON_NOT_USABLE", "NOT_YET_VALID");

  auto brief = Wares::AmountOff(NewKey(), 1'000);
  const absl::Time end = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) + 2);
  brief.mutable_valid_until()->set_seconds(absl::ToUnixSeconds(end));
  ASSERT_TRUE(IsOk(wares_.Begin(brief)));
  const auto over = wares_.Issue(brief.campaign_id(), member_);
  ASSERT_TRUE(over.ok()) << over.status();
  ASSERT_TRUE(Eventually(kPatience, [&] { return absl::Now() > end; }));
  Expect(Order(*over), grpc::StatusCode::ABORTED, "COUPON_NOT_USABLE", "EXPIRED");
}

TEST_F(BadTender, ACouponForADearerOrder) {
  auto campaign = Wares::AmountOff(NewKey(), 1'000);
  *campaign.mutable_terms()->mutable_minimum_total() = Won(39'001);
  ASSERT_TRUE(IsOk(wares_.Begin(campaign)));
  const auto coupon = wares_.Issue(campaign.campaign_id(), member_);
  ASSERT_TRUE(coupon.ok()) << coupon.status();
  Expect(Order(*coupon), grpc::StatusCode::ABORTED, "COUPON_NOT_USABLE", "BELOW_MINIMUM");
}

// One coupon is for one order, and an order has one. The order that has it waits for its payment.
TEST_F(BadTender, ACouponTwice) {
  const std::string coupon = CouponOf(1'000), second = CouponOf(1'000);
  Checkouts checkouts(*cluster_);
  shop::checkout::v1::CheckoutRequest request = Checkouts::Of(member_, dear_);
  request.set_coupon_id(coupon);
  shop::checkout::v1::CheckoutResponse waits;
  ASSERT_TRUE(checkouts.Start(request, &waits).ok());
  Expect(Order(coupon), grpc::StatusCode::ABORTED, "COUPON_NOT_USABLE", "HELD");
  {
    const NothingMoves while_it_is_refused(*cluster_);
    shop::coupon::v1::HoldRequest hold;
    hold.set_order_id(waits.order_id());
    hold.set_member_id(member_);
    hold.set_coupon_id(second);
    *hold.mutable_total() = Won(kDear);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata("idempotency-key", NewKey());
    shop::coupon::v1::HoldResponse held;
    const grpc::Status twice =
        shop::coupon::v1::CouponService::NewStub(cluster_->Channel(Node::kCoupon))->Hold(&context, hold, &held);
    EXPECT_EQ(twice.error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(Reason(twice), "ORDER_HAS_COUPON");
    EXPECT_NE(twice.error_message(), "");
  }
  shop::payment::v1::PayResponse paid;
  ASSERT_TRUE(checkouts.Pay(Checkouts::PaymentOf(waits.order_id(), member_), NewKey(), &paid).ok());
  shop::checkout::v1::CheckoutResponse told;
  ASSERT_TRUE(checkouts.AwaitLastWord(request, &told).ok());
  ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));  // that it is paid is told before all of it is confirmed
  EXPECT_EQ(StateOf(coupon), Coupon::STATE_USED);
  EXPECT_EQ(StateOf(second), Coupon::STATE_AVAILABLE);
}

TEST_F(BadTender, MoreThanTheWalletHas) {
  Fill(100);
  Expect(Order(Use(kEarned + 1, 0)), grpc::StatusCode::ABORTED, "POINTS_NOT_ENOUGH");
  Expect(Order(Use(0, 101)), grpc::StatusCode::ABORTED, "BALANCE_NOT_ENOUGH");
  constexpr std::int64_t kMost = 1'000'000'000'000'000;
  Expect(Order(Use(kMost, kMost)), grpc::StatusCode::ABORTED, "POINTS_NOT_ENOUGH");
  ExpectPurse(kEarned, 100);
}

TEST_F(BadTender, AmountsThatAreNone) {
  for (const std::int64_t amount :
       {std::int64_t{-1}, std::int64_t{1'000'000'000'000'001}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    shop::type::v1::WalletUse points, balance;
    *points.mutable_points() = *balance.mutable_balance() = Won(amount);
    Expect(Order(points), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
    Expect(Order(balance), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
  }
  shop::type::v1::WalletUse dollars = Use(1, 0);
  dollars.mutable_points()->set_currency_code("USD");
  Expect(Order(dollars), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
  Expect(Order("a b"), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
}

}  // namespace
}  // namespace unwind
