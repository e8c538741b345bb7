// The real mock_pg tells the real payment_svc what it finishes later, over their own ports; and payment_svc is killed
// while money that came late is on its way back.
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "pg/v1/mock_control.grpc.pb.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/prometheus.h"
#include "tests/support/test_database.h"

namespace unwind {
namespace {

namespace v1 = shop::payment::v1;
using pg::v1::Transaction;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kKills = 10;

class WebhookTest : public testing::Test {
 protected:
  void SetUp() override {
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.postgres = TestsOnPostgres();
    options.webhooks = true;
    options.metrics = true;
    auto cluster = Cluster::Start(options);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
  }

  // Again while the process is away.
  template <class Service, class Request, class Response>
  grpc::Status Call(Node node, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response, const std::map<std::string, std::string>& metadata) {
    grpc::Status status;
    EXPECT_TRUE(Eventually(kPatience, [&] {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
      for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
      const auto stub = Service::NewStub(cluster_->Channel(node));
      status = (stub.get()->*method)(&context, request, response);
      return status.error_code() != grpc::StatusCode::UNAVAILABLE;
    }));
    return status;
  }

  void Play(const pg::v1::Scenario& scenario) {
    pg::v1::SetScenarioRequest request;
    *request.mutable_scenario() = scenario;
    pg::v1::SetScenarioResponse response;
    const grpc::Status status =
        Call<pg::v1::MockControl>(Node::kGateway, &pg::v1::MockControl::Stub::SetScenario, request, &response, {});
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  static v1::CollectRequest CollectOf(const std::string& id) {
    v1::CollectRequest request;
    request.set_payment_id(id);
    request.set_member_id("m1");
    request.mutable_amount()->set_minor_units(1000);
    request.mutable_amount()->set_currency_code("KRW");
    request.mutable_wait_until()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 900);
    return request;
  }
  static std::map<std::string, std::string> Step(const std::string& id, const std::string& phase) {
    return {{"saga-id", id},
            {"saga-step", "collect"},
            {"saga-phase", phase},
            {"saga-kind", "pivot"},
            {"saga-attempt", "1"},
            {"saga-accepts", "pending"},
            {"idempotency-key", absl::StrCat(id, "/collect/", phase)}};
  }
  // The customer has paid, and the gateway finishes it later.
  v1::CollectRequest Begin(const std::string& id) {
    const v1::CollectRequest request = CollectOf(id);
    v1::CollectResponse collected;
    EXPECT_TRUE(Call<v1::PaymentService>(Node::kPayment, &v1::PaymentService::Stub::Collect, request, &collected,
                                         Step(id, "action"))
                    .ok());
    v1::PayRequest pay;
    pay.set_payment_id(id);
    pay.set_member_id("m1");
    pay.set_method(shop::type::v1::PAYMENT_METHOD_CARD);
    v1::PayResponse paid;
    EXPECT_TRUE(Call<v1::PaymentService>(Node::kPayment, &v1::PaymentService::Stub::Pay, pay, &paid,
                                         {{"idempotency-key", absl::StrCat("pay-", id)}})
                    .ok());
    return request;
  }
  v1::Payment::State StateOf(const std::string& id) {
    v1::GetPaymentRequest request;
    request.set_payment_id(id);
    v1::Payment payment;
    Call<v1::PaymentService>(Node::kPayment, &v1::PaymentService::Stub::GetPayment, request, &payment, {});
    return payment.state();
  }
  std::map<Transaction::Kind, int> Ledger() {
    pg::v1::ListTransactionsRequest request;
    request.set_page_size(1000);
    pg::v1::ListTransactionsResponse response;
    Call<pg::v1::PaymentGateway>(Node::kGateway, &pg::v1::PaymentGateway::Stub::ListTransactions, request, &response,
                                 {});
    std::map<Transaction::Kind, int> counts;
    for (const Transaction& transaction : response.transactions()) ++counts[transaction.kind()];
    return counts;
  }

  std::unique_ptr<Cluster> cluster_;
};

// A webhook that comes an hour later.
TEST_F(WebhookTest, WhatIsNotFinishedIsCounted) {
  pg::v1::Scenario scenario;
  scenario.set_async_percent(100);
  scenario.set_async_delay_ms(3'600'000);
  Play(scenario);
  const auto says = [this](const char* line) {
    const auto page = HttpGet(cluster_->MetricsAddress(Node::kPayment), "/metrics");
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() && absl::StrContains(*page, line);
  };
  EXPECT_TRUE(says("\npayment_pending 0\n"));
  Begin("p1");
  Begin("p2");
  EXPECT_TRUE(Eventually(kPatience, [&] { return says("\npayment_pending 2\n"); }));
}

TEST_F(WebhookTest, TellsOfACapture) {
  pg::v1::Scenario scenario;
  scenario.set_async_percent(100);
  scenario.set_async_delay_ms(100);
  Play(scenario);
  Begin("p1");
  EXPECT_TRUE(Eventually(kPatience, [&] { return StateOf("p1") == v1::Payment::STATE_SUCCESS; }));
  const auto page = HttpGet(cluster_->MetricsAddress(Node::kPayment), "/metrics");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(absl::StrContains(*page, "payment_webhooks_total{result=\"news\"} 1")) << *page;
}

TEST_F(WebhookTest, LateMoneyGoesBackOnceThoughTheProcessIsKilled) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  pg::v1::Scenario scenario;
  scenario.set_async_percent(100);
  scenario.set_async_delay_ms(3'600'000);
  scenario.set_after_fence_percent(100);
  scenario.set_after_fence_ms(300);
  scenario.set_webhook_twice_percent(50);
  Play(scenario);
  for (int kill = 1; kill <= kKills; ++kill) {
    const std::string id = absl::StrCat("p", kill);
    const v1::CollectRequest request = Begin(id);
    auto decide = Step(id, "resolve");
    decide["saga-decide"] = "now";
    v1::CollectResponse response;
    const grpc::Status status =
        Call<v1::PaymentService>(Node::kPayment, &v1::PaymentService::Stub::ResolveCollect, request, &response, decide);
    ASSERT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
    // From before the capture to after its webhook.
    const absl::Time until = absl::Now() + absl::Milliseconds(200 + random() % 300);
    Eventually(kPatience, [&] { return absl::Now() >= until; });
    cluster_->Kill(Node::kPayment);
    ASSERT_TRUE(cluster_->Restart(Node::kPayment).ok());
  }
  std::map<Transaction::Kind, int> ledger;
  EXPECT_TRUE(Eventually(kPatience,
                         [&] {
                           ledger = Ledger();
                           return ledger[Transaction::KIND_CAPTURE] == kKills &&
                                  ledger[Transaction::KIND_REFUND] == kKills;
                         }))
      << ledger[Transaction::KIND_CAPTURE] << " captured, " << ledger[Transaction::KIND_REFUND] << " paid back";
  for (int kill = 1; kill <= kKills; ++kill) {
    EXPECT_EQ(StateOf(absl::StrCat("p", kill)), v1::Payment::STATE_FAILED);
  }
}

}  // namespace
}  // namespace unwind
