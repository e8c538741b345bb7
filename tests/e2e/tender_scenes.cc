#include "tests/e2e/tender_scenes.h"

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/scene_checks.h"
#include "tests/support/coupon_rush.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using Coupon = shop::coupon::v1::Coupon;
using Notification = shop::order::v1::Notification;
using OrderProto = shop::order::v1::Order;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr char kSofa[] = "sofa";  // one earns kEarned points
constexpr std::int64_t kSofaPrice = 500'000, kEarned = 5'000;
constexpr char kDesk[] = "desk";
constexpr std::int64_t kDeskPrice = 39'000;
constexpr int kPieces = 20;
constexpr char kMember[] = "suji";
constexpr std::int64_t kBalance = 20'000, kPoints = 3'000, kOff = 4'000;
constexpr std::int64_t kCharged = kDeskPrice - kOff - kPoints - kBalance, kEarnedByDesk = (kCharged + kBalance) / 100;
constexpr int kCoupons = 100;
constexpr absl::Duration kEndPatience = absl::Seconds(60);

long long Minor(const shop::type::v1::Money& money) { return static_cast<long long>(money.minor_units()); }

class TenderScenes {
 public:
  TenderScenes(Stage& stage, Shop& shop) : stage_(stage), shop_(shop), wares_(shop.cluster()) {}

  void PlayAll();

 private:
  absl::Status FillsAWallet();
  absl::Status PaysWithEverything();
  absl::Status IsDeclinedAfterTheHolds();
  absl::Status IsCancelled();
  absl::Status IsFollowedOverAKill();
  absl::Status AHundredCoupons();

  PlaceOrderRequest SplitOrder() const;
  absl::Status ExpectPurse(std::int64_t points, std::int64_t balance);
  absl::Status ExpectCoupon(Coupon::State state);

  Stage& stage_;
  Shop& shop_;
  Wares wares_;
  std::string coupon_;    // of kMember
  std::string order_id_;  // that is paid with everything
};

void TenderScenes::PlayAll() {
  const auto play = [this](absl::string_view title, absl::string_view story, absl::Status (TenderScenes::*scene)()) {
    stage_.Play(title, story, [this, scene] { return (this->*scene)(); });
  };
  play(
      "An order earns points",
      "A member buys a sofa. What follows a paid order is a saga of its own: she earns 1 % in points, is told, and her "
      "cart\nis cleared of it. Besides she charges 20,000 won to her wallet, and gets a coupon.",
      &TenderScenes::FillsAWallet);
  play("The card is declined after coupon, points and balance are held",
       "She orders a desk with all of them; the card is to pay the rest, and the gateway says no. All of it goes back, "
       "in "
       "reverse.",
       &TenderScenes::IsDeclinedAfterTheHolds);
  play("An order paid by coupon, points, balance and card",
       "She tries again. Each part is computed by who owns it: the coupon comes off the price, points and balance off "
       "what "
       "is\nleft, and the card pays the rest.",
       &TenderScenes::PaysWithEverything);
  play(
      "A cancel gives all of it back",
      "The points that the order earned are taken back first; then the card is refunded, and stock, coupon, points and "
      "balance\nare returned at once.",
      &TenderScenes::IsCancelled);
  play("What follows an order happens once, though the orchestrator is killed with -9",
       "It dies while orders end and what follows them is born. Each order is followed, and each once.",
       &TenderScenes::IsFollowedOverAKill);
  play("A hundred coupons",
       "1,000 members at once want one of 100 coupons: exactly 100 get one, and each of them buys with it.",
       &TenderScenes::AHundredCoupons);
}

PlaceOrderRequest TenderScenes::SplitOrder() const {
  PlaceOrderRequest request = Shop::Order(kMember, kDesk);
  request.set_coupon_id(coupon_);
  *request.mutable_wallet() = Use(kPoints, kBalance);
  return request;
}

absl::Status TenderScenes::ExpectPurse(std::int64_t points, std::int64_t balance) {
  ASSIGN_OR_RETURN(const shop::wallet::v1::Purse purse, wares_.Purse(kMember));
  std::printf("  Her wallet: %lld points, %lld won; held by orders: %lld points, %lld won.\n", Minor(purse.points()),
              Minor(purse.balance()), Minor(purse.points_held()), Minor(purse.balance_held()));
  const bool nothing_held = purse.points_held().minor_units() == 0 && purse.balance_held().minor_units() == 0;
  if (nothing_held && Minor(purse.points()) == points && Minor(purse.balance()) == balance) return absl::OkStatus();
  return Not("it must have ", points, " points and ", balance, " won, and nothing held");
}

absl::Status TenderScenes::ExpectCoupon(Coupon::State state) {
  ASSIGN_OR_RETURN(const Coupon coupon, wares_.Coupon(coupon_));
  std::printf("  Her coupon: %s.\n", Coupon::State_Name(coupon.state()).c_str());
  return coupon.state() == state ? absl::OkStatus() : Not("it must be ", Coupon::State_Name(state));
}

absl::Status TenderScenes::FillsAWallet() {
  RETURN_IF_ERROR(shop_.Restock(kSofa, kPieces, kSofaPrice));
  RETURN_IF_ERROR(shop_.Restock(kDesk, kPieces, kDeskPrice));
  RETURN_IF_ERROR(wares_.AddToCart(kMember, kSofa, 1));
  PlaceOrderResponse placed;
  RETURN_IF_ERROR(Expect(shop_.Place(Shop::Order(kMember, kSofa), &placed), grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(AwaitRest(shop_, kEndPatience));
  ASSIGN_OR_RETURN(const saga::v1::Saga order, shop_.Saga(placed.order_id()));
  if (order.children_size() != 1) return Not("the order is followed by ", order.children_size(), " sagas");
  RETURN_IF_ERROR(stage_.Show(order.children(0).saga_id()));
  ASSIGN_OR_RETURN(const auto cart, wares_.Cart(kMember));
  if (!cart.empty()) return Not("the cart is not empty");
  RETURN_IF_ERROR(wares_.Charge(kMember, kBalance));
  RETURN_IF_ERROR(wares_.Begin(Wares::AmountOff("autumn", kOff)));
  ASSIGN_OR_RETURN(coupon_, wares_.Issue("autumn", kMember));
  return ExpectPurse(kEarned, kBalance);
}

absl::Status TenderScenes::IsDeclinedAfterTheHolds() {
  pg::v1::Scenario scenario;
  scenario.set_fail_first(1);
  const Fault fault(shop_, scenario);
  RETURN_IF_ERROR(fault.status());
  const PlaceOrderRequest request = SplitOrder();
  RETURN_IF_ERROR(Expect(shop_.Place(request, nullptr), grpc::StatusCode::INTERNAL, "PAYMENT_FAILED"));
  ASSIGN_OR_RETURN(const saga::v1::Saga saga, shop_.SagaOfKey("place-order", request.request_id()));
  RETURN_IF_ERROR(stage_.Show(saga.saga_id()));
  RETURN_IF_ERROR(ExpectCoupon(Coupon::STATE_AVAILABLE));
  return ExpectPurse(kEarned, kBalance);
}

absl::Status TenderScenes::PaysWithEverything() {
  PlaceOrderResponse placed;
  RETURN_IF_ERROR(Expect(shop_.Place(SplitOrder(), &placed), grpc::StatusCode::OK, ""));
  order_id_ = placed.order_id();
  RETURN_IF_ERROR(stage_.Show(order_id_));
  std::printf("  %lld won: the coupon took %lld off, points paid %lld, the balance %lld, the card %lld.\n",
              Minor(placed.total()), Minor(placed.discount()), Minor(placed.points()), Minor(placed.balance()),
              Minor(placed.charged()));
  if (Minor(placed.charged()) != kCharged) return Not("the card must have paid ", kCharged);
  RETURN_IF_ERROR(AwaitRest(shop_, kEndPatience));
  RETURN_IF_ERROR(ExpectCoupon(Coupon::STATE_USED));
  return ExpectPurse(kEarned - kPoints + kEarnedByDesk, 0);
}

absl::Status TenderScenes::IsCancelled() {
  shop::checkout::v1::CancelOrderRequest request;
  request.set_request_id(NewKey());
  request.set_order_id(order_id_);
  request.set_member_id(kMember);
  CancelOrderResponse cancelled;
  RETURN_IF_ERROR(Expect(shop_.Cancel(request, &cancelled), grpc::StatusCode::OK, ""));
  ASSIGN_OR_RETURN(const saga::v1::Saga saga, shop_.SagaOfKey("cancel-order", request.request_id()));
  RETURN_IF_ERROR(stage_.Show(saga.saga_id()));
  std::printf("  Given back: %lld won to the card, %lld points, %lld won of balance.\n", Minor(cancelled.refunded()),
              Minor(cancelled.points()), Minor(cancelled.balance()));
  if (Minor(cancelled.refunded()) != kCharged) return Not(kCharged, " must go back to the card");
  RETURN_IF_ERROR(stage_.ExpectOrder(order_id_, OrderProto::STATE_CANCELLED));
  RETURN_IF_ERROR(ExpectCoupon(Coupon::STATE_AVAILABLE));
  return ExpectPurse(kEarned, kBalance);
}

absl::Status TenderScenes::IsFollowedOverAKill() {
  constexpr int kBuyers = 4;
  std::vector<PlaceOrderRequest> requests;
  std::vector<std::unique_ptr<Placing>> calls;
  for (int i = 0; i < kBuyers; ++i) {
    requests.push_back(Shop::Order(absl::StrCat("buyer-", i), kSofa));
    calls.push_back(shop_.Begin(requests.back()));
  }
  calls.front()->Wait();
  shop_.cluster().Kill(Node::kOrchestrator);
  std::printf("  kill -9 orchestrator: the first order has ended.\n");
  RETURN_IF_ERROR(shop_.cluster().Restart(Node::kOrchestrator));
  std::printf("  The orchestrator is started again.\n");
  for (const PlaceOrderRequest& request : requests) {
    RETURN_IF_ERROR(Expect(shop_.Place(request, nullptr), grpc::StatusCode::OK, ""));
  }
  RETURN_IF_ERROR(AwaitRest(shop_, kEndPatience));
  for (const PlaceOrderRequest& request : requests) {
    ASSIGN_OR_RETURN(const saga::v1::Saga found, shop_.SagaOfKey("place-order", request.request_id()));
    ASSIGN_OR_RETURN(const saga::v1::Saga order, shop_.Saga(found.saga_id()));
    ASSIGN_OR_RETURN(const shop::wallet::v1::Purse purse, wares_.Purse(request.member_id()));
    ASSIGN_OR_RETURN(const std::vector<Notification> told, wares_.Told(request.member_id()));
    std::printf("  %s: followed by %d saga(s), %lld points earned, told %zu things.\n", request.member_id().c_str(),
                order.children_size(), Minor(purse.points()), told.size());
    if (order.children_size() != 1 || Minor(purse.points()) != kEarned || told.size() != 2) {
      return Not("it must be one, ", kEarned, " and two");
    }
  }
  return absl::OkStatus();
}

absl::Status TenderScenes::AHundredCoupons() {
  auto campaign = Wares::AmountOff("rush", 1'000);
  campaign.set_coupons_max(kCoupons);
  RETURN_IF_ERROR(wares_.Begin(campaign));
  ASSIGN_OR_RETURN(const CouponRushResult rush,
                   RunCouponRush(shop_.cluster(), {.campaign = "rush", .member_prefix = "rush-member-"}));
  std::printf("  %zu members have a coupon.", rush.coupons.size());
  for (const auto& [reason, count] : rush.refusals) std::printf(" %s: %d.", reason.c_str(), count);
  std::printf(" It took %.0f ms.\n", absl::ToDoubleMilliseconds(rush.whole));
  if (rush.coupons.size() != kCoupons) return Not(kCoupons, " members must have one");

  RETURN_IF_ERROR(shop_.Restock("stool", kCoupons, 10'000));
  std::vector<PlaceOrderRequest> requests;
  std::vector<std::unique_ptr<Placing>> calls;
  for (const auto& [member, coupon] : rush.coupons) {
    requests.push_back(Shop::Order(member, "stool"));
    requests.back().set_coupon_id(coupon);
    calls.push_back(shop_.Begin(requests.back(), kEndPatience));
  }
  long long charged = 0;
  for (const PlaceOrderRequest& request : requests) {
    PlaceOrderResponse placed;
    RETURN_IF_ERROR(Expect(shop_.Place(request, &placed), grpc::StatusCode::OK, ""));
    charged += Minor(placed.charged());
  }
  std::printf("  They bought %d stools of 10,000 won and were charged %lld.\n", kCoupons, charged);
  return charged == kCoupons * 9'000 ? absl::OkStatus() : Not("each must have been charged 9,000");
}

}  // namespace

void PlayTenders(Stage& stage, Shop& shop) { TenderScenes(stage, shop).PlayAll(); }

}  // namespace unwind
