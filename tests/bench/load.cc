#include "tests/bench/load.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr char kRefusedAtTheDoor[] = "OVERLOADED";

class Generator {
 public:
  explicit Generator(const LoadOptions& options) : options_(options), end_(absl::Now() + options.length) {
    for (std::size_t i = 0; i < options.addresses.size(); ++i) {
      stubs_.push_back(CheckoutService::NewStub(NewChannel(options.addresses[i], 1000 + static_cast<int>(i))));
    }
  }

  LoadResult Run() {
    const absl::Time start = absl::Now();
    if (options_.rate > 0) {
      CallAtRate(start);
    } else {
      for (int i = 0; i < options_.callers; ++i) CallAgain(start);
    }
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return under_way_ == 0; });
    result_.seconds = absl::ToDoubleSeconds(absl::Now() - start);
    std::sort(result_.millis.begin(), result_.millis.end());
    std::sort(result_.refused_millis.begin(), result_.refused_millis.end());
    return std::move(result_);
  }

 private:
  // Deletes itself when it is over.
  class OneCall final : public grpc::ClientUnaryReactor {
   public:
    OneCall(Generator& generator, std::uint64_t n, absl::Time since)
        : generator_(generator), since_(since), request_(generator.options_.request(n)) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + generator.options_.deadline));
      generator.stubs_[n % generator.stubs_.size()]->async()->PlaceOrder(&context_, &request_, &response_, this);
      StartCall();
    }

    absl::Time since() const { return since_; }
    const PlaceOrderRequest& request() const { return request_; }
    bool left() const { return left_; }

   private:
    void OnReadInitialMetadataDone(bool ok) override {
      left_ = ok && generator_.options_.leave && context_.GetServerInitialMetadata().contains("saga-id");
      if (left_) context_.TryCancel();
    }
    // The generator must outlive this call's hold on the channel: gRPC aborts if a channel ends on a callback's thread.
    void OnDone(const grpc::Status& status) override {
      Generator& generator = generator_;
      generator.Answered(*this, status);
      delete this;
      generator.Ended();
    }

    Generator& generator_;
    const absl::Time since_;
    const PlaceOrderRequest request_;
    PlaceOrderResponse response_;
    grpc::ClientContext context_;
    bool left_ = false;
  };

  void CallAtRate(absl::Time start) {
    const auto calls = static_cast<std::uint64_t>(options_.rate * absl::ToDoubleSeconds(options_.length));
    for (std::uint64_t n = 0; n < calls; ++n) {
      const absl::Time when = start + absl::Seconds(static_cast<double>(n) / options_.rate);
      if (when > absl::Now()) absl::SleepFor(when - absl::Now());
      Call(n, when);
    }
  }

  // Of a closed loop.
  void CallAgain(absl::Time now) {
    if (now >= end_) return;
    const std::uint64_t n = next_++;
    if (options_.calls == 0 || n < options_.calls) Call(n, now);
  }

  void Call(std::uint64_t n, absl::Time since) {
    {
      std::lock_guard lock(mutex_);
      ++under_way_;
    }
    new OneCall(*this, n, since);
  }

  void Answered(const OneCall& call, const grpc::Status& status) {
    const absl::Time now = absl::Now();
    if (options_.rate == 0) CallAgain(now);
    const double millis = absl::ToDoubleMilliseconds(now - call.since());
    std::string answer = status.ok() ? "OK" : call.left() ? "LEFT" : Reason(status);
    if (answer.empty()) answer = status.error_message();
    std::lock_guard lock(mutex_);
    const bool refused = answer == kRefusedAtTheDoor;
    (refused ? result_.refused_millis : result_.millis).push_back(millis);
    if (!refused && AskAgain(status)) result_.untold.emplace_back(call.request(), answer);
    ++result_.answers[std::move(answer)];
  }

  void Ended() {
    std::lock_guard lock(mutex_);
    if (--under_way_ == 0) idle_.notify_one();
  }

  const LoadOptions& options_;
  const absl::Time end_;
  std::vector<std::unique_ptr<CheckoutService::Stub>> stubs_;
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

std::future<LoadResult> StartLoad(LoadOptions options) {
  return std::async(std::launch::async, [options = std::move(options)] { return RunLoad(options); });
}

}  // namespace unwind
