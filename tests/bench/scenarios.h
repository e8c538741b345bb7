// The scenarios of a bench: which there are, and which of them are played.
#ifndef UNWIND_TESTS_BENCH_SCENARIOS_H_
#define UNWIND_TESTS_BENCH_SCENARIOS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace unwind {

struct BenchOptions {
  std::string bin_dir;
  bool on_postgres = false;
  bool quick = false;
  std::string only;            // the scenarios whose name contains it
  absl::Duration length;       // of each load
  double limit = 0;            // sagas a second, of the machine
  std::int64_t finished = 0;   // sagas that are stored beforehand, finished or at rest, where that is measured
  int waiting = 0;             // sagas that wait for their customers, in the scenario of that name
  std::vector<int> in_flight;  // sagas that are recovered, of each recovery
  std::uint64_t seed = 0;      // of the moments at which PostgreSQL is killed
};

// Prints what each scenario measured and adds it to `json`. Fails if a scenario could not be played or left books that
// do not add up; the others are played all the same.
absl::Status RunScenarios(const BenchOptions& options, nlohmann::json& json);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_SCENARIOS_H_
