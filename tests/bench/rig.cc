#include "tests/bench/rig.h"

#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "soci/soci.h"
#include "tests/support/cpu.h"

namespace unwind {
namespace {

constexpr int kProducts = 100;
constexpr std::int64_t kPlenty = 100'000'000;
constexpr std::int64_t kPriceMinor = 1000;
constexpr int kConnections = 4;
constexpr absl::Duration kWarmUp = absl::Seconds(2);
constexpr absl::Duration kTellEvery = absl::Seconds(5);
constexpr absl::Duration kLookEvery = absl::Milliseconds(250);  // a look costs the store something

}  // namespace

void Tell(absl::string_view what) { std::fprintf(stderr, "  .. %.*s\n", static_cast<int>(what.size()), what.data()); }

Rig::Rig(RigOptions options, std::unique_ptr<Cluster> cluster)
    : options_(std::move(options)), cluster_(std::move(cluster)), shop_(std::make_unique<Shop>(*cluster_)) {}

absl::StatusOr<std::unique_ptr<Rig>> Rig::Start(const BenchOptions& bench, RigOptions options) {
  ClusterOptions of_cluster;
  of_cluster.bin_dir = bench.bin_dir;
  of_cluster.postgres = bench.on_postgres;
  of_cluster.extra_flags = options.flags;
  for (const Node node : {Node::kOrchestrator, Node::kSecondOrchestrator}) {
    of_cluster.extra_flags[node].push_back("--streams_max=1000");  // thousands of callers on kConnections
  }
  of_cluster.definitions = options.definitions;
  of_cluster.webhooks = options.webhooks;
  ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::Start(std::move(of_cluster)));
  std::unique_ptr<Rig> rig(new Rig(std::move(options), std::move(cluster)));
  if (rig->options_.two_orchestrators) RETURN_IF_ERROR(rig->cluster_->Launch(Node::kSecondOrchestrator));
  for (int i = 0; i < kProducts; ++i) {
    RETURN_IF_ERROR(rig->shop_->Restock(absl::StrCat("product-", i), kPlenty, kPriceMinor));
  }
  return rig;
}

std::vector<Node> Rig::nodes() const {
  std::vector<Node> nodes(kNodes.begin(), kNodes.end());
  if (options_.two_orchestrators) nodes.push_back(Node::kSecondOrchestrator);
  return nodes;
}

absl::Status Rig::StopAll() {
  RETURN_IF_ERROR(AwaitRest());
  for (const Node node : nodes()) RETURN_IF_ERROR(cluster_->Terminate(node).status());
  return absl::OkStatus();
}

absl::Status Rig::StartAll() {
  for (const Node node : nodes()) RETURN_IF_ERROR(cluster_->Restart(node));
  return absl::OkStatus();
}

absl::Status Rig::SellOut(const std::string& product) {
  RETURN_IF_ERROR(shop_->Restock(product, 1, kPriceMinor));
  const grpc::Status status = shop_->Place(Shop::Order("first", product), nullptr);
  return status.ok() ? absl::OkStatus() : absl::InternalError(status.error_message());
}

LoadOptions Rig::OrdersOf(const std::string& product) const {
  LoadOptions load;
  for (int i = 0; i < kConnections; ++i) {
    const bool to_second = options_.two_orchestrators && i % 2 == 1;
    load.addresses.push_back(cluster_->Address(to_second ? Node::kSecondOrchestrator : Node::kOrchestrator));
  }
  load.request = [product](std::uint64_t n) { return Shop::Order(absl::StrCat("member-", n), product); };
  return load;
}

LoadOptions Rig::Orders() const {
  LoadOptions load = OrdersOf("");
  load.request = [](std::uint64_t n) {
    return Shop::Order(absl::StrCat("member-", n), absl::StrCat("product-", n % kProducts));
  };
  return load;
}

absl::Status Rig::WarmUp(LoadOptions load) {
  load.rate = 0;
  load.length = kWarmUp;
  RunLoad(load);
  return AwaitRest();
}

template <class Value>
absl::StatusOr<std::vector<Value>> Rig::Select(Node node, const std::string& sql) {
  std::unique_ptr<Connection>& connection = connections_[node];
  if (connection == nullptr) {
    ASSIGN_OR_RETURN(connection, Connection::Open(cluster_->Database(node)));
  }
  std::vector<Value> values;
  RETURN_IF_ERROR(connection->Read([&](soci::session& session) {
    const soci::rowset<Value> rows = (session.prepare << sql);
    values.assign(rows.begin(), rows.end());
    return absl::OkStatus();
  }));
  return values;
}

absl::StatusOr<std::vector<std::int64_t>> Rig::Numbers(Node node, const std::string& sql) {
  ASSIGN_OR_RETURN(const std::vector<long long> numbers, Select<long long>(node, sql));
  return std::vector<std::int64_t>(numbers.begin(), numbers.end());
}

absl::StatusOr<std::vector<std::string>> Rig::Texts(Node node, const std::string& sql) {
  return Select<std::string>(node, sql);
}

absl::StatusOr<std::int64_t> Rig::Number(Node node, const std::string& sql) {
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> numbers, Numbers(node, sql));
  if (numbers.size() != 1) return absl::InternalError(absl::StrCat("not one number: ", sql));
  return numbers.front();
}

absl::StatusOr<std::int64_t> Rig::Unfinished() {
  return Number(Node::kOrchestrator, "SELECT COUNT(*) FROM saga WHERE state IN (1, 2, 5)");
}

absl::Status Rig::AwaitUnfinished(absl::Duration patience, const std::function<bool(std::int64_t)>& count) {
  const absl::Time until = absl::Now() + patience;
  absl::Time next_word = absl::Now() + kTellEvery;
  for (;;) {
    const absl::StatusOr<std::int64_t> unfinished = Unfinished();
    if (unfinished.ok() && count(*unfinished)) return absl::OkStatus();
    if (absl::Now() >= until) {
      RETURN_IF_ERROR(unfinished.status());
      return absl::DeadlineExceededError(absl::StrCat(*unfinished, " sagas are under way"));
    }
    if (absl::Now() >= next_word) {
      Tell(unfinished.ok() ? absl::StrCat(*unfinished, " sagas are under way") : unfinished.status().ToString());
      next_word += kTellEvery;
    }
    absl::SleepFor(kLookEvery);
  }
}

absl::Status Rig::AwaitRest(absl::Duration patience) {
  return AwaitUnfinished(patience, [](std::int64_t unfinished) { return unfinished == 0; });
}

absl::StatusOr<AuditReport> Rig::CheckBooks() {
  ASSIGN_OR_RETURN(AuditReport report, Audit(*cluster_));
  if (!report.holds()) return absl::InternalError(absl::StrCat("the audit finds:\n", ToText(report)));
  return report;
}

absl::StatusOr<Snapshot> Rig::Look() {
  Snapshot snapshot;
  snapshot.cpu["the callers"] = OwnCpuSeconds();
  for (const Node node : nodes()) snapshot.cpu[NodeName(node)] = CpuSeconds(cluster_->Pid(node));
  if (PostgresServer* const server = cluster_->postgres(); server != nullptr) {
    snapshot.cpu["postgres"] = server->CpuSeconds();
    ASSIGN_OR_RETURN(const auto rows,
                     server->Execute("postgres", "SELECT sum(pg_database_size(oid)) FROM pg_database"));
    snapshot.bytes = std::stoll(rows[0][0]);
    return snapshot;
  }
  for (const auto& file : std::filesystem::directory_iterator(cluster_->scratch())) {
    if (absl::StrContains(file.path().string(), ".db")) snapshot.bytes += static_cast<std::int64_t>(file.file_size());
  }
  return snapshot;
}

double Rig::ResidentMib(Node node) const { return static_cast<double>(ResidentKib(cluster_->Pid(node))) / 1024; }

}  // namespace unwind
