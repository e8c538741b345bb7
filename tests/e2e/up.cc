// unwind_up: the real processes on loopback, and the REST gateway before them if there is an Envoy, staying until
// Ctrl-C, with lines to paste.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/base/flags.h"
#include "common/base/stop_signals.h"
#include "tests/support/cluster.h"
#include "tests/support/prometheus.h"
#include "tests/support/rest_gateway.h"
#include "tests/support/shop.h"

ABSL_DECLARE_FLAG(std::string, otlp_endpoint);
ABSL_FLAG(std::string, bin_dir, "", "Folder of the programs; empty: the folder of this one.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of their own.");
ABSL_FLAG(std::string, envoy, "", "The program of Envoy 1.40, for the REST gateway; empty: there is none.");
ABSL_FLAG(bool, two_of_each, false, "Two orchestrators and two of each service, which needs --store=postgres.");
ABSL_FLAG(bool, secure, false,
          "Mutual TLS everywhere, with certificates of a throw-away authority, policy/shop.yaml, and members' tokens.");
ABSL_FLAG(std::string, addresses_file, "", "Where to write the addresses as NAME=host:port lines, once all is up.");

namespace unwind {
namespace {

constexpr absl::Duration kScrapeEvery = absl::Seconds(5);
constexpr absl::Duration kWatchPause = absl::Milliseconds(200);
constexpr char kRestLines[] = R"lines(
The shop is open. Paste what you like into another terminal. By REST (docs/REST.md):

  # The shelf; buy a lamp; the same Idempotency-Key again is the same order
  {curl}{http}://{gateway}/api/v1/products
{token}  KEY=buy-$(date +%s)
  {curl}{http}://{gateway}/api/v1/orders{bearer} -H "Idempotency-Key: $KEY" -d '{"memberId":"minsu","items":[{"productId":"lamp","quantity":1}],"paymentMethod":"PAYMENT_METHOD_CARD"}'
  {curl}'{http}://{gateway}/api/v1/orders?memberId=minsu'{bearer}

  # As an operator: the sagas; in a browser{with_certificate}: {http}://{gateway_admin}/console/
  {curl}{as_operator}'{http}://{gateway_admin}/api/v1/sagas?pageSize=1'
{reset}
By gRPC:
)lines";
constexpr char kTokenLine[] = R"lines(  # Who buys: a token, good at this shop for 15 minutes
  TOKEN=$({program} token --member minsu --key {signing_key})
)lines";
constexpr char kResetLines[] = R"lines(  # As a tester: an empty shop, with all its pieces back
  curl -X POST http://{gateway_test}/api/test/reset -H 'X-Requested-With: curl'
)lines";
constexpr char kNoRestLine[] = R"lines(
The shop is open, without a REST gateway: that needs --envoy=PATH.
Paste what you like into another terminal:
)lines";
constexpr char kLines[] = R"lines(
  # What the orchestrator serves, and what PlaceOrder takes (./run interop installs grpcurl into build/tools)
  grpcurl {how} {orchestrator} list
  grpcurl {how} {orchestrator} describe shop.checkout.v1.PlaceOrderRequest

  # Buy two lamps{as_gateway}
  ORDER='{"request_id":"buy-'$(date +%s)'","member_id":"mina","items":[{"product_id":"lamp","quantity":2}],"payment_method":"PAYMENT_METHOD_CARD"}'
  grpcurl {buyer} -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder

  # The same request again is the same order. Another request_id is another order.
  ORDER_ID=$(grpcurl {buyer} -d "$ORDER" {orchestrator} shop.checkout.v1.CheckoutService/PlaceOrder | sed -n 's/.*"orderId": "\(.*\)".*/\1/p')

  # Its saga, by the operators' command line, and by gRPC
  {sagactl} list
  {sagactl} get $ORDER_ID
  grpcurl {how} {orchestrator_admin} saga.v1.SagaService/ListSagas
  grpcurl {how} -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetSaga
  grpcurl {how} -d '{"saga_id":"'$ORDER_ID'"}' {orchestrator_admin} saga.v1.SagaService/GetHistory

  # Cancel the order: the money and the lamps go back
  grpcurl {buyer} -d '{"request_id":"cancel-'$ORDER_ID'","order_id":"'$ORDER_ID'","member_id":"mina","reason":"changed my mind"}' \
    {orchestrator} shop.checkout.v1.CheckoutService/CancelOrder

  # Let the gateway decline every second card, then none
  grpcurl {how} -d '{"scenario":{"fail_percent":50}}' {mock_pg} pg.v1.MockControl/SetScenario
  grpcurl {how} -d '{}' {mock_pg} pg.v1.MockControl/SetScenario

  # The shelf, and more for it
  grpcurl {how} {stock_svc} shop.stock.v1.StockService/ListProducts
  grpcurl {how} -H "idempotency-key: restock-$(date +%s)" -d '{"product_id":"lamp","quantity":10,"price":{"minor_units":39000,"currency_code":"KRW"}}' \
    {stock_svc} shop.stock.v1.StockService/Restock

  # Its metrics, as Prometheus reads them; and a Prometheus over all of them, with the alerts: http://127.0.0.1:9095
  curl -s {orchestrator_metrics}/metrics
  prometheus --config.file={scratch}/prometheus.yml --storage.tsdb.path={scratch}/prometheus --web.listen-address=127.0.0.1:9095

{health}Ctrl-C ends it.
)lines";
constexpr char kHealthLines[] = R"lines(  # Without a certificate there is nothing but health, on a port of its own
  grpcurl -plaintext -import-path /usr/share/grpc-proto -proto grpc/health/v1/health.proto {orchestrator_health} grpc.health.v1.Health/Check
  # and this is refused
  grpcurl -max-time 3 -cacert {ca} {orchestrator} list

)lines";

// The root of the project that `folder` is in; empty if it is in none.
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
  for (Node node : cluster.nodes()) absl::StrAppend(&addresses, NodeName(node), "=", cluster.Address(node), "\n");
  for (Node node : cluster.nodes()) absl::StrAppend(&addresses, NodeName(node), "_pid=", cluster.Pid(node), "\n");
  absl::StrAppend(&addresses, "orchestrator_admin=", cluster.AdminAddress(Node::kOrchestrator), "\n");
  absl::StrAppend(&addresses, "orchestrator_metrics=", cluster.MetricsAddress(Node::kOrchestrator), "\n");
  if (!absl::GetFlag(FLAGS_secure)) return addresses;
  absl::StrAppend(&addresses, "orchestrator_health=", cluster.HealthAddress(Node::kOrchestrator), "\n");
  for (const char* const what : {"ca", "cert", "key"}) {
    absl::StrAppend(&addresses, what, "=", cluster.TesterFile(what), "\n");
  }
  return addresses;
}

// What stands for a name in the lines, in plaintext and with TLS.
struct Way {
  const char *name, *plain, *secure;
};
constexpr Way kWays[] = {
    {"{how}", "-plaintext", "-cacert {ca} -cert {cert} -key {key}"},
    {"{buyer}", "-plaintext",
     "-protoset {protoset} -cacert {ca} -cert {gateway_cert} -key {gateway_key} -H 'x-member-id: mina'"},
    {"{as_gateway}", "", ", as the gateway does once it knows the member"},
    {"{curl}", "curl ", "curl --cacert {ca} "},
    {"{http}", "http", "https"},
    {"{token}", "", kTokenLine},
    {"{bearer}", "", " -H \"Authorization: Bearer $TOKEN\""},
    {"{with_certificate}", "", " that has the certificate"},
    {"{as_operator}", "", "--cert {cert} --key {key} "},
    {"{reset}", kResetLines, ""},
    {"{health}", "", kHealthLines},
};

std::filesystem::path OwnFolder() { return std::filesystem::canonical("/proc/self/exe").parent_path(); }

// sagactl, with the options with which it does.
std::string SagactlCall(bool secure) {
  return absl::StrCat((OwnFolder() / "sagactl").string(), " --server {orchestrator_admin}",
                      secure ? " --tls_ca {ca} --tls_cert {cert} --tls_key {key}" : "");
}

void Announce(Cluster& cluster, const std::string& addresses, bool has_gateway) {
  std::printf("%s\nDatabases and logs: %s\n", addresses.c_str(), cluster.scratch().c_str());
  if (PostgresServer* const postgres = cluster.postgres(); postgres != nullptr) {
    std::printf("PostgreSQL: psql -h %s -p %d -U postgres orchestrator\n", postgres->folder().c_str(),
                postgres->port());
  }
  const bool secure = absl::GetFlag(FLAGS_secure);
  std::string lines = absl::StrCat(has_gateway ? kRestLines : kNoRestLine, kLines);
  for (const Way& way : kWays) lines = absl::StrReplaceAll(lines, {{way.name, secure ? way.secure : way.plain}});
  lines = absl::StrReplaceAll(lines, {{"{scratch}", cluster.scratch()},
                                      {"{sagactl}", SagactlCall(secure)},
                                      {"{program}", (OwnFolder() / "sagactl").string()},
                                      {"{protoset}", (OwnFolder().parent_path() / "unwind.protoset").string()}});
  std::printf("%s", WithAddresses(lines, addresses).c_str());
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
    for (Node node : cluster.nodes()) {
      if (cluster.Running(node) || !ended.insert(node).second) continue;
      std::cerr << cluster.Obituary(node, absl::StrCat("ended, with status ", cluster.ExitStatus(node)))
                << "\nThe others go on until Ctrl-C.\n";
    }
    if (gateway == nullptr || gateway->Running()) continue;
    std::cerr << "the REST gateway ended; its log is " << gateway->log() << "\nThe others go on until Ctrl-C.\n";
    gateway = nullptr;
  }
}

// Into the cluster's folder.
void WritePrometheusConfig(const Cluster& cluster, const std::filesystem::path& project) {
  PrometheusOptions options;
  options.every = kScrapeEvery;
  options.rule_files = {project / "k8s/alerts/*.yaml"};
  for (Node node : cluster.nodes()) options.jobs[NodeName(FirstOf(node))].push_back(cluster.MetricsAddress(node));
  std::ofstream(cluster.scratch() + "/prometheus.yml") << PrometheusConfig(options);
}

int Main() {
  const std::filesystem::path own_folder = OwnFolder();
  const std::filesystem::path project = ProjectAbove(own_folder);
  if (project.empty()) {
    std::cerr << "no folder above " << own_folder << " has orchestrator/sagas: run it where the project built it\n";
    return 1;
  }
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? own_folder.string() : absl::GetFlag(FLAGS_bin_dir);
  options.metrics = true;
  options.webhooks = true;
  options.definitions = project / "orchestrator/sagas";
  for (Node node : {Node::kOrchestrator, Node::kOrder, Node::kStock, Node::kPayment, Node::kCoupon, Node::kWallet}) {
    options.extra_flags[node] = {"--enable_reset"};  // its databases are thrown away in the end
  }
  const std::string collector = absl::GetFlag(FLAGS_otlp_endpoint);
  if (!collector.empty()) {
    for (Node node : kNodes) options.extra_flags[node].push_back(absl::StrCat("--otlp_endpoint=", collector));
    options.extra_flags[Node::kOrchestrator].push_back("--trace_ratio=1");
  }
  options.secure = absl::GetFlag(FLAGS_secure);
  for (Node node : kNodes) {
    const std::string policy = absl::StrCat("--policy=", (project / "policy/shop.yaml").string());
    if (options.secure) options.extra_flags[node].push_back(policy);
  }
  for (Node node : kSecondNodes) options.extra_flags[node] = options.extra_flags[FirstOf(node)];
  const std::string store = absl::GetFlag(FLAGS_store);
  if (store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  options.postgres = store == "postgres";
  options.two_of_each = absl::GetFlag(FLAGS_two_of_each);
  if (options.two_of_each && !options.postgres) {
    std::cerr << "--two_of_each needs --store=postgres\n";
    return 1;
  }
  const auto started = Cluster::Start(options);
  absl::Status status = started.status();
  if (status.ok()) status = Shop(**started).Restock("lamp", 20, 39000);
  std::unique_ptr<RestGateway> gateway;
  const std::string envoy = absl::GetFlag(FLAGS_envoy);
  const std::string secrets = status.ok() && options.secure ? WriteGatewaySecrets(**started) : "";
  if (status.ok() && !envoy.empty()) {
    auto front = RestGateway::Start(**started, {.envoy = envoy,
                                                .project = project,
                                                .files = own_folder.parent_path(),
                                                .secrets = ValueOf("secrets", secrets),
                                                .otlp_endpoint = collector});
    status = front.status();
    if (front.ok()) gateway = *std::move(front);
  }
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  WritePrometheusConfig(**started, project);
  std::string addresses = absl::StrCat(AddressesOf(**started), secrets);
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
      argc, argv,
      "Starts the processes of the shop, and the REST gateway before them, on loopback, and stays until Ctrl-C.");
  return unwind::Main();
}
