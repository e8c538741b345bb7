// The loads of a bench, each on processes and databases of its own.
#ifndef UNWIND_TESTS_BENCH_SCENARIOS_H_
#define UNWIND_TESTS_BENCH_SCENARIOS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace unwind {

struct BenchOptions {
  std::string bin_dir;
  bool on_postgres = false;
  bool quick = false;
  std::string only;       // the scenarios whose name contains it
  absl::Duration length;  // of each load
  double limit = 0;       // sagas a second, of the machine
};

// Prints a line a scenario and adds what it measured to `json`. Fails if a scenario could not be played or left books
// that do not add up.
absl::Status RunScenarios(const BenchOptions& options, nlohmann::json& json);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_SCENARIOS_H_
