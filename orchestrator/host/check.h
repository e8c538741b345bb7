// `orchestrator check`: what is wrong with definition files, without a database or a port.
#ifndef UNWIND_ORCHESTRATOR_HOST_CHECK_H_
#define UNWIND_ORCHESTRATOR_HOST_CHECK_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/definition/descriptor_sets.h"

namespace unwind {

// Checks the files of `paths`, each by itself and beside the others. A good one is a line of `out`, after its warnings.
// INVALID_ARGUMENT lists all that is wrong, one a line.
absl::Status CheckDefinitions(const std::vector<std::string>& paths, const DescriptorSets& sets, std::ostream& out);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_CHECK_H_
