#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/support/span_collector.h"

namespace unwind {
namespace {

constexpr std::size_t kRounds = 5;
constexpr std::array<absl::string_view, 3> kRatios = {"0", "0.1", "1"};

Load Traced(absl::string_view ratio, const SpanCollector& collector) {
  Load load;
  if (ratio == kRatios[0]) return load;
  for (const Node node : kNodes) load.flags[node] = {absl::StrCat("--otlp_endpoint=", collector.endpoint())};
  load.flags[Node::kOrchestrator].push_back(absl::StrCat("--trace_ratio=", ratio));
  return load;
}

// Of the five processes: the collector runs in this one, among the callers.
double CpuMicros(const nlohmann::json& row) {
  double micros = 0;
  for (const Node node : kNodes) micros += row["cpu_micros_per_saga"][NodeName(node)].get<double>();
  return micros;
}

double Median(std::array<double, kRounds> values) {
  std::sort(values.begin(), values.end());
  return values[kRounds / 2];
}

}  // namespace

Figures PlayTracing(const BenchOptions& bench, const std::string& name) {
  std::array<std::array<double, kRounds>, kRatios.size()> micros;
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kRatios.size(); ++i) {
      SpanCollector collector;
      ASSIGN_OR_RETURN(const nlohmann::json row,
                       PlayLoad(bench, absl::StrCat(name, " of ", kRatios[i]), Traced(kRatios[i], collector)));
      micros[i][round] = CpuMicros(row);
    }
  }
  nlohmann::json figures = {{"scenario", name}};
  for (std::size_t i = 0; i < kRatios.size(); ++i) {
    std::array<double, kRounds> over_untraced;
    for (std::size_t round = 0; round < kRounds; ++round)
      over_untraced[round] = Ratio(micros[i][round], micros[0][round]);
    figures[std::string(kRatios[i])] = {{"cpu_micros_per_saga", Median(micros[i])},
                                        {"over_untraced", Median(over_untraced)}};
    PrintLine(absl::StrCat(name, " of ", kRatios[i]),
              absl::StrFormat("CPU us of the five processes, median %.0f; over untraced, median of the pairs %.3f",
                              Median(micros[i]), Median(over_untraced)));
  }
  return figures;
}

}  // namespace unwind
