// The real programs with their real certificates, for tests of who may do what. Runs in the project's root, where
// policy/shop.yaml is.
#ifndef UNWIND_TESTS_E2E_POLICY_SHOP_H_
#define UNWIND_TESTS_E2E_POLICY_SHOP_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/support/bytes_call.h"
#include "tests/support/certificates.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"

namespace unwind {

// Somebody with a certificate, and for whom it speaks.
struct Role {
  std::string identity;  // empty: without a certificate
  std::string member = "";

  std::string name() const { return member.empty() ? identity : absl::StrCat(member, " via ", identity); }
};

class PolicyTest : public testing::Test {
 protected:
  void StartCluster(bool with_policy) {
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.secure = true;
    for (const Node node : kNodes) {
      if (with_policy) options.extra_flags[node].emplace_back("--policy=policy/shop.yaml");
      if (node != Node::kGateway) options.extra_flags[node].emplace_back("--enable_reset");
    }
    auto cluster = Cluster::Start(options);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = std::move(*cluster);
  }

  void TearDown() override {
    certificates_.clear();
    cluster_.reset();
  }

  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& identity, const std::string& address) {
    if (identity.empty()) return cluster_->ChannelAs(nullptr, address);
    const auto [found, is_new] = certificates_.try_emplace(identity);
    if (is_new) found->second = cluster_->authority().Issue(Service(identity));
    return cluster_->ChannelAs(&found->second, address);
  }

  // Where the method is served.
  std::vector<std::string> PortsOf(const std::string& method) {
    static const std::map<std::string, Node> kHomes = {{"pg.v1", Node::kGateway},
                                                       {"shop.order.v1", Node::kOrder},
                                                       {"shop.stock.v1", Node::kStock},
                                                       {"shop.payment.v1", Node::kPayment},
                                                       {"shop.coupon.v1", Node::kCoupon},
                                                       {"shop.wallet.v1", Node::kWallet},
                                                       {"shop.checkout.v1", Node::kOrchestrator}};
    if (absl::StartsWith(method, "saga.v1.SagaService/")) return {cluster_->AdminAddress(Node::kOrchestrator)};
    if (absl::StartsWith(method, "saga.participant.v1.NudgeService/")) {
      return {cluster_->Address(Node::kOrchestrator), cluster_->AdminAddress(Node::kOrchestrator)};
    }
    for (const auto& [package, node] : kHomes) {
      if (absl::StartsWith(method, absl::StrCat(package, "."))) return {cluster_->Address(node)};
    }
    std::vector<std::string> all = {cluster_->AdminAddress(Node::kOrchestrator)};
    for (const Node node : kNodes) all.push_back(cluster_->Address(node));
    return all;
  }

  static void Prepare(grpc::ClientContext& context, const Role& role, absl::Duration timeout = absl::Seconds(30)) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!role.member.empty()) context.AddMetadata("x-member-id", role.member);
  }

  // Calls with an empty message. A stream is begun and ended.
  grpc::Status Call(const Role& role, const std::string& address, const std::string& method,
                    const std::map<std::string, std::string>& metadata = {}) {
    grpc::ClientContext context;
    Prepare(context, role);
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    return CallWithBytes(ChannelAs(role.identity, address), context, absl::StrCat("/", method), "");
  }

  template <class Service, class Request, class Response>
  grpc::Status Ask(const Role& role, const std::string& address,
                   grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request, Response* response, absl::Duration timeout = absl::Seconds(30)) {
    grpc::ClientContext context;
    Prepare(context, role, timeout);
    const auto stub = Service::NewStub(ChannelAs(role.identity, address));
    return (stub.get()->*method)(&context, request, response);
  }

  grpc::Status Place(const std::string& member, const shop::checkout::v1::PlaceOrderRequest& request,
                     shop::checkout::v1::PlaceOrderResponse* response, absl::Duration timeout = absl::Seconds(30)) {
    return Ask<shop::checkout::v1::CheckoutService>({"gateway", member}, cluster_->Address(Node::kOrchestrator),
                                                    &shop::checkout::v1::CheckoutService::Stub::PlaceOrder, request,
                                                    response, timeout);
  }

  void Restock(const std::string& product, std::int64_t quantity) {
    shop::stock::v1::RestockRequest request;
    request.set_product_id(product);
    request.set_quantity(quantity);
    request.mutable_price()->set_minor_units(1000);
    request.mutable_price()->set_currency_code("KRW");
    shop::stock::v1::RestockResponse response;
    grpc::ClientContext context;
    Prepare(context, {"operator"});
    context.AddMetadata("idempotency-key", NewKey());
    const auto stub = shop::stock::v1::StockService::NewStub(ChannelAs("operator", cluster_->Address(Node::kStock)));
    const grpc::Status status = stub->Restock(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  int SagasOf(const std::string& key) {
    saga::v1::ListSagasRequest request;
    request.set_definition("place-order");
    request.set_key(key);
    saga::v1::ListSagasResponse response;
    const grpc::Status status = Ask<saga::v1::SagaService>({"operator"}, cluster_->AdminAddress(Node::kOrchestrator),
                                                           &saga::v1::SagaService::Stub::ListSagas, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.sagas_size();
  }

  std::unique_ptr<Cluster> cluster_;
  std::map<std::string, Certificate> certificates_;  // by identity
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_POLICY_SHOP_H_
