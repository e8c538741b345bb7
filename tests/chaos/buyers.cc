#include "tests/chaos/buyers.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;

constexpr absl::Duration kDeadline = absl::Seconds(5);  // of one call; the next has the same key
constexpr absl::Duration kAgainPatience = absl::Seconds(30);
constexpr int kCancelPercent = 25;
constexpr int kItemsMax = 3;
constexpr int kQuantityMax = 2;
constexpr std::size_t kContradictionsMax = 20;

// What an answer says: the reason, or OK and the order.
std::string Read(const grpc::Status& status, const std::string& order_id) {
  return status.ok() ? absl::StrCat("OK ", order_id) : absl::StrCat(status.error_code(), " ", Reason(status));
}

}  // namespace

class Buyers::Buyer {
 public:
  Buyer(Buyers& all, const std::string& address, int number, std::uint64_t seed)
      : all_(all),
        member_(absl::StrCat("member-", number)),
        stub_(CheckoutService::NewStub(NewChannel(address, number))),
        random_(seed * 1000003 + static_cast<std::uint64_t>(number)) {}

  void Live() {
    while (!all_.stopped_) {
      const std::string order_id = Place();
      if (!order_id.empty() && Draw(1, 100) <= kCancelPercent && !all_.stopped_) Cancel(order_id);
    }
  }

  void AskAgain() {
    for (const auto& [request, answer] : placed_) Compare(request.request_id(), answer, Send(request, kAgainPatience));
    for (const auto& [request, answer] : cancelled_) {
      Compare(request.request_id(), answer, Send(request, kAgainPatience));
    }
  }

  void AddTo(BuyersReport& report) const {
    report.orders += orders_;
    report.cancels += cancels_;
    report.calls += calls_;
    for (const auto& [request, answer] : placed_) Count(answer, report.paid, report);
    for (const auto& [request, answer] : cancelled_) Count(answer, report.cancelled, report);
    report.untold.insert(report.untold.end(), untold_.begin(), untold_.end());
    report.contradictions.insert(report.contradictions.end(), contradictions_.begin(), contradictions_.end());
  }

 private:
  struct Answer {
    bool told = false;  // else the patience was over
    bool ok = false;
    std::string order_id;
    std::string text, reason, message;
  };

  static void Count(const Answer& answer, int& good, BuyersReport& report) {
    if (answer.ok) {
      ++good;
    } else {
      ++report.refusals[answer.reason.empty() ? answer.text : answer.reason];
    }
  }

  int Draw(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

  PlaceOrderRequest NewOrder() {
    std::set<int> products;
    const int items = Draw(1, kItemsMax);
    while (static_cast<int>(products.size()) < items)
      products.insert(Draw(0, static_cast<int>(all_.shelves_.size()) - 1));
    PlaceOrderRequest request;
    request.set_request_id(NewKey());
    request.set_member_id(member_);
    request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
    for (const int product : products) {
      auto* const item = request.add_items();
      item->set_product_id(all_.shelves_[static_cast<std::size_t>(product)].product);
      item->set_quantity(Draw(1, kQuantityMax));
    }
    return request;
  }

  // The id of a paid order.
  std::string Place() {
    PlaceOrderRequest request = NewOrder();
    ++orders_;
    ++all_.orders_;
    const Answer answer = Send(request, absl::InfiniteDuration());
    const std::string order_id = answer.order_id;
    Keep(std::move(request), answer, placed_);
    return order_id;
  }

  void Cancel(const std::string& order_id) {
    CancelOrderRequest request;
    request.set_request_id(NewKey());
    request.set_order_id(order_id);
    request.set_member_id(member_);
    request.set_reason("changed my mind");
    ++cancels_;
    const Answer answer = Send(request, absl::InfiniteDuration());
    Keep(std::move(request), answer, cancelled_);
  }

  template <typename Request>
  void Keep(Request request, const Answer& answer, std::vector<std::pair<Request, Answer>>& told) {
    if (answer.told) {
      told.emplace_back(std::move(request), answer);
      return;
    }
    untold_.push_back(
        absl::StrCat("request ", request.request_id(), " of ", member_, ": ", answer.text, " ", answer.message));
  }

  Answer Send(const PlaceOrderRequest& request, absl::Duration patience) {
    shop::checkout::v1::PlaceOrderResponse response;
    return Insist(patience, response,
                  [&](grpc::ClientContext& context) { return stub_->PlaceOrder(&context, request, &response); });
  }

  Answer Send(const CancelOrderRequest& request, absl::Duration patience) {
    shop::checkout::v1::CancelOrderResponse response;
    return Insist(patience, response,
                  [&](grpc::ClientContext& context) { return stub_->CancelOrder(&context, request, &response); });
  }

  template <typename Response, typename Call>
  Answer Insist(absl::Duration patience, const Response& response, Call call) {
    Answer answer;
    Eventually(patience, [&] {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
      context.set_wait_for_ready(true);  // not to call a dead orchestrator as fast as one can
      const grpc::Status status = call(context);
      ++calls_;
      answer.told = !unwind::AskAgain(status);
      answer.ok = status.ok();
      if (status.ok()) answer.order_id = response.order_id();
      answer.text = Read(status, answer.order_id);
      answer.reason = Reason(status);
      answer.message = status.error_message();
      return answer.told || absl::ToUnixMillis(absl::Now()) > all_.patience_end_;
    });
    return answer;
  }

  void Compare(const std::string& request_id, const Answer& before, const Answer& now) {
    if (before.text == now.text || contradictions_.size() >= kContradictionsMax) return;
    contradictions_.push_back(
        absl::StrCat("request ", request_id, " of ", member_, " was answered ", before.text, " and later ", now.text));
  }

  Buyers& all_;
  const std::string member_;
  const std::unique_ptr<CheckoutService::Stub> stub_;
  std::mt19937_64 random_;
  int orders_ = 0, cancels_ = 0, calls_ = 0;
  std::vector<std::pair<PlaceOrderRequest, Answer>> placed_;
  std::vector<std::pair<CancelOrderRequest, Answer>> cancelled_;
  std::vector<std::string> untold_, contradictions_;
};

Buyers::Buyers(const std::string& address, int count, std::vector<Shelf> shelves, std::uint64_t seed)
    : shelves_(std::move(shelves)) {
  for (int i = 0; i < count; ++i) buyers_.push_back(std::make_unique<Buyer>(*this, address, i, seed));
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
