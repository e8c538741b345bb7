// The `errors:` table of a definition: what a failure is to the caller.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_ERROR_TABLE_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_ERROR_TABLE_H_

#include <map>
#include <string>

#include "common/base/findings.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// The google.rpc.Code of each reason; without those that are no reason or no code.
std::map<std::string, int> ReadErrors(const decltype(DefinitionFile::errors)& table, Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_ERROR_TABLE_H_
