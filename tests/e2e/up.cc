// unwind_up: the five real processes on loopback, staying until Ctrl-C, with grpcurl lines to paste.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/base/flags.h"
#include "common/base/stop_signals.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"

ABSL_FLAG(std::string, bin_dir, "", "Folder of the five programs; empty: the folder of this one.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of their own.");
ABSL_FLAG(bool, secure, false, "Mutual TLS everywhere, with certificates of a throw-away authority.");
ABSL_FLAG(std::string, addresses_file, "", "Where to write the addresses as NAME=host:port lines, once all is up.");

namespace unwind {
namespace {

constexpr absl::Duration kWatchPause = absl::Milliseconds(200);
constexpr char kLines[] = R"lines(
The shop is open. Paste what you like into another terminal (grpcurl: ./run interop installs it into build/tools):

  # What the orchestrator serves, and what PlaceOrder takes
  grpcurl {how} {orchestrator} list
  grpcurl {how} {orchestrator} describe shop.checkout.v1.PlaceOrderRequest

  # Buy two lamps
  ORDER='{"request_id":"buy-'$(date +%s)'","member_id":"mina","items":[{"product_id":"lamp","quantity":2}],"payment_method":"PAYMENT_METHOD_CARD"}'
  grpcurl {how} -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder

  # The same request again is the same order. Another request_id is another order.
  ORDER_ID=$(grpcurl {how} -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder | sed -n 's/.*"orderId": "\(.*\)".*/\1/p')

  # Its saga
  grpcurl {how} {orchestrator_admin} saga.v1.SagaService/ListSagas
  grpcurl {how} -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetSaga
  grpcurl {how} -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetHistory

  # Cancel the order: the money and the lamps go back
  grpcurl {how} -d '{"request_id":"cancel-'$ORDER_ID'","order_id":"'$ORDER_ID'","member_id":"mina","reason":"changed my mind"}' \
    {orchestrator} shop.checkout.v1.CheckoutService/CancelOrder

  # Let the gateway decline every second card, then none
  grpcurl {how} -d '{"scenario":{"fail_percent":50}}' {mock_pg} pg.v1.MockControl/SetScenario
  grpcurl {how} -d '{}' {mock_pg} pg.v1.MockControl/SetScenario

  # The shelf, and more for it
  grpcurl {how} {stock_svc} shop.stock.v1.StockService/ListProducts
  grpcurl {how} -H "idempotency-key: restock-$(date +%s)" -d '{"product_id":"lamp","quantity":10,"price":{"minor_units":39000,"currency_code":"KRW"}}' \
    {stock_svc} shop.stock.v1.StockService/Restock

{health}Ctrl-C ends it.
)lines";
constexpr char kHealthLines[] = R"lines(  # Without a certificate there is nothing but health, on a port of its own
  grpcurl -plaintext -import-path /usr/share/grpc-proto -proto grpc/health/v1/health.proto {health_address} grpc.health.v1.Health/Check
  # and this is refused
  grpcurl -max-time 3 -cacert {ca} {orchestrator} list

)lines";

// The definitions of the project that `folder` is in; empty if it is in none.
std::string DefinitionsAbove(std::filesystem::path folder) {
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::is_directory(folder / "orchestrator/sagas")) return folder / "orchestrator/sagas";
  }
  return "";
}

// The flags with which grpcurl reaches a port.
std::string HowToReach(const Cluster& cluster) {
  if (!absl::GetFlag(FLAGS_secure)) return "-plaintext";
  return absl::StrCat("-cacert ", cluster.TesterFile("ca"), " -cert ", cluster.TesterFile("cert"), " -key ",
                      cluster.TesterFile("key"));
}

int Main() {
  const std::filesystem::path own_folder = std::filesystem::canonical("/proc/self/exe").parent_path();
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? own_folder.string() : absl::GetFlag(FLAGS_bin_dir);
  options.definitions = DefinitionsAbove(own_folder);
  if (options.definitions.empty()) {
    std::cerr << "no folder above " << own_folder << " has orchestrator/sagas: run it where the project built it\n";
    return 1;
  }
  const std::string store = absl::GetFlag(FLAGS_store);
  if (store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  options.postgres = store == "postgres";
  options.secure = absl::GetFlag(FLAGS_secure);
  const auto started = Cluster::Start(options);
  absl::Status status = started.status();
  if (status.ok()) status = Shop(**started).Restock("lamp", 20, 39000);
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  Cluster& cluster = **started;
  std::string lines = kLines;
  lines = absl::StrReplaceAll(lines, {{"{health}", options.secure ? kHealthLines : ""}});
  lines = absl::StrReplaceAll(lines, {{"{how}", HowToReach(cluster)}});
  if (options.secure) {
    lines = absl::StrReplaceAll(
        lines, {{"{health_address}", cluster.HealthAddress(Node::kOrchestrator)}, {"{ca}", cluster.TesterFile("ca")}});
  }
  std::string addresses;
  const std::string& admin = cluster.AdminAddress(Node::kOrchestrator);
  lines = absl::StrReplaceAll(lines, {{"{orchestrator_admin}", admin}});
  for (Node node : kNodes) {
    lines = absl::StrReplaceAll(lines, {{absl::StrCat("{", NodeName(node), "}"), cluster.Address(node)}});
    absl::StrAppend(&addresses, NodeName(node), "=", cluster.Address(node), "\n");
  }
  absl::StrAppend(&addresses, "orchestrator_admin=", admin, "\n");
  if (options.secure) {
    absl::StrAppend(&addresses, "orchestrator_health=", cluster.HealthAddress(Node::kOrchestrator), "\n");
    for (const char* const what : {"ca", "cert", "key"}) {
      absl::StrAppend(&addresses, what, "=", cluster.TesterFile(what), "\n");
    }
  }
  std::printf("%s\nDatabases and logs: %s\n", addresses.c_str(), cluster.scratch().c_str());
  if (PostgresServer* const postgres = cluster.postgres(); postgres != nullptr) {
    std::printf("PostgreSQL: psql -h %s -p %d -U postgres orchestrator\n", postgres->folder().c_str(),
                postgres->port());
  }
  std::printf("%s", lines.c_str());
  std::fflush(stdout);
  if (const std::string file = absl::GetFlag(FLAGS_addresses_file); !file.empty()) {
    std::ofstream(file + ".new") << addresses;
    std::rename((file + ".new").c_str(), file.c_str());
  }
  std::set<Node> ended;
  while (!AwaitStopSignal(kWatchPause)) {
    for (Node node : kNodes) {
      if (cluster.Running(node) || !ended.insert(node).second) continue;
      std::cerr << cluster.Obituary(node, absl::StrCat("ended, with status ", cluster.ExitStatus(node)))
                << "\nThe others go on until Ctrl-C.\n";
    }
  }
  return 0;
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  unwind::ParseFlagsOnly(argc, argv, "Starts the five processes on loopback and stays until Ctrl-C.");
  return unwind::Main();
}
