// One step of a definition file as it stands by itself: its name, kind, methods and limits.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_STEP_READER_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_STEP_READER_H_

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// What comes of one step before it is seen among the others. A null method is none, or unknown and reported.
struct ReadStepResult {
  StepPlan plan;  // without `after`, `when` and compensation_reads_own_reply
  OutcomeOverrides overrides;
  const google::protobuf::MethodDescriptor* action = nullptr;
  const google::protobuf::MethodDescriptor* compensation = nullptr;
  const google::protobuf::MethodDescriptor* resolve = nullptr;
};

// `age_max`: past it nothing is sent for a saga, so that all of a step's attempts must fit into it.
ReadStepResult ReadStep(const StepText& text, const google::protobuf::DescriptorPool& pool, absl::Duration age_max,
                        Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_STEP_READER_H_
