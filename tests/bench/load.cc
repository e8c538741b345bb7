#include "tests/bench/load.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

class Generator {
 public:
  explicit Generator(const LoadOptions& options) : options_(options) {
    for (std::size_t i = 0; i < options.addresses.size(); ++i) {
      stubs_.push_back(CheckoutService::NewStub(NewChannel(options.addresses[i], 1000 + static_cast<int>(i))));
    }
  }

  LoadResult Run() {
    const absl::Time start = absl::Now();
    end_ = start + options_.length;
    if (options_.rate > 0) {
      const auto calls = static_cast<std::int64_t>(options_.rate * absl::ToDoubleSeconds(options_.length));
      for (std::int64_t i = 0; i < calls; ++i) {
        const absl::Time when = start + absl::Seconds(static_cast<double>(i) / options_.rate);
        if (when > absl::Now()) absl::SleepFor(when - absl::Now());
        Call(when);
      }
    } else {
      for (int i = 0; i < options_.callers; ++i) Call(absl::Now());
    }
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return under_way_ == 0; });
    result_.seconds = absl::ToDoubleSeconds(absl::Now() - start);
    std::sort(result_.millis.begin(), result_.millis.end());
    std::sort(result_.refused_millis.begin(), result_.refused_millis.end());
    return std::move(result_);
  }

 private:
  struct OneCall {
    grpc::ClientContext context;
    PlaceOrderRequest request;
    PlaceOrderResponse response;
    absl::Time since;
  };

  void Call(absl::Time since) {
    {
      std::lock_guard lock(mutex_);
      ++under_way_;
    }
    const std::uint64_t n = next_++;
    auto* const call = new OneCall;
    call->request = options_.request(n);
    call->since = since;
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + options_.deadline));
    stubs_[n % stubs_.size()]->async()->PlaceOrder(
        &call->context, &call->request, &call->response,
        [this, call](const grpc::Status& status) { Answered(call, status); });
  }

  void Answered(OneCall* call, const grpc::Status& status) {
    const absl::Time now = absl::Now();
    const double millis = absl::ToDoubleMilliseconds(now - call->since);
    delete call;
    if (options_.rate == 0 && now < end_) Call(now);
    std::lock_guard lock(mutex_);
    result_.millis.push_back(millis);
    std::string answer = status.ok() ? "OK" : Reason(status);
    if (answer == "OVERLOADED") result_.refused_millis.push_back(millis);
    ++result_.answers[answer.empty() ? status.error_message() : std::move(answer)];
    if (--under_way_ == 0) idle_.notify_one();
  }

  const LoadOptions& options_;
  std::vector<std::unique_ptr<CheckoutService::Stub>> stubs_;
  absl::Time end_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::int64_t under_way_ = 0;  // guarded by mutex_, as all below
  LoadResult result_;
};

}  // namespace

double Quantile(const std::vector<double>& ascending, double part) {
  if (ascending.empty()) return 0;
  return ascending[static_cast<std::size_t>(part * static_cast<double>(ascending.size() - 1))];
}

LoadResult RunLoad(const LoadOptions& options) { return Generator(options).Run(); }

}  // namespace unwind
