// Real sagas that stand still in their middle, as many as are wanted: a participant is stopped, and the sagas have
// hours of patience.
#ifndef UNWIND_TESTS_BENCH_IN_FLIGHT_H_
#define UNWIND_TESTS_BENCH_IN_FLIGHT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/rig.h"
#include "tests/support/temp_dir.h"

namespace unwind {

// Writes the shop's place_order.yaml into `folder`, with hours for the saga and for each of its calls. Returns its
// path.
absl::StatusOr<std::string> WritePatientOrders(const TempDir& folder);

// Flags of an orchestrator that takes so many.
RigOptions RigFor(const std::string& definitions, int in_flight);

// Starts `count` more sagas, whose callers leave as soon as they are accepted.
absl::Status StartAndLeave(Rig& rig, int count);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_IN_FLIGHT_H_
