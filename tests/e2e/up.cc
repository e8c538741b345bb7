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
#include "tests/support/prometheus.h"
#include "tests/support/shop.h"

ABSL_FLAG(std::string, bin_dir, "", "Folder of the five programs; empty: the folder of this one.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of their own.");
ABSL_FLAG(std::string, addresses_file, "", "Where to write the addresses as NAME=host:port lines, once all is up.");

namespace unwind {
namespace {

constexpr absl::Duration kScrapeEvery = absl::Seconds(5);
constexpr absl::Duration kWatchPause = absl::Milliseconds(200);
constexpr char kLines[] = R"lines(
The shop is open. Paste what you like into another terminal (grpcurl: ./run interop installs it into build/tools):

  # What the orchestrator serves, and what PlaceOrder takes
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

  # Its metrics, as Prometheus reads them; and a Prometheus over all of them, with the alerts: http://127.0.0.1:9095
  curl -s {orchestrator_metrics}/metrics
  prometheus --config.file={scratch}/prometheus.yml --storage.tsdb.path={scratch}/prometheus --web.listen-address=127.0.0.1:9095

Ctrl-C ends it.
)lines";

// The root of the project that `folder` is in; empty if it is in none.
std::filesystem::path ProjectAbove(std::filesystem::path folder) {
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::is_directory(folder / "orchestrator/sagas")) return folder;
  }
  return "";
}

// Into the cluster's folder.
void WritePrometheusConfig(const Cluster& cluster, const std::filesystem::path& project) {
  PrometheusOptions options;
  options.every = kScrapeEvery;
  options.rule_files = {project / "k8s/alerts/*.yaml"};
  for (Node node : kNodes) options.jobs[NodeName(node)] = {cluster.MetricsAddress(node)};
  std::ofstream(cluster.scratch() + "/prometheus.yml") << PrometheusConfig(options);
}

int Main() {
  const std::filesystem::path own_folder = std::filesystem::canonical("/proc/self/exe").parent_path();
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? own_folder.string() : absl::GetFlag(FLAGS_bin_dir);
  options.metrics = true;
  const std::filesystem::path project = ProjectAbove(own_folder);
  options.definitions = project / "orchestrator/sagas";
  if (project.empty()) {
    std::cerr << "no folder above " << own_folder << " has orchestrator/sagas: run it where the project built it\n";
    return 1;
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
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  Cluster& cluster = **started;
  std::string lines = kLines;
  std::string addresses;
  const std::string& admin = cluster.AdminAddress(Node::kOrchestrator);
  lines = absl::StrReplaceAll(lines, {{"{orchestrator_admin}", admin},
                                      {"{orchestrator_metrics}", cluster.MetricsAddress(Node::kOrchestrator)},
                                      {"{scratch}", cluster.scratch()}});
  WritePrometheusConfig(cluster, project);
  for (Node node : kNodes) {
    lines = absl::StrReplaceAll(lines, {{absl::StrCat("{", NodeName(node), "}"), cluster.Address(node)}});
    absl::StrAppend(&addresses, NodeName(node), "=", cluster.Address(node), "\n");
  }
  absl::StrAppend(&addresses, "orchestrator_admin=", admin, "\n");
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
