#include "tests/sim/load.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/core/names.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "tests/sim/orchestrator.h"
#include "tests/sim/sale.pb.h"
#include "tests/sim/shop.h"

namespace unwind::sim {
namespace {

namespace checkout = ::shop::checkout::v1;

constexpr char kPlaceOrder[] = "/shop.checkout.v1.CheckoutService/PlaceOrder";
constexpr char kCancelOrder[] = "/shop.checkout.v1.CheckoutService/CancelOrder";
constexpr char kBuy[] = "/sim.v1.Sale/Buy";
constexpr int kOrdersPerSale = 2;
constexpr absl::Duration kPayWithin = absl::Minutes(1);
constexpr double kLeavesForNow = 0.2;  // at each such answer of a world without faults: his saga may be parked
constexpr int kMembers = 12;
constexpr absl::Duration kCancelSagaTimeout = absl::Seconds(5);

// Of an ErrorInfo: call again with the same key.
constexpr std::array<const char*, 10> kCallAgain = {
    "",         "SAGA_RUNNING", "STORE_UNAVAILABLE", "OVERLOADED",       "DEFINITION_PAUSED",
    "STARTING", "SAGA_MOVED",   "STORE_FAILED",      "SAGA_QUARANTINED", "DEFINITION_MISSING"};

checkout::PlaceOrderRequest DrawOrder(Dice& dice, const std::string& key, const std::string& member) {
  checkout::PlaceOrderRequest request;
  request.set_request_id(key);
  request.set_member_id(member);
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
  const auto add = [&](const char* product, int quantity) {
    auto* const item = request.add_items();
    item->set_product_id(product);
    item->set_quantity(quantity);
  };
  switch (dice.Between(0, 9)) {
    case 0:
      add(kLimited.id, 1);
      break;
    case 1:
      add(kLimited.id, 1);
      add(kPlenty.id, 1);
      break;
    case 2:
      add("ghost", 1);
      break;
    case 3:
    case 4:
    case 5:
      add(kScarce.id, dice.Between(1, 3));
      break;
    case 6:
      add(kPlenty.id, 2);
      add(kScarce.id, 1);
      break;
    default:
      add(kPlenty.id, dice.Between(1, 3));
  }
  return request;
}

bool IsForNow(const std::string& method, const Reply& reply) {
  if (method != kBuy || !reply.status.ok()) return false;
  ::sim::v1::BuyResponse response;
  response.ParseFromString(reply.bytes);
  return response.state() == "PENDING";
}

}  // namespace

bool IsFinal(const std::string& method, const Reply& reply) {
  if (reply.status.ok()) return !IsForNow(method, reply);
  const ErrorInfo info = GetErrorInfo(reply.status);
  if (info.reason.empty()) return false;  // the network's, or the store's
  return info.domain != kSagaDomain || std::find(kCallAgain.begin(), kCallAgain.end(), info.reason) == kCallAgain.end();
}

std::string ScopeOf(const google::protobuf::Message& request) {
  const auto* const member = request.GetDescriptor()->FindFieldByName("member_id");
  return KeyScopeOf({.service = "gateway", .member = request.GetReflection()->GetString(request, member)});
}

Load::Load(World& world, Faults& faults, Network& network, Customers& customers, int buyers, absl::Duration span,
           int orchestrators)
    : world_(world),
      faults_(faults),
      network_(network),
      customers_(customers),
      buyers_(buyers),
      orchestrators_(orchestrators) {
  Plan(span);
}

Node Load::AnyOrchestrator() {
  return orchestrators_ > 1 && world_.dice().Chance(0.5) ? Node::kOrchestratorB : Node::kOrchestratorA;
}

void Load::Plan(absl::Duration span) {
  Dice& dice = world_.dice();
  for (int i = 0; i < buyers_; ++i) {
    const std::string key = absl::StrCat("order-", ++keys_);
    const std::string member = absl::StrCat("member-", dice.Between(1, kMembers));
    checkout::PlaceOrderRequest request = DrawOrder(dice, key, member);
    Errand errand;
    errand.method = kPlaceOrder;
    errand.bytes = request.SerializeAsString();
    request.mutable_items(0)->set_quantity(request.items(0).quantity() + 4);
    errand.other_bytes = request.SerializeAsString();
    errand.member = member;
    members_[key] = member;
    errand.timeout = dice.Chance(0.2) ? dice.Spread(absl::Milliseconds(500), absl::Seconds(1))
                                      : dice.Spread(absl::Seconds(1), absl::Seconds(60));
    Open(dice.Between(absl::ZeroDuration(), span), std::move(errand));
    if (i % kOrdersPerSale == 0) PlanSale(dice.Between(absl::ZeroDuration(), span));
  }
}

void Load::PlanSale(absl::Duration after) {
  Dice& dice = world_.dice();
  ::sim::v1::BuyRequest request;
  request.set_request_id(absl::StrCat("sale-", ++keys_));
  request.set_member_id(absl::StrCat("member-", dice.Between(1, kMembers)));
  auto* const item = request.add_items();
  item->set_product_id(dice.Chance(0.3) ? kScarce.id : kPlenty.id);
  item->set_quantity(dice.Between(1, 3));
  Errand errand;
  errand.method = kBuy;
  errand.bytes = request.SerializeAsString();
  item->set_quantity(item->quantity() + 4);
  errand.other_bytes = request.SerializeAsString();
  errand.member = request.member_id();
  errand.timeout = dice.Spread(absl::Milliseconds(500), absl::Seconds(30));
  Open(after, std::move(errand));
}

void Load::HearForNow(const Errand& errand, const Reply& reply) {
  ::sim::v1::BuyResponse response;
  response.ParseFromString(reply.bytes);
  // An older instance does not say until when.
  const absl::Time until =
      response.has_pay_until() ? absl::FromUnixSeconds(response.pay_until().seconds()) : world_.now() + kPayWithin;
  customers_.AskedToPay(response.order_id(), errand.member, until);
}

void Load::Open(absl::Duration after, Errand errand) {
  ++open_;
  errands_.push_back(std::move(errand));
  world_.In(after, [this, i = errands_.size() - 1] { Ask(i); });
}

void Load::Ask(std::size_t i) {
  Errand& errand = errands_[i];
  if (errand.calls++ > 0) faults_.Count(Fault::kBuyerRetries);
  if (!errand.mixed && !errand.other_bytes.empty() && errand.calls > 1 && faults_.Strikes(Fault::kOtherBody, 0.5)) {
    errand.mixed = errand.other = true;
  }
  const std::string& bytes = errand.other ? errand.other_bytes : errand.bytes;
  network_.Call(Node::kBuyers, AnyOrchestrator(), {errand.method, bytes, {}, errand.timeout},
                [this, i](const Reply& reply) { Hear(i, reply); });
}

void Load::Hear(std::size_t i, const Reply& reply) {
  Errand& errand = errands_[i];
  const ErrorInfo info = GetErrorInfo(reply.status);
  const std::string& reason = info.reason;
  Tally& tally = faults_.tally();
  world_.Tell(NameOf(Node::kBuyers), "hear ", world_.tells() ? reply.Text() : "", " after call ", errand.calls);
  if (reason == "OVERLOADED" && info.domain == kSagaDomain) tally.Count(Outcome::kOverloaded);
  if (reason == "SAGA_RUNNING") tally.Count(Outcome::kStillRunning);
  if (reason == "STORE_UNAVAILABLE") tally.Count(Outcome::kStoreUnavailable);
  if (reason == "DEFINITION_PAUSED") tally.Count(Outcome::kToldOfPause);
  if (reason == "KEY_REUSED") tally.Count(Outcome::kKeyReused);
  const bool stands = reason == "SAGA_QUARANTINED" || GetErrorInfo(reply.status).metadata["state"] == "PARKED";
  if (faults_.healed() && stands) {
    --open_;  // a person must look at it, and who waits leaves
    return;
  }
  if (IsForNow(errand.method, reply)) {
    HearForNow(errand, reply);
    if (faults_.healed() && world_.dice().Chance(kLeavesForNow)) {
      --open_;
      return;
    }
  }
  const bool final = IsFinal(errand.method, reply);
  if (!final || (reason == "KEY_REUSED" && errand.mixed)) {
    // One of two bodies under one key is the saga's; the other is refused, and the buyer asks with the first.
    if (faults_.on(Fault::kBuyerLeaves) && world_.dice().Chance(0.5)) {  // so that whole sagas have nobody who asks
      faults_.Count(Fault::kBuyerLeaves);
      --open_;
      return;
    }
    if (errand.mixed) errand.other = !errand.other;
    return world_.In(world_.dice().Spread(absl::Milliseconds(300), absl::Seconds(30)), [this, i] { Ask(i); });
  }
  --open_;
  if (reason == "ORDER_IN_PROGRESS" && !faults_.healed() && world_.dice().Chance(0.8)) {  // who is impatient asks again
    checkout::CancelOrderRequest request;
    request.ParseFromString(errand.bytes);
    return CancelOrder(request.order_id(), request.member_id(),
                       world_.dice().Spread(absl::Milliseconds(1), absl::Seconds(2)));
  }
  if (reply.status.ok() && errand.method == kPlaceOrder && faults_.Strikes(Fault::kBuyerCancels, 0.6)) {
    checkout::PlaceOrderResponse placed;
    placed.ParseFromString(reply.bytes);
    const std::string member = world_.dice().Chance(0.1) ? "member-other" : errand.member;
    CancelOrder(placed.order_id(), member, world_.dice().Spread(absl::Milliseconds(1), absl::Seconds(5)));
  }
}

void Load::CancelOrder(const std::string& order_id, const std::string& member, absl::Duration after) {
  checkout::CancelOrderRequest request;
  request.set_request_id(absl::StrCat("cancel-", ++keys_));
  request.set_order_id(order_id);
  request.set_member_id(member);
  request.set_reason("changed my mind");
  Errand errand;
  errand.method = kCancelOrder;
  errand.bytes = request.SerializeAsString();
  errand.timeout = world_.dice().Spread(absl::Seconds(1), absl::Seconds(60));
  Open(after, std::move(errand));
}

void Load::Accepted(const std::string& key, const std::string& saga_id) {
  if (faults_.Strikes(Fault::kSagaCancelled, 0.4)) {
    world_.In(world_.dice().Spread(absl::Milliseconds(1), absl::Seconds(40)), [this, saga_id] {
      network_.Call(Node::kBuyers, AnyOrchestrator(), {kCancelSaga, saga_id, {}, kCancelSagaTimeout},
                    [](const Reply&) {});
    });
  }
  // While it is still being placed, or by two at once.
  if (members_.count(key) > 0 && faults_.Strikes(Fault::kBuyerCancels, 1.0)) {
    CancelOrder(saga_id, members_[key], world_.dice().Spread(absl::Milliseconds(5), absl::Seconds(5)));
  }
}

}  // namespace unwind::sim
