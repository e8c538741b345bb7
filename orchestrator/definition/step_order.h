// Which step waits for which, and whether that fits the steps' kinds (rule S5).
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_STEP_ORDER_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_STEP_ORDER_H_

#include <vector>

#include "common/base/findings.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

struct StepOrder {
  bool sound = true;                        // false: a name in `after` is unknown, or there is a cycle
  std::vector<std::vector<int>> after;      // direct dependencies, ascending
  std::vector<std::vector<bool>> ancestor;  // ancestor[i][j]: step i waits for step j, directly or not
};

// REQUIRES: kinds.size() == steps.size().
StepOrder CheckStepOrder(const std::vector<StepText>& steps, const std::vector<StepKind>& kinds, Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_STEP_ORDER_H_
