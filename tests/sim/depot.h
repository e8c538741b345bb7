// The participant of the simulation whose work takes its time: it packs, unpacks and ships parcels, answers "not
// finished" until the time is up, sometimes never finishes, and writes notes. Its own books hold it to what the barrier
// promises it: nothing is packed any more once its unpacking has begun.
#ifndef UNWIND_TESTS_SIM_DEPOT_H_
#define UNWIND_TESTS_SIM_DEPOT_H_

#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/db/migrate.h"
#include "common/participant/method_table.h"
#include "common/participant/table_service.h"
#include "tests/sim/faults.h"
#include "tests/sim/parcel.h"

namespace unwind::sim {

extern const Migrations kDepotMigrations;

ServiceTable DepotTable();

// How long each parcel takes follows from `seed` and its name. All must outlive the domain.
std::unique_ptr<StepDomain> NewDepotDomain(World& world, Faults& faults, std::uint64_t seed, const Clock& clock);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_DEPOT_H_
