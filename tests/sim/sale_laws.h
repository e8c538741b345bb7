// What must hold of sales, which wait, and of what follows them: I26 (a wait ends by its answer, by its time, by a
// cancel or by a person), I30 (and not much later than that time), I28 (what follows a saga runs once, and reads its
// parent as it ended) and I29 (of one payment one capture stands; who was told that he has paid has paid, and who was
// told that it is cancelled has not).
#ifndef UNWIND_TESTS_SIM_SALE_LAWS_H_
#define UNWIND_TESTS_SIM_SALE_LAWS_H_

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/engine/saga_store.h"
#include "tests/sim/books.h"
#include "tests/sim/world.h"

namespace unwind::sim {

// One event of a saga's history, and the row before and after it.
void CheckWaits(World& world, const Plan& plan, const Saga& before, const HistoryEvent& event, const Saga& after);

// A saga's row at any instant. `well_since`: since when its owner runs, and nothing keeps it from its work.
void CheckLateWaits(World& world, const Plan& plan, const Saga& saga, absl::Time well_since);

// Of a sale that is over: everything or nothing.
void CheckSale(World& world, const Saga& saga, const Books& books);

// Of a saga that was born.
void CheckFollower(World& world, const Saga& child, const absl::StatusOr<Saga>& parent, const Books& books);

// Why a saga that was born is parked: it cannot be built of its parent.
bool IsUnbuilt(const Saga& child);

// `paid`: the payments whose Pay was answered: paid.
void CheckPaid(World& world, const std::set<std::string>& paid, const Books& books);

// `cancelled`: the payments whose CancelPayment was answered OK.
void CheckCancelled(World& world, const std::set<std::string>& cancelled, const Books& books);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_SALE_LAWS_H_
