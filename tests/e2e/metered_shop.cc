#include "tests/e2e/metered_shop.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "grpcpp/client_context.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"
#include "shop/wallet/v1/wallet_service.grpc.pb.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

constexpr char kProduct[] = "lamp";
constexpr absl::Duration kPatience = absl::Seconds(60);

absl::Status Expect(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("an order was not taken: ", status.error_message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MeteredShop>> MeteredShop::Start(const std::string& bin_dir,
                                                                const std::vector<std::string>& flags) {
  ClusterOptions options;
  options.bin_dir = bin_dir;
  options.metrics = true;
  options.secure = true;
  for (const Node node : kNodes) options.extra_flags[node] = {"--otlp_endpoint=http://127.0.0.1:1"};  // nobody's
  for (const Node node : {Node::kOrchestrator, Node::kSecondOrchestrator}) {
    for (const std::string& flag : flags) options.extra_flags[node].push_back(flag);
  }
  options.definitions = "orchestrator/sagas,tests/e2e/metrics/park.yaml,tests/e2e/metrics/after_park.yaml";
  ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::Start(options));
  std::unique_ptr<MeteredShop> made(new MeteredShop(std::move(cluster), bin_dir));
  RETURN_IF_ERROR(made->shop_.Restock(kProduct, 1'000'000, 1000));
  return made;
}

ScrapeJobs MeteredShop::Jobs() const {
  ScrapeJobs jobs;
  for (const Node node : kNodes) jobs[NodeName(node)] = {cluster_->MetricsAddress(node)};
  if (has_second_) jobs[NodeName(Node::kOrchestrator)].push_back(cluster_->MetricsAddress(Node::kSecondOrchestrator));
  return jobs;
}

absl::Status MeteredShop::LaunchSecond() {
  RETURN_IF_ERROR(cluster_->Launch(Node::kSecondOrchestrator));
  has_second_ = true;
  return absl::OkStatus();
}

absl::Status MeteredShop::ExpectReason(const grpc::Status& status, const std::string& reason) const {
  if (Reason(status) == reason) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("an order ended ", Reason(status), " (", status.error_message(), "), not ", reason));
}

absl::Status MeteredShop::Buy() {
  shop::checkout::v1::PlaceOrderResponse response;
  return Expect(shop_.Place(Shop::Order("mina", kProduct), &response));
}

absl::Status MeteredShop::Look() {
  const auto prepare = [](grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  };
  grpc::ClientContext of_coupons, of_wallet;
  prepare(of_coupons);
  prepare(of_wallet);
  shop::coupon::v1::ListCouponsRequest coupons;
  coupons.set_member_id("mina");
  shop::coupon::v1::ListCouponsResponse listed;
  RETURN_IF_ERROR(FromGrpc(shop::coupon::v1::CouponService::NewStub(cluster_->Channel(Node::kCoupon))
                               ->ListCoupons(&of_coupons, coupons, &listed)));
  shop::wallet::v1::GetWalletRequest wallet;
  wallet.set_member_id("mina");
  shop::wallet::v1::Wallet got;
  return FromGrpc(
      shop::wallet::v1::WalletService::NewStub(cluster_->Channel(Node::kWallet))->GetWallet(&of_wallet, wallet, &got));
}

absl::Status MeteredShop::Reconcile() {
  const std::string log = cluster_->scratch() + "/reconcile.log";
  std::vector<std::string> command = {
      bin_dir_ + "/payment_svc", "reconcile", "--db=" + cluster_->Database(Node::kPayment),
      "--pg_address=" + cluster_->Address(Node::kGateway), "--order_address=" + cluster_->Address(Node::kOrder)};
  for (const char* file : {"cert", "key", "ca"}) {
    command.push_back(absl::StrCat("--tls_", file, "=", cluster_->TlsFile(Node::kPayment, file)));
  }
  ASSIGN_OR_RETURN(const int status, RunToEnd(command, log, kPatience));
  if (status == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("reconcile ended with ", status, ": ", ContentsOf(log)));
}

absl::Status MeteredShop::BuyWhileStockDies() {
  cluster_->Kill(Node::kStock);
  const auto placing = shop_.Begin(Shop::Order("mina", kProduct));
  const std::string saga_id = placing->SagaId(kPatience);
  if (!shop_.AwaitStepSent(saga_id, "reserve_stock", kPatience)) return absl::InternalError("the stock was not asked");
  RETURN_IF_ERROR(cluster_->Restart(Node::kStock));
  return shop_.AwaitEnd(saga_id, kPatience).status();
}

absl::StatusOr<std::string> MeteredShop::Park() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  context.AddMetadata("idempotency-key", NewKey());
  shop::order::v1::GetOrderRequest request;
  request.set_order_id("no-such-order");
  shop::order::v1::Order response;
  const grpc::Status status = shop::order::v1::OrderService::NewStub(cluster_->Channel(Node::kOrchestrator))
                                  ->GetOrder(&context, request, &response);
  const auto id = context.GetServerInitialMetadata().find("saga-id");
  if (id == context.GetServerInitialMetadata().end()) {
    return absl::InternalError(absl::StrCat("no saga was started: ", status.error_message()));
  }
  return std::string(id->second.data(), id->second.size());
}

absl::Status MeteredShop::PlayAll() {
  shop::checkout::v1::PlaceOrderResponse order;
  RETURN_IF_ERROR(Expect(shop_.Place(Shop::Order("mina", kProduct), &order)));
  shop::checkout::v1::CancelOrderRequest cancel;
  cancel.set_request_id(NewKey());
  cancel.set_order_id(order.order_id());
  cancel.set_member_id("mina");
  shop::checkout::v1::CancelOrderResponse cancelled;
  RETURN_IF_ERROR(Expect(shop_.Cancel(cancel, &cancelled)));

  RETURN_IF_ERROR(shop_.Restock("vase", 1, 1000));
  RETURN_IF_ERROR(ExpectReason(shop_.Place(Shop::Order("mina", "vase", 2), &order), "STOCK_NOT_ENOUGH"));

  pg::v1::Scenario declines, hangs;
  declines.set_fail_percent(100);
  RETURN_IF_ERROR(shop_.SetScenario(declines));
  RETURN_IF_ERROR(ExpectReason(shop_.Place(Shop::Order("mina", kProduct), &order), "PAYMENT_FAILED"));
  hangs.set_hang_first(1);
  RETURN_IF_ERROR(shop_.SetScenario(hangs));
  RETURN_IF_ERROR(Buy());
  RETURN_IF_ERROR(shop_.SetScenario({}));

  RETURN_IF_ERROR(BuyWhileStockDies());
  RETURN_IF_ERROR(Look());
  RETURN_IF_ERROR(Reconcile());
  return Park().status();
}

}  // namespace unwind
