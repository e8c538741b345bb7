// unwind_up: the five real processes on loopback, and the REST gateway before them if there is an Envoy, staying until
// Ctrl-C, with lines to paste.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/base/flags.h"
#include "common/base/stop_signals.h"
#include "tests/support/cluster.h"
#include "tests/support/rest_gateway.h"
#include "tests/support/shop.h"

ABSL_FLAG(std::string, bin_dir, "", "Folder of the five programs; empty: the folder of this one.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of their own.");
ABSL_FLAG(std::string, envoy, "", "The program of Envoy 1.40, for the REST gateway; empty: there is none.");
ABSL_FLAG(std::string, addresses_file, "", "Where to write the addresses as NAME=host:port lines, once all is up.");

namespace unwind {
namespace {

constexpr absl::Duration kWatchPause = absl::Milliseconds(200);
constexpr char kRestLines[] = R"lines(
The shop is open. Paste what you like into another terminal. By REST (docs/REST.md):

  # The shelf; buy a lamp; the same Idempotency-Key again is the same order
  curl http://{gateway}/api/v1/products
  KEY=buy-$(date +%s)
  curl http://{gateway}/api/v1/orders -H "Idempotency-Key: $KEY" -d '{"memberId":"minsu","items":[{"productId":"lamp","quantity":1}],"paymentMethod":"PAYMENT_METHOD_CARD"}'
  curl 'http://{gateway}/api/v1/orders?memberId=minsu'

  # As an operator: the sagas; in a browser: http://{gateway_admin}/console/
  curl 'http://{gateway_admin}/api/v1/sagas?pageSize=1'
  # As a tester: an empty shop, with all its pieces back
  curl -X POST http://{gateway_test}/api/test/reset

By gRPC:
)lines";
constexpr char kNoRestLine[] = R"lines(
The shop is open, without a REST gateway: that needs --envoy=PATH.
Paste what you like into another terminal:
)lines";
constexpr char kLines[] = R"lines(
  # What the orchestrator serves, and what PlaceOrder takes (./run interop installs grpcurl into build/tools)
  grpcurl -plaintext {orchestrator} list
  grpcurl -plaintext {orchestrator} describe shop.checkout.v1.PlaceOrderRequest

  # Buy two lamps
  ORDER='{"request_id":"buy-'$(date +%s)'","member_id":"mina","items":[{"product_id":"lamp","quantity":2}],"payment_method":"PAYMENT_METHOD_CARD"}'
  grpcurl -plaintext -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder

  # The same request again is the same order. Another request_id is another order.
  ORDER_ID=$(grpcurl -plaintext -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder | sed -n 's/.*"orderId": "\(.*\)".*/\1/p')

  # Its saga
  grpcurl -plaintext {orchestrator_admin} saga.v1.SagaService/ListSagas
  grpcurl -plaintext -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetSaga
  grpcurl -plaintext -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetHistory

  # Cancel the order: the money and the lamps go back
  grpcurl -plaintext -d '{"request_id":"cancel-'$ORDER_ID'","order_id":"'$ORDER_ID'","member_id":"mina","reason":"changed my mind"}' \
    {orchestrator} shop.checkout.v1.CheckoutService/CancelOrder

  # Let the gateway decline every second card, then none
  grpcurl -plaintext -d '{"scenario":{"fail_percent":50}}' {mock_pg} pg.v1.MockControl/SetScenario
  grpcurl -plaintext -d '{}' {mock_pg} pg.v1.MockControl/SetScenario

  # The shelf, and more for it
  grpcurl -plaintext {stock_svc} shop.stock.v1.StockService/ListProducts
  grpcurl -plaintext -H "idempotency-key: restock-$(date +%s)" -d '{"product_id":"lamp","quantity":10,"price":{"minor_units":39000,"currency_code":"KRW"}}' \
    {stock_svc} shop.stock.v1.StockService/Restock

Ctrl-C ends it.
)lines";

// The project that `folder` is in; empty if it is in none.
std::filesystem::path ProjectAbove(std::filesystem::path folder) {
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::is_directory(folder / "orchestrator/sagas")) return folder;
  }
  return "";
}

// `lines` with each {NAME} replaced by its address among those of `addresses`, lines of NAME=host:port.
std::string WithAddresses(std::string lines, const std::string& addresses) {
  for (const absl::string_view line : absl::StrSplit(addresses, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(line, absl::MaxSplits('=', 1));
    lines = absl::StrReplaceAll(lines, {{absl::StrCat("{", pair.first, "}"), pair.second}});
  }
  return lines;
}

std::string AddressesOf(const Cluster& cluster) {
  std::string addresses;
  for (Node node : kNodes) absl::StrAppend(&addresses, NodeName(node), "=", cluster.Address(node), "\n");
  absl::StrAppend(&addresses, "orchestrator_admin=", cluster.AdminAddress(Node::kOrchestrator), "\n");
  return addresses;
}

void Announce(Cluster& cluster, const std::string& addresses, bool has_gateway) {
  std::printf("%s\nDatabases and logs: %s\n", addresses.c_str(), cluster.scratch().c_str());
  if (PostgresServer* const postgres = cluster.postgres(); postgres != nullptr) {
    std::printf("PostgreSQL: psql -h %s -p %d -U postgres orchestrator\n", postgres->folder().c_str(),
                postgres->port());
  }
  std::printf("%s%s", WithAddresses(has_gateway ? kRestLines : kNoRestLine, addresses).c_str(),
              WithAddresses(kLines, addresses).c_str());
  std::fflush(stdout);
  if (const std::string file = absl::GetFlag(FLAGS_addresses_file); !file.empty()) {
    std::ofstream(file + ".new") << addresses;
    std::rename((file + ".new").c_str(), file.c_str());
  }
}

// Until a stop signal; says who ends meanwhile.
void Watch(Cluster& cluster, RestGateway* gateway) {
  std::set<Node> ended;
  while (!AwaitStopSignal(kWatchPause)) {
    for (Node node : kNodes) {
      if (cluster.Running(node) || !ended.insert(node).second) continue;
      std::cerr << cluster.Obituary(node, absl::StrCat("ended, with status ", cluster.ExitStatus(node)))
                << "\nThe others go on until Ctrl-C.\n";
    }
    if (gateway == nullptr || gateway->Running()) continue;
    std::cerr << "the REST gateway ended; its log is " << gateway->log() << "\nThe others go on until Ctrl-C.\n";
    gateway = nullptr;
  }
}

int Main() {
  const std::filesystem::path own_folder = std::filesystem::canonical("/proc/self/exe").parent_path();
  const std::filesystem::path project = ProjectAbove(own_folder);
  if (project.empty()) {
    std::cerr << "no folder above " << own_folder << " has orchestrator/sagas: run it where the project built it\n";
    return 1;
  }
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? own_folder.string() : absl::GetFlag(FLAGS_bin_dir);
  options.definitions = project / "orchestrator/sagas";
  for (Node node : {Node::kOrchestrator, Node::kOrder, Node::kStock, Node::kPayment}) {
    options.extra_flags[node] = {"--enable_reset"};  // its databases are thrown away in the end
  }
  const std::string store = absl::GetFlag(FLAGS_store);
  if (store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  options.postgres = store == "postgres";
  const auto started = Cluster::Start(options);
  absl::Status status = started.status();
  if (status.ok()) status = Shop(**started).Restock("lamp", 20, 39000);
  std::unique_ptr<RestGateway> gateway;
  if (const std::string envoy = absl::GetFlag(FLAGS_envoy); status.ok() && !envoy.empty()) {
    auto front = RestGateway::Start(**started, {.envoy = envoy, .project = project, .files = own_folder.parent_path()});
    status = front.status();
    if (front.ok()) gateway = *std::move(front);
  }
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  std::string addresses = AddressesOf(**started);
  if (gateway != nullptr) absl::StrAppend(&addresses, gateway->addresses());
  Announce(**started, addresses, gateway != nullptr);
  Watch(**started, gateway.get());
  return 0;
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  unwind::ParseFlagsOnly(
      argc, argv, "Starts the five processes, and the REST gateway before them, on loopback, and stays until Ctrl-C.");
  return unwind::Main();
}
