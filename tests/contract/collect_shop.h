// A payment that a customer makes himself, over real gRPC: payment_svc and mock_pg, which tells it by webhooks.
#ifndef UNWIND_TESTS_CONTRACT_COLLECT_SHOP_H_
#define UNWIND_TESTS_CONTRACT_COLLECT_SHOP_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/contract/payment_harness.h"

namespace unwind {

class CollectShop : public testing::Test {
 protected:
  using Stub = PaymentProcess::Stub;
  using Payment = ::shop::payment::v1::Payment;
  using Attempt = ::shop::payment::v1::PaymentAttempt;
  using Transaction = ::pg::v1::Transaction;

  CollectShop() {
    pg_.Stop();
    pg_.TellTo(payment_.address(), kWebhookSecret);
    pg_.Start();
  }

  static Metadata Step(const std::string& saga, const std::string& phase, bool accepts = true) {
    Metadata metadata = {{"saga-id", saga},     {"saga-step", "collect"},
                         {"saga-phase", phase}, {"saga-kind", "pivot"},
                         {"saga-attempt", "1"}, {"idempotency-key", saga + "/collect/" + phase}};
    if (accepts) metadata["saga-accepts"] = "pending";
    return metadata;
  }
  ::shop::payment::v1::CollectRequest CollectOf(const std::string& id, std::int64_t amount = 1000) const {
    ::shop::payment::v1::CollectRequest request;
    request.set_payment_id(id);
    request.set_member_id("m1");
    request.mutable_amount()->set_minor_units(amount);
    request.mutable_amount()->set_currency_code("KRW");
    request.mutable_wait_until()->set_seconds(until_s_);
    return request;
  }
  // The payment of saga `id` is `id`.
  CallResult Collect(const std::string& id, bool accepts = true) {
    ::shop::payment::v1::CollectResponse response;
    return Invoke(payment_.stub(), &Stub::Collect, CollectOf(id), &response, Step(id, "action", accepts));
  }
  CallResult Resolve(const std::string& id, bool decides) {
    Metadata metadata = Step(id, "resolve");
    if (decides) metadata["saga-decide"] = "now";
    ::shop::payment::v1::CollectResponse response;
    return Invoke(payment_.stub(), &Stub::ResolveCollect, CollectOf(id), &response, metadata);
  }
  // Until it is decided.
  CallResult Decide(const std::string& id) {
    CallResult result;
    EXPECT_TRUE(Eventually([&] {
      result = Resolve(id, true);
      return !result.pending && result.status.code() != absl::StatusCode::kUnavailable;
    }));
    return result;
  }
  CallResult Pay(const std::string& id, const std::string& key, const std::string& member = "m1", int method = 1) {
    ::shop::payment::v1::PayRequest request;
    request.set_payment_id(id);
    request.set_member_id(member);
    request.set_method(static_cast<::shop::type::v1::PaymentMethod>(method));
    ::shop::payment::v1::PayResponse response;
    return Invoke(payment_.stub(), &Stub::Pay, request, &response, {{"idempotency-key", key}});
  }
  CallResult Cancel(const std::string& id, const std::string& key, const std::string& member = "m1") {
    ::shop::payment::v1::CancelPaymentRequest request;
    request.set_payment_id(id);
    request.set_member_id(member);
    ::shop::payment::v1::CancelPaymentResponse response;
    return Invoke(payment_.stub(), &Stub::CancelPayment, request, &response, {{"idempotency-key", key}});
  }
  static Attempt::State StateOf(const CallResult& paid) {
    ::shop::payment::v1::PayResponse response;
    EXPECT_TRUE(response.ParseFromString(paid.response));
    return response.state();
  }
  Payment Get(const std::string& id) {
    ::shop::payment::v1::GetPaymentRequest request;
    request.set_payment_id(id);
    Payment response;
    Invoke(payment_.stub(), &Stub::GetPayment, request, &response);
    return response;
  }
  bool Becomes(const std::string& id, Payment::State state) {
    return Eventually([&] { return Get(id).state() == state; });
  }

  void Play(const pg::Scenario& scenario) { pg_.gateway().SetScenario(scenario); }
  // Everything is finished by a webhook, `delay` after it was accepted.
  static pg::Scenario Async(absl::Duration delay = absl::Milliseconds(50)) {
    pg::Scenario scenario;
    scenario.async_percent = 100;
    scenario.async_delay = delay;
    return scenario;
  }
  // What is accepted is finished once Finish says so, also if its key was fenced meanwhile.
  static pg::Scenario Late() {
    pg::Scenario scenario = Async(absl::Minutes(1));
    scenario.after_fence_percent = 100;
    return scenario;
  }
  void Finish() { pg_.clock().Advance(60); }
  bool MoneyIsBack() {
    return Eventually([&] { return pg_.Count(Transaction::KIND_REFUND) > 0; }) && pg_.Balance() == 0;
  }

  ScratchFolder folder_;
  PgProcess pg_{folder_};
  PaymentProcess payment_{folder_, pg_.address()};
  std::int64_t until_s_ = absl::ToUnixSeconds(absl::Now()) + 900;
};

inline void ExpectNever(const CallResult& result, const std::string& cause) {
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition) << result.status;
  EXPECT_EQ(result.reason(), "NEVER_HAPPENED");
  EXPECT_EQ(result.metadata("cause"), cause);
}

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_COLLECT_SHOP_H_
