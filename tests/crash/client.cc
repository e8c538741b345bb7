#include "tests/crash/client.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "tests/crash/repeating_client.h"
#include "tests/support/checkouts.h"
#include "tests/support/poll.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using Transaction = pg::v1::Transaction;
using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::ChargeWalletRequest;
using shop::checkout::v1::ChargeWalletResponse;
using shop::checkout::v1::CheckoutRequest;
using shop::checkout::v1::CheckoutResponse;
using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;
using shop::payment::v1::CancelPaymentRequest;
using shop::payment::v1::CancelPaymentResponse;
using shop::payment::v1::Payment;
using shop::payment::v1::PaymentService;
using shop::payment::v1::PayRequest;
using shop::payment::v1::PayResponse;

constexpr char kCheap[] = "lamp";
constexpr std::int64_t kCheapPrice = 1'000, kCheapPoints = 10;  // that an order of one earns
constexpr char kMiddling[] = "sofa";                            // one earns more points than cheap ones cost
constexpr std::int64_t kMiddlingPrice = 50'000;
constexpr char kDear[] = "piano";  // every card is declined at its price, also if the rest is paid otherwise
constexpr std::int64_t kDearPrice = 2'000'000, kRefusedPrice = 1'000'000;
constexpr char kSoldOut[] = "unicorn";
constexpr std::int64_t kPieces = 1'000'000;
constexpr char kCampaign[] = "spring", kApologies[] = "sold-out";
constexpr std::int64_t kOff = 100, kBalance = 400;
constexpr int kAsyncDelayMs = 200, kLateDelayMs = 2'000;
constexpr int kNeverDelayMs = 3'600'000;  // no case takes so long

// Calls `ask`, which makes a new request each time, until one is carried out: on a busy machine the gateway may answer
// too late.
template <class Ask>
absl::Status Insist(const char* what, Ask ask) {
  grpc::Status status;
  if (Eventually(kClientPatience, [&] { return (status = ask()).ok(); })) return absl::OkStatus();
  return WrongEnd(what, " beforehand was not carried out: ", status.error_message());
}

// Places an order and awaits the end of what follows it. Its id.
absl::StatusOr<std::string> OrderAlready(Shop& shop, PlaceOrderRequest order) {
  PlaceOrderResponse placed;
  RETURN_IF_ERROR(Insist("an order", [&] {
    order.set_request_id(NewKey());
    return shop.Place(order, &placed, kClientPatience);
  }));
  ASSIGN_OR_RETURN(const saga::v1::Saga saga, shop.Saga(placed.order_id()));
  for (const auto& child : saga.children()) {
    RETURN_IF_ERROR(shop.AwaitEnd(child.saga_id(), kClientPatience).status());
  }
  return placed.order_id();
}

// Gives the member kCheapPoints, kBalance and a coupon, whose id this returns.
absl::StatusOr<std::string> FillPurse(Shop& shop, const std::string& member) {
  RETURN_IF_ERROR(OrderAlready(shop, Shop::Order(member, kCheap)).status());
  RETURN_IF_ERROR(Insist("a charge", [&] {
    ChargeWalletResponse charged;
    return Checkouts(shop.cluster()).ChargeWallet(Checkouts::ChargeOf(member, kBalance), &charged);
  }));
  return Wares(shop.cluster()).Issue(kCampaign, member);
}

// Takes all that a purse holds, and the coupon.
template <class Request>
void PayWithPurse(const std::string& coupon, Request& request) {
  request.set_coupon_id(coupon);
  *request.mutable_wallet() = Use(kCheapPoints, kBalance);
}

// The gateway takes every capture on, and takes the money so much later.
pg::v1::Scenario Later(int delay_ms) {
  pg::v1::Scenario scenario;
  scenario.set_async_percent(100);
  scenario.set_async_delay_ms(delay_ms);
  return scenario;
}

class OrderClient final : public RepeatingClient<PlaceOrderRequest, PlaceOrderResponse> {
 public:
  OrderClient(Shop& shop, const char* product, int quantity, bool is_split)
      : RepeatingClient(shop, "place-order", &CheckoutService::StubInterface::async_interface::PlaceOrder,
                        Shop::Order(NewKey(), product, quantity)),
        is_split_(is_split) {}

  absl::Status Prepare() override {
    if (!is_split_) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::string coupon, FillPurse(shop_, request_.member_id()));
    PayWithPurse(coupon, request_);
    return absl::OkStatus();
  }

 private:
  const bool is_split_;
};

// What a buyer does who has begun a checkout.
enum class Then {
  kPays,
  kLeaves,
  kPaysAndIsCancelled,
  kPaysAndIsRecalled,  // cancelled before the gateway takes the money
  kPaysAndCancels,     // the same, by himself; that he has paid is prepared
};

class CheckoutClient final : public RepeatingClient<CheckoutRequest, CheckoutResponse> {
 public:
  CheckoutClient(Shop& shop, int quantity, Then then)
      : RepeatingClient(shop, "checkout", &CheckoutService::StubInterface::async_interface::Checkout,
                        Checkouts::Of(NewKey(), kMiddling, quantity)),
        then_(then) {}

  absl::Status Prepare() override {
    ASSIGN_OR_RETURN(const std::string coupon, FillPurse(shop_, request_.member_id()));
    PayWithPurse(coupon, request_);
    if (then_ != Then::kPaysAndCancels) return absl::OkStatus();
    RETURN_IF_ERROR(shop_.SetScenario(Later(kNeverDelayMs)));
    if (!Eventually(kClientPatience, [this] { return IsAnswered() && Waits() && HasPaid() && accepted_; })) {
      return WrongEnd("the checkout beforehand does not wait for the gateway: ", ToText());
    }
    return shop_.SetScenario({});
  }

  bool GoOn() override {
    if (!IsAnswered()) return false;
    if (!Waits()) return true;
    if (then_ != Then::kLeaves && !HasPaid()) return false;
    if ((then_ == Then::kPaysAndIsCancelled || then_ == Then::kPaysAndIsRecalled) && !IsCancelled()) return false;
    if (then_ == Then::kPaysAndCancels && !HasCancelled()) return false;
    if (SteadyNow() >= ask_at_) AskAnew();
    return false;
  }

  // He is told that he has paid before the rest is confirmed.
  absl::Status Check(End end) override {
    ASSIGN_OR_RETURN(const saga::v1::Saga saga, shop_.SagaOfKey(definition_, request_.request_id()));
    RETURN_IF_ERROR(shop_.AwaitEnd(saga.saga_id(), kClientPatience).status());
    RETURN_IF_ERROR(RepeatingClient::Check(end));
    if (then_ == Then::kPaysAndCancels && (!cancelled_.ok() || Reason(answer_) != "PAYMENT_CANCELLED")) {
      return WrongEnd("its cancel was answered ", Reason(cancelled_), " ", cancelled_.error_message(),
                      ", and the checkout ", Reason(answer_));
    }
    const bool never = then_ == Then::kPaysAndIsRecalled || then_ == Then::kPaysAndCancels;
    const bool takes = accepted_ && !(never && !IsDone());
    const std::pair<int, int> due = {takes ? 1 : 0, takes && !IsDone() ? 1 : 0};
    std::pair<int, int> moved;
    if (Eventually(kClientPatience, [&] { return (moved = Moved()) == due; })) return absl::OkStatus();
    return WrongEnd("the gateway took ", moved.first, " payments and gave ", moved.second, " back, and not ", due.first,
                    " and ", due.second);
  }

 private:
  bool Waits() const { return answer_.ok() && response_.payment_state() == Payment::STATE_PENDING; }

  // Insists on the payment as well, under a key of its own.
  bool HasPaid() {
    if (has_paid_) return true;
    order_id_ = response_.order_id();
    if (pay_ == nullptr) {
      const PayCall::Method method = &PaymentService::StubInterface::async_interface::Pay;
      pay_ = std::make_unique<PayCall>(shop_.cluster().Channel(Node::kPayment), method,
                                       Checkouts::PaymentOf(response_.payment_id(), request_.member_id()),
                                       kClientPatience, absl::StrCat("pay-", order_id_));
    }
    if (!pay_->IsOver()) return false;
    accepted_ = pay_->status().ok();
    has_paid_ = !AskAgain(pay_->status());
    pay_.reset();
    return has_paid_;
  }

  // By an operator. Without an answer he looks whether the history has it, and then does not ask again: who drives the
  // saga must not have forgotten it. Of an order that is over there is nothing to cancel.
  bool IsCancelled() {
    if (is_cancelled_) return true;
    if (is_cancel_lost_) {
      const auto history = shop_.History(order_id_);
      if (!history.ok()) return false;
      is_cancel_lost_ = false;
      is_cancelled_ = std::any_of(history->begin(), history->end(),
                                  [](const auto& entry) { return entry.event() == "cancel_requested"; });
      return is_cancelled_;
    }
    const absl::Status status = shop_.CancelSaga(order_id_).status();
    is_cancel_lost_ = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    is_cancelled_ = !is_cancel_lost_;
    return is_cancelled_;
  }

  // By himself, under a key of its own; he insists on that as well.
  bool HasCancelled() {
    if (is_cancelled_) return true;
    if (cancel_ == nullptr) {
      CancelPaymentRequest request;
      request.set_payment_id(response_.payment_id());
      request.set_member_id(request_.member_id());
      const CancelCall::Method method = &PaymentService::StubInterface::async_interface::CancelPayment;
      cancel_ = std::make_unique<CancelCall>(shop_.cluster().Channel(Node::kPayment), method, request, kClientPatience,
                                             absl::StrCat("cancel-", order_id_));
    }
    if (!cancel_->IsOver()) return false;
    cancelled_ = cancel_->status();
    is_cancelled_ = !AskAgain(cancelled_);
    cancel_.reset();
    return is_cancelled_;
  }

  // What the gateway took for the order, and gave back.
  std::pair<int, int> Moved() {
    std::pair<int, int> moved;
    const auto ledger = shop_.Ledger();
    if (!ledger.ok()) return {-1, -1};
    std::string captured;
    for (const Transaction& entry : *ledger) {
      if (entry.kind() == Transaction::KIND_CAPTURE && !order_id_.empty() &&
          absl::EndsWith(entry.idempotency_key(), order_id_)) {
        ++moved.first;
        captured = entry.transaction_id();
      }
      if (entry.kind() == Transaction::KIND_REFUND) moved.second += entry.captured_transaction_id() == captured;
    }
    return moved;
  }

  using PayCall = OpenCall<PaymentService, PayRequest, PayResponse>;
  using CancelCall = OpenCall<PaymentService, CancelPaymentRequest, CancelPaymentResponse>;

  const Then then_;
  std::string order_id_;
  std::unique_ptr<PayCall> pay_;
  std::unique_ptr<CancelCall> cancel_;
  grpc::Status cancelled_;  // the answer to that
  bool has_paid_ = false, accepted_ = false, is_cancelled_ = false, is_cancel_lost_ = false;
};

// Of an order that was paid with everything, and whose points the member has spent.
class CancelClient final : public RepeatingClient<CancelOrderRequest, CancelOrderResponse> {
 public:
  CancelClient(Shop& shop, int quantity)
      : RepeatingClient(shop, "cancel-order", &CheckoutService::StubInterface::async_interface::CancelOrder, {}),
        quantity_(quantity) {}

  absl::Status Prepare() override {
    const std::string member = NewKey();
    PlaceOrderRequest order = Shop::Order(member, kMiddling, quantity_);
    ASSIGN_OR_RETURN(const std::string coupon, FillPurse(shop_, member));
    PayWithPurse(coupon, order);
    ASSIGN_OR_RETURN(const std::string order_id, OrderAlready(shop_, order));
    PlaceOrderRequest spending = Shop::Order(member, kCheap);
    ASSIGN_OR_RETURN(const shop::wallet::v1::Purse purse, Wares(shop_.cluster()).Purse(member));
    *spending.mutable_wallet() = Use(purse.points().minor_units(), 0);
    RETURN_IF_ERROR(OrderAlready(shop_, spending).status());
    request_.set_request_id(NewKey());
    request_.set_order_id(order_id);
    request_.set_member_id(member);
    return absl::OkStatus();
  }

 private:
  std::string IdOf(const saga::v1::Saga&) const override { return request_.order_id(); }

  const int quantity_;
};

class ChargeClient final : public RepeatingClient<ChargeWalletRequest, ChargeWalletResponse> {
 public:
  ChargeClient(Shop& shop, std::int64_t amount)
      : RepeatingClient(shop, "charge-wallet", &CheckoutService::StubInterface::async_interface::ChargeWallet,
                        Checkouts::ChargeOf(NewKey(), amount)) {}
};

}  // namespace

absl::Status OpenShop(Shop& shop) {
  RETURN_IF_ERROR(shop.Restock(kCheap, kPieces, kCheapPrice));
  RETURN_IF_ERROR(shop.Restock(kMiddling, kPieces, kMiddlingPrice));
  RETURN_IF_ERROR(shop.Restock(kDear, kPieces, kDearPrice));
  RETURN_IF_ERROR(shop.Restock(kSoldOut, 0, kCheapPrice));
  Wares wares(shop.cluster());
  RETURN_IF_ERROR(wares.Begin(Wares::AmountOff(kCampaign, kOff)));
  auto apologies = Wares::PercentOff(kApologies, 10, kOff);
  apologies.set_for_apologies(true);
  return wares.Begin(apologies);
}

pg::v1::Scenario ScenarioOf(Tale tale, int clients) {
  pg::v1::Scenario scenario;
  scenario.set_refuse_amount_minor(kRefusedPrice);
  switch (tale) {
    case Tale::kPaid:
    case Tale::kDeclined:
    case Tale::kSplit:
    case Tale::kSplitDeclined:
    case Tale::kFollowed:
    case Tale::kSoldOut:
    case Tale::kCheckoutExpired:
    case Tale::kCheckoutCancelled:
    case Tale::kCancel:
    case Tale::kCharge:
    case Tale::kChargeDeclined:
      return scenario;
    case Tale::kCancelDeclined:
      scenario.set_fail_first(clients);
      return scenario;
    case Tale::kUnanswered:
    case Tale::kCancelUnanswered:
    case Tale::kChargeUnanswered:
      scenario.set_hang_first(clients);
      return scenario;
    case Tale::kCheckout:
      scenario.set_webhook_twice_percent(100);
      break;
    case Tale::kCheckoutUnheard:
      scenario.set_webhook_lost_percent(100);
      break;
    case Tale::kCheckoutLate:
      scenario.MergeFrom(Later(kLateDelayMs));
      scenario.set_after_fence_percent(100);
      return scenario;
    case Tale::kCheckoutRecalled:
      scenario.MergeFrom(Later(kNeverDelayMs));
      return scenario;
  }
  scenario.MergeFrom(Later(kAsyncDelayMs));
  return scenario;
}

bool MixesWithOthers(Tale tale) {
  return ScenarioOf(tale, 1).SerializeAsString() == ScenarioOf(Tale::kPaid, 1).SerializeAsString();
}

std::unique_ptr<Client> MakeClient(Tale tale, Shop& shop, int quantity) {
  switch (tale) {
    case Tale::kPaid:
    case Tale::kUnanswered:
    case Tale::kFollowed:
      return std::make_unique<OrderClient>(shop, kCheap, quantity, /*is_split=*/false);
    case Tale::kDeclined:
      return std::make_unique<OrderClient>(shop, kDear, quantity, /*is_split=*/false);
    case Tale::kSplit:
      return std::make_unique<OrderClient>(shop, kMiddling, quantity, /*is_split=*/true);
    case Tale::kSplitDeclined:
      return std::make_unique<OrderClient>(shop, kDear, quantity, /*is_split=*/true);
    case Tale::kSoldOut:
      return std::make_unique<OrderClient>(shop, kSoldOut, quantity, /*is_split=*/false);
    case Tale::kCheckout:
    case Tale::kCheckoutUnheard:
      return std::make_unique<CheckoutClient>(shop, quantity, Then::kPays);
    case Tale::kCheckoutExpired:
      return std::make_unique<CheckoutClient>(shop, quantity, Then::kLeaves);
    case Tale::kCheckoutLate:
      return std::make_unique<CheckoutClient>(shop, quantity, Then::kPaysAndIsCancelled);
    case Tale::kCheckoutRecalled:
      return std::make_unique<CheckoutClient>(shop, quantity, Then::kPaysAndIsRecalled);
    case Tale::kCheckoutCancelled:
      return std::make_unique<CheckoutClient>(shop, quantity, Then::kPaysAndCancels);
    case Tale::kCancel:
    case Tale::kCancelDeclined:
    case Tale::kCancelUnanswered:
      return std::make_unique<CancelClient>(shop, quantity);
    case Tale::kCharge:
    case Tale::kChargeUnanswered:
      return std::make_unique<ChargeClient>(shop, quantity * kCheapPrice);
    case Tale::kChargeDeclined:
      return std::make_unique<ChargeClient>(shop, quantity * kRefusedPrice);
  }
  std::abort();
}

}  // namespace unwind
