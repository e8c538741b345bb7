#include "tests/support/flash_sale.h"

#include <algorithm>
#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "tests/support/history.h"

namespace unwind {
namespace {

constexpr absl::Duration kAskAgainPause = absl::Milliseconds(100);  // before the same request_id is sent again
constexpr absl::Duration kShelfPause = absl::Milliseconds(50);      // between looks at the product's page

// One member's attempt to buy.
struct Buyer {
  shop::checkout::v1::PlaceOrderRequest request;
  std::unique_ptr<Placing> call;
  absl::Time since;  // the first call with this request_id
  absl::Time again;  // when to send the same request_id again, if no call is under way
};

Purchase ToldBy(const shop::checkout::v1::PlaceOrderRequest& request, const grpc::Status& status,
                const std::string& order_id, absl::Time start, absl::Time end) {
  return {.request_id = request.request_id(),
          .quantity = request.items(0).quantity(),
          .start = start,
          .end = end,
          .told = status.ok() ? Told::kPaid : Told::kRefused,
          .reason = Reason(status),
          .order_id = order_id};
}

// Runs on one thread; gRPC's threads only put the numbers of answered buyers into a queue.
class Sale {
 public:
  Sale(Shop& shop, const FlashSaleOptions& options)
      : shop_(shop), options_(options), buyers_(static_cast<std::size_t>(options.members)) {}

  absl::StatusOr<FlashSaleResult> Run();

 private:
  void Arrive(std::size_t who);  // with a new request_id
  void Send(std::size_t who);    // with the one they have
  void Answered(std::size_t who);
  void SendAgainWhoWaits();
  absl::Status LookAtShelf();
  std::vector<std::size_t> TakeAnswered(absl::Time until);
  void Summarise();
  void CheckHistory();

  Shop& shop_;
  const FlashSaleOptions& options_;
  std::vector<Buyer> buyers_;
  std::deque<std::size_t> without_;   // refused, still wanting
  std::vector<std::size_t> patient_;  // to be sent again
  std::size_t under_way_ = 0;         // have neither an answer nor gone home
  bool sold_out_ = false;
  absl::Time next_look_ = absl::InfinitePast();
  absl::Time first_answer_ = absl::InfiniteFuture();
  absl::Time last_answer_ = absl::InfinitePast();
  std::vector<absl::Duration> latencies_;
  std::vector<Purchase> purchases_;
  std::vector<shop::checkout::v1::PlaceOrderRequest> requests_;  // of purchases_
  FlashSaleResult result_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> answered_;  // guarded by mutex_
};

void Sale::Arrive(std::size_t who) {
  Buyer& buyer = buyers_[who];
  buyer.request = Shop::Order(absl::StrCat(options_.member_prefix, who), options_.product);
  buyer.since = absl::Now();
  ++result_.orders;
  ++under_way_;
  Send(who);
}

void Sale::Send(std::size_t who) {
  ++result_.calls;
  const auto channel = shop_.cluster().Channel(Node::kOrchestrator, 100 + static_cast<int>(who) % options_.channels);
  buyers_[who].call = std::make_unique<Placing>(channel, buyers_[who].request, absl::Seconds(60), [this, who] {
    const std::lock_guard lock(mutex_);
    answered_.push_back(who);
    changed_.notify_one();
  });
}

std::vector<std::size_t> Sale::TakeAnswered(absl::Time until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, absl::ToChronoTime(until), [this] { return !answered_.empty(); });
  return std::exchange(answered_, {});
}

void Sale::Answered(std::size_t who) {
  Buyer& buyer = buyers_[who];
  const grpc::Status status = buyer.call->Wait();
  const std::string order_id = buyer.call->response().order_id();
  buyer.call.reset();
  const absl::Time now = absl::Now();
  if (AskAgain(status)) {
    buyer.again = now + kAskAgainPause;
    patient_.push_back(who);
    return;
  }
  --under_way_;
  purchases_.push_back(ToldBy(buyer.request, status, order_id, buyer.since, now));
  requests_.push_back(buyer.request);
  first_answer_ = std::min(first_answer_, now);
  last_answer_ = now;
  latencies_.push_back(now - buyer.since);
  if (status.ok()) {
    ++result_.paid;
    result_.order_ids.push_back(order_id);
    return;
  }
  const std::string reason = Reason(status);
  ++result_
        .refusals[reason.empty() ? absl::StrCat("code ", status.error_code(), ": ", status.error_message()) : reason];
  if (options_.come_back) without_.push_back(who);
}

void Sale::SendAgainWhoWaits() {
  const absl::Time now = absl::Now();
  for (std::size_t i = 0; i < patient_.size();) {
    if (buyers_[patient_[i]].again > now) {
      ++i;
      continue;
    }
    const std::size_t who = patient_[i];
    patient_[i] = patient_.back();
    patient_.pop_back();
    Send(who);
  }
}

// Members look at the product's page; as many as there are pieces (and a few more) try again.
absl::Status Sale::LookAtShelf() {
  if (!options_.come_back || sold_out_ || absl::Now() < next_look_) return absl::OkStatus();
  next_look_ = absl::Now() + kShelfPause;
  ASSIGN_OR_RETURN(const shop::stock::v1::Product product, shop_.Product(options_.product));
  sold_out_ = product.sold() == product.total();
  for (std::int64_t left = product.available() * 2; left > 0 && !without_.empty(); --left) {
    const std::size_t who = without_.front();
    without_.pop_front();
    Arrive(who);
  }
  return absl::OkStatus();
}

void Sale::Summarise() {
  std::sort(latencies_.begin(), latencies_.end());
  const auto at = [this](double part) {
    return latencies_[static_cast<std::size_t>(part * static_cast<double>(latencies_.size() - 1))];
  };
  result_.p50 = at(0.50);
  result_.p99 = at(0.99);
  result_.longest = latencies_.back();
  result_.first_to_last = last_answer_ - first_answer_;
}

void Sale::CheckHistory() {
  result_.untrue = CheckRefusals(purchases_, options_.pieces);
  std::vector<std::unique_ptr<Placing>> calls;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const auto channel = shop_.cluster().Channel(Node::kOrchestrator, 100 + static_cast<int>(i) % options_.channels);
    calls.push_back(std::make_unique<Placing>(channel, requests_[i], absl::Seconds(60)));
  }
  std::vector<Purchase> again;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const grpc::Status& status = calls[i]->Wait();
    again.push_back(ToldBy(requests_[i], status, calls[i]->response().order_id(), absl::Now(), absl::Now()));
  }
  for (std::string& taken_back : CheckAnswersStand(purchases_, again)) result_.untrue.push_back(std::move(taken_back));
}

absl::StatusOr<FlashSaleResult> Sale::Run() {
  for (int i = 0; i < options_.channels; ++i) {
    RETURN_IF_ERROR(WaitUntilHealthy(shop_.cluster().Channel(Node::kOrchestrator, 100 + i), absl::Seconds(10)));
  }
  const absl::Time start = absl::Now();
  const absl::Time until = start + options_.patience;
  for (std::size_t who = 0; who < buyers_.size(); ++who) Arrive(who);
  while (under_way_ > 0 || (options_.come_back && !sold_out_)) {
    if (absl::Now() > until) {
      return absl::DeadlineExceededError(absl::StrCat("after ", absl::FormatDuration(options_.patience), ", ",
                                                      under_way_, " buyers have no answer; ", result_.paid,
                                                      " orders are paid"));
    }
    for (std::size_t who : TakeAnswered(absl::Now() + absl::Milliseconds(10))) Answered(who);
    SendAgainWhoWaits();
    RETURN_IF_ERROR(LookAtShelf());
  }
  result_.whole = last_answer_ - start;
  result_.sagas_per_second = result_.orders / absl::ToDoubleSeconds(result_.whole);
  Summarise();
  CheckHistory();
  return result_;
}

}  // namespace

absl::StatusOr<FlashSaleResult> RunFlashSale(Shop& shop, const FlashSaleOptions& options) {
  return Sale(shop, options).Run();
}

}  // namespace unwind
