// What a follower's file reads of its parent, by its text alone (S17).
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_PARENT_READS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_PARENT_READS_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// The paths `parent.*` of a file, in its order.
std::vector<Text> ParentPathsOf(const DefinitionFile& file);

// The parent's steps that the file reads only where they may be missing: in first_of, and by or under `when`. A parent
// that has no such step is as one in which it did not run.
std::set<std::string> StepsReadIfThere(const DefinitionFile& file);
std::set<std::string> StepsReadIfThere(const Definition& follower);

bool HasStep(const Definition& parent, const std::string& step);

// The steps of `parents` that not each of their sagas has run when it ends as the file says.
std::set<std::string> StepsThatMayNotRun(const DefinitionFile& file,
                                         const std::vector<std::shared_ptr<const Definition>>& parents);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_PARENT_READS_H_
