// One seed: a shop, its buyers and everything that goes wrong, then healing, rest, and every old message once more.
#ifndef UNWIND_TESTS_SIM_SIMULATION_H_
#define UNWIND_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/bug.h"
#include "tests/sim/faults.h"
#include "tests/sim/shop.h"

namespace unwind::sim {

struct SimulationOptions {
  std::uint64_t seed = 1;
  int sagas = 50;  // orders that buyers place; their cancellations come on top
  bool tells = false;
  Bug bug = Bug::kNone;
};

struct SimulationResult {
  std::uint64_t hash = 0;               // of everything that happened
  std::vector<std::string> violations;  // empty: every invariant held
  std::string story;                    // if it was to be told
  Tally tally;
};

SimulationResult Simulate(Shop& shop, const SimulationOptions& options);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_SIMULATION_H_
