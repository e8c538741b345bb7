// What a definition's waits must be to each other and to its deadline (S15).
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_WAIT_CHECK_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_WAIT_CHECK_H_

#include <vector>

#include "common/base/findings.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/step_reader.h"

namespace unwind {

// REQUIRES: texts and steps are the same steps. Of `plan` its deadline and age are read.
void CheckWaits(const std::vector<StepText>& texts, const std::vector<ReadStepResult>& steps, const Plan& plan,
                Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_WAIT_CHECK_H_
