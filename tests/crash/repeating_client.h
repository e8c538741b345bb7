// A client that makes one call of CheckoutService.
#ifndef UNWIND_TESTS_CRASH_REPEATING_CLIENT_H_
#define UNWIND_TESTS_CRASH_REPEATING_CLIENT_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "tests/crash/client.h"
#include "tests/crash/open_call.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {

inline constexpr absl::Duration kAskPause = absl::Milliseconds(100);  // of a client that waits for a saga's end

template <typename... Parts>
absl::Status WrongEnd(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

// The id that an answer names.
inline std::string IdIn(const shop::checkout::v1::PlaceOrderResponse& response) { return response.order_id(); }
inline std::string IdIn(const shop::checkout::v1::CheckoutResponse& response) { return response.order_id(); }
inline std::string IdIn(const shop::checkout::v1::CancelOrderResponse& response) { return response.order_id(); }
inline std::string IdIn(const shop::checkout::v1::ChargeWalletResponse& response) { return response.charge_id(); }

// The call starts a saga of `definition`. It is repeated under one key until its answer is that of the saga.
template <class Request, class Response>
class RepeatingClient : public Client {
 public:
  using Call = OpenCall<shop::checkout::v1::CheckoutService, Request, Response>;

  bool GoOn() override { return IsAnswered(); }
  bool IsDone() const override { return told_ && answer_.ok(); }

  absl::Status Check(End end) override {
    if (end != End::kEither && IsDone() != (end == End::kDone)) {
      return WrongEnd("it must end ", NameOf(end), ", but the answer is code ", answer_.error_code(), " ",
                      Reason(answer_), ": ", answer_.error_message());
    }
    ASSIGN_OR_RETURN(const saga::v1::Saga saga, shop_.SagaOfKey(definition_, request_.request_id()));
    if (saga.state() != (IsDone() ? saga::v1::Saga::STATE_COMPLETED : saga::v1::Saga::STATE_ABORTED)) {
      return WrongEnd("the caller was told ", IsDone() ? "that it is done" : Reason(answer_), ", but saga ",
                      saga.saga_id(), " is ", saga::v1::Saga::State_Name(saga.state()));
    }
    if (const std::string id = IdIn(response_); IsDone() && id != IdOf(saga)) {
      return WrongEnd("the answer is of ", id, ", and not of ", IdOf(saga));
    }
    const grpc::Status was = answer_;
    const std::string response = response_.SerializeAsString();
    AskAnew();
    if (!Eventually(kClientPatience, [this] { return IsAnswered(); })) return WrongEnd("no answer to a repeat");
    if (answer_.error_code() != was.error_code() || Reason(answer_) != Reason(was)) {
      return WrongEnd("the answer was ", was.error_code(), " ", Reason(was), ", and later ", answer_.error_code(), " ",
                      Reason(answer_));
    }
    return response_.SerializeAsString() == response ? absl::OkStatus() : WrongEnd("the response changed");
  }

  std::string ToText() override {
    const auto saga = shop_.SagaOfKey(definition_, request_.request_id());
    return absl::StrCat(request_.request_id(), " (call ", calls_, ", ",
                        saga.ok() ? saga->ShortDebugString() : saga.status().ToString(), ")");
  }

 protected:
  RepeatingClient(Shop& shop, const char* definition, typename Call::Method method, Request request)
      : shop_(shop), definition_(definition), method_(method), request_(std::move(request)) {}

  // What the answer must name if the saga has completed.
  virtual std::string IdOf(const saga::v1::Saga& saga) const { return saga.saga_id(); }

  // Whether there is an answer of the saga, and no error after which the call must be repeated.
  bool IsAnswered() {
    if (told_) return true;
    if (call_ == nullptr) {
      call_ =
          std::make_unique<Call>(shop_.cluster().Channel(Node::kOrchestrator), method_, request_, kClientPatience, "");
      ++calls_;
    }
    if (!call_->IsOver()) return false;
    answer_ = call_->status();
    response_ = call_->response();
    call_.reset();
    told_ = !AskAgain(answer_);
    return told_;
  }

  // Forgets the answer, so that IsAnswered calls again.
  void AskAnew() {
    told_ = false;
    ask_at_ = SteadyNow() + kAskPause;
  }

  Shop& shop_;
  const std::string definition_;
  const typename Call::Method method_;
  Request request_;
  std::unique_ptr<Call> call_;
  int calls_ = 0;
  bool told_ = false;
  absl::Time ask_at_ = absl::InfinitePast();  // by SteadyNow
  grpc::Status answer_;
  Response response_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_REPEATING_CLIENT_H_
