#include <future>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr double kOverload = 3;
// As many as the headline has callers, so that the admitted have no reason to wait longer than those.
constexpr char kInFlightMax[] = "--in_flight_max=128";
constexpr char kSoldOut[] = "sold-out";

absl::StatusOr<LoadOptions> SetUp(Rig& rig, const Load& load) {
  pg::v1::Scenario gateway;
  gateway.set_fail_percent(load.fail_percent);
  RETURN_IF_ERROR(rig.shop().SetScenario(gateway));
  if (load.sold_out) RETURN_IF_ERROR(rig.SellOut(kSoldOut));
  LoadOptions orders = load.sold_out ? rig.OrdersOf(kSoldOut) : load.hot ? rig.OrdersOf("product-0") : rig.Orders();
  orders.callers = load.callers;
  orders.rate = load.rate;
  return orders;
}

// What the orchestrator held early in a load, and at its end.
struct Memory {
  double early_mib = 0;
  double late_mib = 0;
};

LoadResult RunWatched(const Rig& rig, const LoadOptions& load, Memory& memory) {
  std::future<LoadResult> result = StartLoad(load);
  absl::SleepFor(load.length / 4);
  memory.early_mib = rig.ResidentMib(Node::kOrchestrator);
  absl::SleepFor(load.length * 3 / 4);
  memory.late_mib = rig.ResidentMib(Node::kOrchestrator);
  return result.get();
}

}  // namespace

Figures PlayLoad(const BenchOptions& bench, const std::string& name, const Load& load) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig,
                   Rig::Start(bench, {.flags = load.flags, .two_orchestrators = load.two_orchestrators}));
  ASSIGN_OR_RETURN(LoadOptions orders, SetUp(*rig, load));
  RETURN_IF_ERROR(rig->WarmUp(orders));
  orders.length = bench.length;
  ASSIGN_OR_RETURN(const Snapshot before, rig->Look());
  const LoadResult result = RunLoad(orders);
  RETURN_IF_ERROR(rig->AwaitRest());
  ASSIGN_OR_RETURN(const Snapshot after, rig->Look());
  RETURN_IF_ERROR(rig->CheckBooks().status());
  nlohmann::json row = Describe(bench, name, result);
  DescribeCost(*rig, before, after, result, row);
  PrintRow(row);
  return row;
}

Figures PlayHotProduct(const BenchOptions& bench, const std::string& name, const Headline& headline) {
  ASSIGN_OR_RETURN(nlohmann::json row, PlayLoad(bench, name, {.hot = true}));
  const double ratio = Ratio(row["sagas_per_second"].get<double>(), headline.per_second);
  row["hot_over_spread"] = ratio;
  PrintLine("", absl::StrFormat("hot / spread %.2f", ratio));
  return row;
}

Figures PlayOverload(const BenchOptions& bench, const std::string& name, const Headline& headline) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig,
                   Rig::Start(bench, {.flags = {{Node::kOrchestrator, {kInFlightMax}}}}));
  LoadOptions orders = rig->Orders();
  RETURN_IF_ERROR(rig->WarmUp(orders));
  orders.rate = kOverload * headline.per_second;
  orders.length = bench.length;
  ASSIGN_OR_RETURN(const Snapshot before, rig->Look());
  Memory memory;
  const LoadResult result = RunWatched(*rig, orders, memory);
  RETURN_IF_ERROR(rig->AwaitRest());
  ASSIGN_OR_RETURN(const Snapshot after, rig->Look());
  RETURN_IF_ERROR(rig->CheckBooks().status());

  nlohmann::json row = Describe(bench, name, result);
  DescribeCost(*rig, before, after, result, row);
  PrintRow(row);
  row["goodput_over_headline"] = Ratio(result.per_second(), headline.per_second);
  row["p99_over_headline"] = Ratio(Quantile(result.millis, 0.99), headline.p99_millis);
  row["refused"] = result.refused_millis.size();
  row["refused_p50_ms"] = Quantile(result.refused_millis, 0.50);
  row["refused_p99_ms"] = Quantile(result.refused_millis, 0.99);
  row["early_mib"] = memory.early_mib;
  row["late_mib"] = memory.late_mib;
  PrintLine("",
            absl::StrFormat("goodput / headline %.2f, p99 of the admitted / headline %.2f; %d refused, p50 %.1f ms, "
                            "p99 %.1f ms, with the callers on the same cores; orchestrator %.0f, then %.0f MiB",
                            row["goodput_over_headline"].get<double>(), row["p99_over_headline"].get<double>(),
                            static_cast<int>(result.refused_millis.size()), row["refused_p50_ms"].get<double>(),
                            row["refused_p99_ms"].get<double>(), memory.early_mib, memory.late_mib));
  return row;
}

}  // namespace unwind
