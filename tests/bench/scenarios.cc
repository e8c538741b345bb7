#include "tests/bench/scenarios.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "tests/bench/load.h"
#include "tests/support/audit.h"
#include "tests/support/cluster.h"
#include "tests/support/cpu.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

constexpr int kProducts = 100;
constexpr std::int64_t kPlenty = 100'000'000;
constexpr std::int64_t kPriceMinor = 1000;
constexpr int kConnections = 4;
constexpr absl::Duration kRestPatience = absl::Seconds(60);

struct Scenario {
  const char* name = "";
  bool in_quick = false;
  int callers = 128;
  double rate = 0;      // an open loop of so many a second
  double overload = 0;  // an open loop of so many times the headline's rate
  bool hot = false;     // one product, not a hundred
  bool sold_out = false;
  int fail_percent = 0;  // of payments
  bool two_orchestrators = false;
};

// The first is the headline, of which the overload is a multiple.
constexpr Scenario kScenarios[] = {
    {.name = "128 callers", .in_quick = true},
    {.name = "50 a second", .in_quick = true, .rate = 50},
    {.name = "1 caller", .callers = 1},
    {.name = "4 callers", .callers = 4},
    {.name = "16 callers", .callers = 16},
    {.name = "64 callers", .callers = 64},
    {.name = "256 callers", .callers = 256},
    {.name = "one hot product", .hot = true},
    {.name = "10 % of payments fail", .fail_percent = 10},
    {.name = "30 % of payments fail", .fail_percent = 30},
    {.name = "sold out", .hot = true, .sold_out = true},
    {.name = "two orchestrators", .two_orchestrators = true},
    {.name = "three times too much", .overload = 3},
};
// Of the overload: enough to keep everything busy, and not so many that the admitted wait long.
constexpr char kInFlightMax[] = "--in_flight_max=256";

struct Snapshot {
  std::map<std::string, double> cpu;  // seconds, by process
  std::int64_t bytes = 0;             // stored
};

class Stage {
 public:
  Stage(const BenchOptions& options, const Scenario& scenario, double headline)
      : options_(options), scenario_(scenario), headline_(headline) {}

  absl::StatusOr<nlohmann::json> Play() {
    RETURN_IF_ERROR(SetUp());
    LoadOptions load = Load();
    RunLoad(WarmUp(load));
    RETURN_IF_ERROR(AwaitRest());
    ASSIGN_OR_RETURN(const Snapshot before, Look());
    result_ = RunLoad(load);
    RETURN_IF_ERROR(AwaitRest());
    ASSIGN_OR_RETURN(const Snapshot after, Look());
    ASSIGN_OR_RETURN(const AuditReport report, Audit(*cluster_));
    if (!report.holds())
      return absl::InternalError(absl::StrCat(scenario_.name, ": the audit finds:\n", ToText(report)));
    return Describe(before, after);
  }

 private:
  absl::Status SetUp() {
    ClusterOptions options;
    options.bin_dir = options_.bin_dir;
    options.postgres = options_.on_postgres;
    if (scenario_.overload > 0) options.extra_flags[Node::kOrchestrator] = {kInFlightMax};
    ASSIGN_OR_RETURN(cluster_, Cluster::Start(options));
    if (scenario_.two_orchestrators) RETURN_IF_ERROR(cluster_->Launch(Node::kSecondOrchestrator));
    shop_ = std::make_unique<Shop>(*cluster_);
    for (int i = 0; i < kProducts; ++i) {
      const std::int64_t pieces = scenario_.sold_out ? 1 : kPlenty;
      RETURN_IF_ERROR(shop_->Restock(absl::StrCat("product-", i), pieces, kPriceMinor));
    }
    if (scenario_.sold_out) {
      shop::checkout::v1::PlaceOrderResponse response;
      const grpc::Status status = shop_->Place(Shop::Order("first", "product-0"), &response);
      if (!status.ok()) return absl::InternalError(status.error_message());
    }
    pg::v1::Scenario gateway;
    gateway.set_fail_percent(scenario_.fail_percent);
    return shop_->SetScenario(gateway);
  }

  LoadOptions Load() const {
    LoadOptions load;
    const std::string first = cluster_->Address(Node::kOrchestrator);
    for (int i = 0; i < kConnections; ++i) {
      const bool to_second = scenario_.two_orchestrators && i % 2 == 1;
      load.addresses.push_back(to_second ? cluster_->Address(Node::kSecondOrchestrator) : first);
    }
    load.callers = scenario_.callers;
    load.rate = scenario_.overload > 0 ? scenario_.overload * headline_ : scenario_.rate;
    load.length = options_.length;
    const int products = scenario_.hot ? 1 : kProducts;
    load.request = [products](std::uint64_t n) {
      return Shop::Order(absl::StrCat("member-", n),
                         absl::StrCat("product-", n % static_cast<std::uint64_t>(products)));
    };
    return load;
  }

  LoadOptions WarmUp(LoadOptions load) const {
    load.rate = 0;
    load.length = absl::Seconds(2);
    return load;
  }

  absl::Status AwaitRest() {
    absl::StatusOr<int> unfinished = -1;
    Eventually(kRestPatience, [&] {
      unfinished = shop_->Unfinished();
      return unfinished.ok() && *unfinished == 0;
    });
    RETURN_IF_ERROR(unfinished.status());
    if (*unfinished == 0) return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat(scenario_.name, ": ", *unfinished, " sagas are not over"));
  }

  std::vector<Node> Nodes() const {
    std::vector<Node> nodes(kNodes.begin(), kNodes.end());
    if (scenario_.two_orchestrators) nodes.push_back(Node::kSecondOrchestrator);
    return nodes;
  }

  absl::StatusOr<Snapshot> Look() {
    Snapshot snapshot;
    snapshot.cpu["the callers"] = OwnCpuSeconds();
    for (const Node node : Nodes()) snapshot.cpu[NodeName(node)] = CpuSeconds(cluster_->Pid(node));
    PostgresServer* const server = cluster_->postgres();
    if (server != nullptr) {
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

  nlohmann::json Describe(const Snapshot& before, const Snapshot& after) {
    const double count = static_cast<double>(std::max<std::int64_t>(1, result_.count()));
    nlohmann::json json = {{"scenario", scenario_.name},
                           {"sagas_per_second", result_.per_second()},
                           {"limit", options_.limit},
                           {"ratio", result_.per_second() / options_.limit},
                           {"p50_ms", Quantile(result_.millis, 0.50)},
                           {"p95_ms", Quantile(result_.millis, 0.95)},
                           {"p99_ms", Quantile(result_.millis, 0.99)},
                           {"answers", result_.answers},
                           {"bytes_per_saga", static_cast<double>(after.bytes - before.bytes) / count}};
    double total = 0;
    for (const auto& [process, seconds] : after.cpu) {
      const double micros = (seconds - before.cpu.at(process)) * 1e6 / count;
      json["cpu_micros_per_saga"][process] = micros;
      total += micros;
    }
    json["cpu_micros_per_saga"]["all"] = total;
    for (const Node node : Nodes()) {
      json["peak_mib"][NodeName(node)] = static_cast<double>(cluster_->PeakKib(node)) / 1024;
    }
    if (!result_.refused_millis.empty()) {
      json["refused_p99_ms"] = Quantile(result_.refused_millis, 0.99);
      json["admitted_per_second"] = static_cast<double>(result_.answers["OK"]) / result_.seconds;
    }
    return json;
  }

  const BenchOptions& options_;
  const Scenario& scenario_;
  const double headline_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Shop> shop_;
  LoadResult result_;
};

void PrintHead() {
  std::printf("\n  %-22s %8s %6s %8s %8s %8s %9s %6s %8s\n", "", "sagas/s", "/limit", "p50 ms", "p95 ms", "p99 ms",
              "CPU us", "MiB", "B/saga");
}

void Print(const nlohmann::json& row) {
  std::printf("  %-22s %8.0f %6.2f %8.1f %8.1f %8.1f %9.0f %6.0f %8.0f", row["scenario"].get<std::string>().c_str(),
              row["sagas_per_second"].get<double>(), row["ratio"].get<double>(), row["p50_ms"].get<double>(),
              row["p95_ms"].get<double>(), row["p99_ms"].get<double>(), row["cpu_micros_per_saga"]["all"].get<double>(),
              row["peak_mib"]["orchestrator"].get<double>(), row["bytes_per_saga"].get<double>());
  for (const auto& [answer, count] : row["answers"].items()) {
    if (answer != "OK" || row["answers"].size() > 1) std::printf("  %s %lld", answer.c_str(), count.get<long long>());
  }
  std::printf("\n");
}

// Where the headline's processor time goes.
void PrintParts(const nlohmann::json& row) {
  std::printf("  %-22s", "  CPU us by process:");
  for (const auto& [process, micros] : row["cpu_micros_per_saga"].items()) {
    if (process != "all") std::printf(" %s %.0f", process.c_str(), micros.get<double>());
  }
  std::printf("\n");
}

}  // namespace

absl::Status RunScenarios(const BenchOptions& options, nlohmann::json& json) {
  PrintHead();
  double headline = 0;
  int played = 0;
  for (const Scenario& scenario : kScenarios) {
    const bool is_headline = &scenario == &kScenarios[0];
    const bool wanted = (!options.quick || scenario.in_quick) && absl::StrContains(scenario.name, options.only);
    if (!wanted && !(is_headline && !options.quick)) continue;
    ASSIGN_OR_RETURN(const nlohmann::json row, Stage(options, scenario, headline).Play());
    Print(row);
    if (is_headline) {
      headline = row["sagas_per_second"].get<double>();
      for (const char* key : {"sagas_per_second", "ratio", "p50_ms", "p95_ms", "p99_ms"}) json[key] = row[key];
      PrintParts(row);
    }
    json["scenarios"].push_back(row);
    ++played;
  }
  if (played == 0) return absl::NotFoundError(absl::StrCat("no scenario has '", options.only, "' in its name"));
  return absl::OkStatus();
}

}  // namespace unwind
