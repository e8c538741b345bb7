// How a load's figures are named, and the table they are printed in.
#ifndef UNWIND_TESTS_BENCH_FIGURES_H_
#define UNWIND_TESTS_BENCH_FIGURES_H_

#include <cstdint>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/bench/load.h"
#include "tests/bench/rig.h"
#include "tests/bench/scenarios.h"

namespace unwind {

// Rate, latency and answers, of the calls that were admitted.
nlohmann::json Describe(const BenchOptions& bench, const std::string& name, const LoadResult& result);
// What each of `sagas` cost between two looks, by process and in all.
nlohmann::json CpuMicrosPerSaga(const Snapshot& before, const Snapshot& after, std::int64_t sagas);
// Adds what each saga cost between two looks, and what the processes needed at most.
void DescribeCost(Rig& rig, const Snapshot& before, const Snapshot& after, const LoadResult& result,
                  nlohmann::json& json);

void PrintHead();
void PrintRow(const nlohmann::json& row);
// One line of a scenario that is no row of the table.
void PrintLine(const std::string& name, const std::string& line);

// Where processor time goes, of CpuMicrosPerSaga.
void PrintParts(const nlohmann::json& cpu_micros);

double Ratio(double value, double of);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_FIGURES_H_
