// What an operator is told of a step that does not succeed.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_STEP_TROUBLE_H_
#define UNWIND_ORCHESTRATOR_ENGINE_STEP_TROUBLE_H_

#include "orchestrator/engine/driver.h"
#include "orchestrator/engine/live_sagas.h"

namespace unwind {

// Warns of a call that is repeated again and again (S6, S7), and of each step that is parked in `next`, which `live` is
// to become, and was not before; those are counted as well. `reply`: what the decision was on; null: no reply.
void TellTrouble(DriverObserver& observer, const LiveSaga& live, const Saga& next, const Replied* reply);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_STEP_TROUBLE_H_
