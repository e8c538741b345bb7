#include "tests/bench/figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace unwind {

double Ratio(double value, double of) { return of > 0 ? value / of : 0; }

nlohmann::json Describe(const BenchOptions& bench, const std::string& name, const LoadResult& result) {
  return {{"scenario", name},
          {"sagas_per_second", result.per_second()},
          {"limit", bench.limit},
          {"ratio", Ratio(result.per_second(), bench.limit)},
          {"p50_ms", Quantile(result.millis, 0.50)},
          {"p95_ms", Quantile(result.millis, 0.95)},
          {"p99_ms", Quantile(result.millis, 0.99)},
          {"answers", result.answers}};
}

nlohmann::json CpuMicrosPerSaga(const Snapshot& before, const Snapshot& after, std::int64_t sagas) {
  nlohmann::json micros;
  double total = 0;
  for (const auto& [process, seconds] : after.cpu) {
    const double each =
        (seconds - before.cpu.at(process)) * 1e6 / static_cast<double>(std::max<std::int64_t>(1, sagas));
    micros[process] = each;
    total += each;
  }
  micros["all"] = total;
  return micros;
}

void DescribeCost(Rig& rig, const Snapshot& before, const Snapshot& after, const LoadResult& result,
                  nlohmann::json& json) {
  json["cpu_micros_per_saga"] = CpuMicrosPerSaga(before, after, result.admitted());
  const double count = static_cast<double>(std::max<std::int64_t>(1, result.admitted()));
  json["bytes_per_saga"] = static_cast<double>(after.bytes - before.bytes) / count;
  for (const Node node : rig.nodes()) json["peak_mib"][NodeName(node)] = rig.PeakMib(node);
}

void PrintHead() {
  std::printf("\n  %-26s %8s %6s %8s %8s %8s %9s %6s %8s\n", "", "sagas/s", "/limit", "p50 ms", "p95 ms", "p99 ms",
              "CPU us", "MiB", "B/saga");
}

void PrintRow(const nlohmann::json& row) {
  std::printf("  %-26s %8.0f %6.2f %8.1f %8.1f %8.1f %9.0f %6.0f %8.0f", row["scenario"].get<std::string>().c_str(),
              row["sagas_per_second"].get<double>(), row["ratio"].get<double>(), row["p50_ms"].get<double>(),
              row["p95_ms"].get<double>(), row["p99_ms"].get<double>(), row["cpu_micros_per_saga"]["all"].get<double>(),
              row["peak_mib"]["orchestrator"].get<double>(), row["bytes_per_saga"].get<double>());
  for (const auto& [answer, count] : row["answers"].items()) {
    if (answer != "OK" || row["answers"].size() > 1) std::printf("  %s %lld", answer.c_str(), count.get<long long>());
  }
  std::printf("\n");
}

void PrintLine(const std::string& name, const std::string& line) {
  std::printf("  %-26s %s\n", name.c_str(), line.c_str());
}

void PrintParts(const nlohmann::json& cpu_micros) {
  std::string parts;
  for (const auto& [process, micros] : cpu_micros.items()) {
    absl::StrAppend(&parts, process, " ", std::llround(micros.get<double>()), " ");
  }
  PrintLine("  CPU us by process:", parts);
}

}  // namespace unwind
