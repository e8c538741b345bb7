#include "tests/chaos/buyers.h"

#include <functional>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/checkouts.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CheckoutService;
using shop::coupon::v1::CouponService;
using shop::payment::v1::CancelPaymentRequest;
using shop::payment::v1::Payment;
using shop::payment::v1::PaymentAttempt;
using shop::payment::v1::PaymentService;
using shop::payment::v1::PayRequest;

constexpr absl::Duration kDeadline = absl::Seconds(5);  // of one call; the next has the same key
constexpr absl::Duration kAgainPatience = absl::Seconds(30);
constexpr int kConnections = 32;           // to one process
constexpr int kCheckoutPercent = 30;       // of the orders: the buyer pays himself
constexpr int kLeavePercent = 20;          // of those: he does not
constexpr int kImpatientPercent = 20;      // of the payments that are finished later: he takes another card meanwhile
constexpr int kSplitPercent = 60;          // of the orders: by coupon, points and balance too
constexpr int kCancelPercent = 40;         // of the orders that are paid, at once
constexpr int kCancelWaitingPercent = 25;  // of those that are not yet
constexpr int kUsedCouponPercent = 10;     // of the orders that took one: he tries it again
constexpr int kItemsMax = 3;
constexpr int kQuantityMax = 2;
constexpr int kPointsMax = 100, kBalanceMax = 3000;  // of an order
constexpr std::int64_t kCharge = 30000;              // of a wallet
constexpr std::size_t kContradictionsMax = 20;

struct Answer {
  bool told = false;  // else the patience was over
  bool ok = false;
  bool waits = false;  // of what is OK: it is not the last word
  std::string id;      // of what was made
  std::string text;    // all that must be the same whenever it is asked again
  std::string reason, message;

  // A payment is over, and nobody has been charged by any attempt.
  bool SaysUnpaid() const { return told && (reason == "PAYMENT_EXPIRED" || reason == "PAYMENT_CANCELLED"); }
};

void Read(const shop::checkout::v1::PlaceOrderResponse& response, Answer& answer) { answer.id = response.order_id(); }
void Read(const shop::checkout::v1::CancelOrderResponse& response, Answer& answer) { answer.id = response.order_id(); }
void Read(const shop::checkout::v1::ChargeWalletResponse& response, Answer& answer) {
  answer.id = response.charge_id();
}
void Read(const shop::checkout::v1::CheckoutResponse& response, Answer& answer) {
  answer.id = response.order_id();
  answer.waits = response.payment_state() == Payment::STATE_PENDING;
}
void Read(const shop::payment::v1::PayResponse& response, Answer& answer) {
  answer.id = response.payment_id();
  answer.waits = response.state() == PaymentAttempt::STATE_PENDING;
}
void Read(const shop::payment::v1::CancelPaymentResponse&, Answer&) {}
void Read(const shop::coupon::v1::IssueResponse& response, Answer& answer) {
  answer.id = response.coupon().coupon_id();
}

template <class Stub, class Request, class Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

}  // namespace

class Buyers::Buyer {
 public:
  Buyer(Buyers& all, Cluster& cluster, int number, std::uint64_t seed)
      : all_(all),
        member_(absl::StrCat("member-", number)),
        checkouts_(CheckoutService::NewStub(cluster.Channel(Node::kOrchestrator, number % kConnections))),
        payments_(PaymentService::NewStub(cluster.Channel(Node::kPayment, number % kConnections))),
        coupons_(CouponService::NewStub(cluster.Channel(Node::kCoupon, number % kConnections))),
        random_(seed * 1000003 + static_cast<std::uint64_t>(number)) {}

  void Live() {
    ChargeWallet();
    while (!all_.stopped_) {
      const Answer order = IsDrawn(kCheckoutPercent) ? CheckOut() : Place();
      if (!order.ok || all_.stopped_) continue;
      has_paid_ = has_paid_ || !order.waits;
      if (order.waits) {
        if (IsDrawn(kCancelWaitingPercent)) CancelPayment(order.id);
      } else {
        if (IsDrawn(kCancelPercent)) Cancel(order.id);
      }
    }
  }

  void AskAgain() {
    for (Asked& asked : asked_) {
      Answer now = Again(asked);
      if (asked.answer.waits) {  // it has ended since
        if (now.told) CompareWithPayment(asked, now);
        asked.answer = std::exchange(now, Again(asked));
      }
      if (!now.told || !asked.answer.told) continue;
      if (now.waits) Contradict(absl::StrCat(asked.what, " waits in a shop at rest"));
      if (now.text == asked.answer.text) continue;
      Contradict(absl::StrCat(asked.what, " was answered ", asked.answer.text, " and later ", now.text));
    }
  }

  void AddTo(BuyersReport& report) const {
    report.calls += calls_;
    for (const auto& [kind, tally] : tallies_) {
      report.tallies[kind].sent += tally.sent;
      report.tallies[kind].granted += tally.granted;
    }
    for (const auto& [reason, count] : refusals_) report.refusals[reason] += count;
    report.untold.insert(report.untold.end(), untold_.begin(), untold_.end());
    report.contradictions.insert(report.contradictions.end(), contradictions_.begin(), contradictions_.end());
  }

 private:
  struct Asked {
    std::string what;
    Answer answer;
    std::function<Answer(absl::Duration patience)> again;
  };

  Answer Again(const Asked& asked) {
    Answer answer = asked.again(kAgainPatience);
    if (!answer.told) Contradict(absl::StrCat(asked.what, " is not answered in a shop at rest: ", answer.message));
    return answer;
  }

  // How a checkout ended, with what its buyer was told of its payment.
  void CompareWithPayment(const Asked& asked, const Answer& end) {
    const std::string& id = asked.answer.id;
    if (paid_.contains(id) && !end.ok) {
      Contradict(absl::StrCat(asked.what, " was paid, and is answered ", end.text));
    }
    if (const auto unpaid = unpaid_.find(id); unpaid != unpaid_.end() && end.ok) {
      Contradict(absl::StrCat(asked.what, ", of which he was told ", unpaid->second, ", is answered ", end.text));
    }
  }

  int Draw(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  bool IsDrawn(int percent) { return Draw(1, 100) <= percent; }
  const std::string& DrawProduct() {
    return all_.offer_.shelves[static_cast<std::size_t>(Draw(0, static_cast<int>(all_.offer_.shelves.size()) - 1))]
        .product;
  }

  // More items; and of some orders a coupon, points and balance, which may not be enough.
  template <class Request>
  void Fill(Request& request) {
    std::set<std::string> products = {request.items(0).product_id()};
    request.mutable_items(0)->set_quantity(Draw(1, kQuantityMax));
    for (int more = Draw(1, kItemsMax) - 1; more > 0; --more) {
      const std::string& product = DrawProduct();
      if (!products.insert(product).second) continue;
      auto* const item = request.add_items();
      item->set_product_id(product);
      item->set_quantity(Draw(1, kQuantityMax));
    }
    if (!IsDrawn(kSplitPercent)) return;
    request.set_coupon_id(Coupon());
    *request.mutable_wallet() = Use(has_paid_ ? Draw(1, kPointsMax) : 0, Draw(1, kBalanceMax));
  }

  // His, though an order may hold it or have used it; empty: he gets no more.
  std::string Coupon() {
    if (!coupon_.empty() || campaigns_seen_ >= all_.offer_.campaigns.size()) return coupon_;
    shop::coupon::v1::IssueRequest request;
    request.set_campaign_id(all_.offer_.campaigns[campaigns_seen_++]);
    request.set_member_id(member_);
    coupon_ = Insist("coupon", *coupons_, &CouponService::Stub::Issue, request, absl::InfiniteDuration(), NewKey()).id;
    return coupon_;
  }

  Answer Place() {
    auto request = Shop::Order(member_, DrawProduct());
    Fill(request);
    return Order("order", &CheckoutService::Stub::PlaceOrder, request);
  }

  Answer CheckOut() {
    auto request = Checkouts::Of(member_, DrawProduct());
    Fill(request);
    Answer answer = Order("checkout", &CheckoutService::Stub::Checkout, request);
    if (answer.waits && !IsDrawn(kLeavePercent) && Pay(answer.id)) {
      paid_.insert(answer.id);
      answer.waits = false;
    }
    return answer;
  }

  template <class Request, class Response>
  Answer Order(const char* kind, Method<CheckoutService::Stub, Request, Response> method, const Request& request) {
    ++all_.orders_;
    Answer answer = Ask(kind, method, request);
    if (answer.reason == "COUPON_NOT_USABLE" || (answer.ok && !IsDrawn(kUsedCouponPercent))) coupon_.clear();
    if (answer.reason == "BALANCE_NOT_ENOUGH") ChargeWallet();
    return answer;
  }

  void ChargeWallet() {
    Ask("charge of a wallet", &CheckoutService::Stub::ChargeWallet, Checkouts::ChargeOf(member_, kCharge));
  }

  // By a first card, and by a second one if that is declined, not known of, or slow. Whether he is told that he has
  // paid.
  bool Pay(const std::string& payment_id) {
    const auto pay = [&](const char* kind, absl::Duration patience) {
      Answer answer = Insist(kind, *payments_, &PaymentService::Stub::Pay, Checkouts::PaymentOf(payment_id, member_),
                             patience, NewKey());
      if (answer.SaysUnpaid()) unpaid_[payment_id] = answer.reason;
      return answer;
    };
    const Answer first = pay("payment", IsDrawn(50) ? absl::InfiniteDuration() : absl::ZeroDuration());
    if (first.ok && (!first.waits || !IsDrawn(kImpatientPercent))) return !first.waits;
    const Answer second = pay("payment by a second card", absl::InfiniteDuration());
    return (second.ok && !second.waits) || second.reason == "PAYMENT_ALREADY_PAID";
  }

  // Ends a checkout that waits, whatever has become of his cards.
  void CancelPayment(const std::string& payment_id) {
    CancelPaymentRequest request;
    request.set_payment_id(payment_id);
    request.set_member_id(member_);
    const Answer answer = Insist("end of a wait", *payments_, &PaymentService::Stub::CancelPayment, request,
                                 absl::InfiniteDuration(), NewKey());
    if (answer.ok) unpaid_[payment_id] = "that it is cancelled";
    if (answer.reason == "PAYMENT_ALREADY_PAID") paid_.insert(payment_id);
  }

  void Cancel(const std::string& order_id) {
    CancelOrderRequest request;
    request.set_request_id(NewKey());
    request.set_order_id(order_id);
    request.set_member_id(member_);
    request.set_reason("changed my mind");
    Ask("cancellation", &CheckoutService::Stub::CancelOrder, request);
  }

  // What starts a saga, to be asked again in the end.
  template <class Request, class Response>
  Answer Ask(const char* kind, Method<CheckoutService::Stub, Request, Response> method, const Request& request) {
    Answer answer = Insist(kind, *checkouts_, method, request, absl::InfiniteDuration());
    if (answer.told) {
      asked_.push_back({absl::StrCat(kind, " ", request.request_id(), " of ", member_), answer,
                        [this, method, request](absl::Duration patience) {
                          return Call(*checkouts_, method, request, patience, "");
                        }});
    }
    return answer;
  }

  // Calls and counts. `key`: of what has none in its request. A patience that is not endless may be over without an
  // answer.
  template <class Stub, class Request, class Response>
  Answer Insist(const char* kind, Stub& stub, Method<Stub, Request, Response> method, const Request& request,
                absl::Duration patience, const std::string& key = "") {
    Answer answer = Call(stub, method, request, patience, key);
    ++tallies_[kind].sent;
    tallies_[kind].granted += answer.ok ? 1 : 0;
    if (answer.told && !answer.ok) ++refusals_[answer.reason.empty() ? answer.text : answer.reason];
    if (!answer.told && patience == absl::InfiniteDuration()) {
      untold_.push_back(absl::StrCat(kind, " of ", member_, " (", request.ShortDebugString(), "): ", answer.text, " ",
                                     answer.message));
    }
    return answer;
  }

  template <class Stub, class Request, class Response>
  Answer Call(Stub& stub, Method<Stub, Request, Response> method, const Request& request, absl::Duration patience,
              const std::string& key) {
    Answer answer;
    Eventually(patience, [&] {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
      context.set_wait_for_ready(true);  // not to call a dead process as fast as one can
      if (!key.empty()) context.AddMetadata("idempotency-key", key);
      Response response;
      const grpc::Status status = (stub.*method)(&context, request, &response);
      ++calls_;
      answer = Answer();
      answer.told = !unwind::AskAgain(status);
      answer.ok = status.ok();
      if (status.ok()) Read(response, answer);
      answer.reason = Reason(status);
      answer.message = status.error_message();
      answer.text =
          status.ok() ? absl::StrCat("OK ", answer.id) : absl::StrCat(status.error_code(), " ", answer.reason);
      return answer.told || absl::ToUnixMillis(absl::Now()) > all_.patience_end_;
    });
    return answer;
  }

  void Contradict(std::string what) {
    if (contradictions_.size() < kContradictionsMax) contradictions_.push_back(std::move(what));
  }

  Buyers& all_;
  const std::string member_;
  const std::unique_ptr<CheckoutService::Stub> checkouts_;
  const std::unique_ptr<PaymentService::Stub> payments_;
  const std::unique_ptr<CouponService::Stub> coupons_;
  std::mt19937_64 random_;
  std::string coupon_;     // empty: none that may be usable
  bool has_paid_ = false;  // an order: he may have points
  std::size_t campaigns_seen_ = 0;
  std::set<std::string> paid_;                 // checkouts whose Pay was answered: paid
  std::map<std::string, std::string> unpaid_;  // the refusal, by checkout, that said: nothing is charged
  std::vector<Asked> asked_;
  int calls_ = 0;
  std::map<std::string, BuyersReport::Tally> tallies_;
  std::map<std::string, int> refusals_;
  std::vector<std::string> untold_, contradictions_;
};

Buyers::Buyers(Cluster& cluster, int count, Offer offer, std::uint64_t seed) : offer_(std::move(offer)) {
  for (int i = 0; i < count; ++i) buyers_.push_back(std::make_unique<Buyer>(*this, cluster, i, seed));
  for (const auto& buyer : buyers_) threads_.emplace_back([&buyer] { buyer->Live(); });
}

Buyers::~Buyers() { Finish(absl::ZeroDuration()); }

void Buyers::Finish(absl::Duration patience) {
  patience_end_ = absl::ToUnixMillis(absl::Now() + patience);
  stopped_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

BuyersReport Buyers::AskAgain() {
  patience_end_ = kNever;
  for (const auto& buyer : buyers_) threads_.emplace_back([&buyer] { buyer->AskAgain(); });
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  BuyersReport report;
  for (const auto& buyer : buyers_) buyer->AddTo(report);
  return report;
}

}  // namespace unwind
