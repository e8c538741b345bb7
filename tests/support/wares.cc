#include "tests/support/wares.h"

#include <chrono>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

namespace coupon = ::shop::coupon::v1;
namespace order = ::shop::order::v1;
namespace payment = ::shop::payment::v1;
namespace wallet = ::shop::wallet::v1;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Waits for a service that is not there yet. `key`: of what changes something.
template <class Stub, class Request, class Response>
absl::Status Call(const std::unique_ptr<Stub>& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                  Response* response, const std::string& key = "") {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  if (!key.empty()) context.AddMetadata("idempotency-key", key);
  return FromGrpc((stub.get()->*method)(&context, request, response));
}

template <class Service>
auto StubOf(Cluster& cluster, Node node) {
  return Service::NewStub(cluster.Channel(node));
}

coupon::CreateCampaignRequest ForADay(const std::string& campaign) {
  coupon::CreateCampaignRequest request;
  request.set_campaign_id(campaign);
  request.mutable_valid_until()->set_seconds(absl::ToUnixSeconds(absl::Now() + absl::Hours(24)));
  return request;
}

}  // namespace

shop::type::v1::Money Won(std::int64_t minor_units) {
  shop::type::v1::Money money;
  money.set_minor_units(minor_units);
  money.set_currency_code(kWon);
  return money;
}

shop::type::v1::WalletUse Use(std::int64_t points, std::int64_t balance) {
  shop::type::v1::WalletUse use;
  if (points > 0) *use.mutable_points() = Won(points);
  if (balance > 0) *use.mutable_balance() = Won(balance);
  return use;
}

coupon::CreateCampaignRequest Wares::AmountOff(const std::string& campaign, std::int64_t won) {
  coupon::CreateCampaignRequest request = ForADay(campaign);
  *request.mutable_terms()->mutable_amount_off() = Won(won);
  return request;
}

coupon::CreateCampaignRequest Wares::PercentOff(const std::string& campaign, int percent, std::int64_t cap) {
  coupon::CreateCampaignRequest request = ForADay(campaign);
  request.mutable_terms()->mutable_percent_off()->set_percent(percent);
  *request.mutable_terms()->mutable_percent_off()->mutable_cap() = Won(cap);
  return request;
}

absl::Status Wares::Begin(const coupon::CreateCampaignRequest& campaign) {
  coupon::CreateCampaignResponse response;
  return Call(StubOf<coupon::CouponService>(cluster_, Node::kCoupon), &coupon::CouponService::Stub::CreateCampaign,
              campaign, &response, NewKey());
}

absl::StatusOr<std::string> Wares::Issue(const std::string& campaign, const std::string& member) {
  coupon::IssueRequest request;
  request.set_campaign_id(campaign);
  request.set_member_id(member);
  coupon::IssueResponse response;
  RETURN_IF_ERROR(Call(StubOf<coupon::CouponService>(cluster_, Node::kCoupon), &coupon::CouponService::Stub::Issue,
                       request, &response, NewKey()));
  return response.coupon().coupon_id();
}

absl::StatusOr<coupon::Coupon> Wares::Coupon(const std::string& coupon_id) {
  coupon::GetCouponRequest request;
  request.set_coupon_id(coupon_id);
  coupon::Coupon response;
  RETURN_IF_ERROR(Call(StubOf<coupon::CouponService>(cluster_, Node::kCoupon), &coupon::CouponService::Stub::GetCoupon,
                       request, &response));
  return response;
}

absl::StatusOr<std::vector<coupon::Coupon>> Wares::CouponsOf(const std::string& member) {
  coupon::ListCouponsRequest request;
  request.set_member_id(member);
  coupon::ListCouponsResponse response;
  RETURN_IF_ERROR(Call(StubOf<coupon::CouponService>(cluster_, Node::kCoupon),
                       &coupon::CouponService::Stub::ListCoupons, request, &response));
  return std::vector<coupon::Coupon>(response.coupons().begin(), response.coupons().end());
}

absl::StatusOr<coupon::Campaign> Wares::Campaign(const std::string& campaign) {
  coupon::GetCampaignRequest request;
  request.set_campaign_id(campaign);
  coupon::Campaign response;
  RETURN_IF_ERROR(Call(StubOf<coupon::CouponService>(cluster_, Node::kCoupon),
                       &coupon::CouponService::Stub::GetCampaign, request, &response));
  return response;
}

absl::StatusOr<wallet::Purse> Wares::Purse(const std::string& member) {
  wallet::GetWalletRequest request;
  request.set_member_id(member);
  wallet::Wallet response;
  RETURN_IF_ERROR(Call(StubOf<wallet::WalletService>(cluster_, Node::kWallet), &wallet::WalletService::Stub::GetWallet,
                       request, &response));
  for (const wallet::Purse& purse : response.purses()) {
    if (purse.balance().currency_code() == kWon) return purse;
  }
  return wallet::Purse();
}

absl::Status Wares::Charge(const std::string& member, std::int64_t won) {
  const std::string id = NewKey();
  payment::ChargeRequest taken;
  taken.set_payment_id(id);
  taken.set_member_id(member);
  *taken.mutable_amount() = Won(won);
  taken.set_method(shop::type::v1::PAYMENT_METHOD_CARD);
  payment::ChargeResponse took;
  RETURN_IF_ERROR(Call(StubOf<payment::PaymentService>(cluster_, Node::kPayment),
                       &payment::PaymentService::Stub::Charge, taken, &took, id));
  wallet::ChargeRequest given;
  given.set_charge_id(id);
  given.set_member_id(member);
  *given.mutable_amount() = Won(won);
  wallet::ChargeResponse gave;
  return Call(StubOf<wallet::WalletService>(cluster_, Node::kWallet), &wallet::WalletService::Stub::Charge, given,
              &gave, id);
}

absl::Status Wares::AddToCart(const std::string& member, const std::string& product, int quantity) {
  order::AddItemRequest request;
  request.set_member_id(member);
  request.set_product_id(product);
  request.set_quantity(quantity);
  order::AddItemResponse response;
  return Call(StubOf<order::CartService>(cluster_, Node::kOrder), &order::CartService::Stub::AddItem, request,
              &response, NewKey());
}

absl::StatusOr<std::map<std::string, int>> Wares::Cart(const std::string& member) {
  order::ListCartRequest request;
  request.set_member_id(member);
  order::ListCartResponse response;
  RETURN_IF_ERROR(Call(StubOf<order::CartService>(cluster_, Node::kOrder), &order::CartService::Stub::ListCart, request,
                       &response));
  std::map<std::string, int> pieces;
  for (const order::CartLine& line : response.lines()) pieces[line.product_id()] = line.quantity();
  return pieces;
}

absl::StatusOr<std::vector<order::Notification>> Wares::Told(const std::string& member) {
  order::ListNotificationsRequest request;
  request.set_member_id(member);
  request.set_page_size(500);
  order::ListNotificationsResponse response;
  RETURN_IF_ERROR(Call(StubOf<order::NotificationService>(cluster_, Node::kOrder),
                       &order::NotificationService::Stub::ListNotifications, request, &response));
  return std::vector<order::Notification>(response.notifications().begin(), response.notifications().end());
}

absl::StatusOr<payment::Payment> Wares::Payment(const std::string& payment_id) {
  payment::GetPaymentRequest request;
  request.set_payment_id(payment_id);
  payment::Payment response;
  RETURN_IF_ERROR(Call(StubOf<payment::PaymentService>(cluster_, Node::kPayment),
                       &payment::PaymentService::Stub::GetPayment, request, &response));
  return response;
}

}  // namespace unwind
