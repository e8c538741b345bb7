// Checks a mapping of a definition file against the message it builds, and compiles it.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_COMPILER_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_COMPILER_H_

#include <memory>

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/mapping.h"
#include "orchestrator/definition/message_types.h"
#include "orchestrator/definition/paths.h"

namespace unwind {

struct CompiledMapping {
  std::shared_ptr<const Mapping> mapping;  // of no use if there were findings
  bool reads_own_reply = false;
};

// `line` is where fields are missed that a request must give: those of saga.v1.rules `required`, and proto2's.
// A response gives what it likes, but for those of proto2.
CompiledMapping CompileMapping(const MappingText& text, int line, bool is_request,
                               const google::protobuf::Descriptor& type, const Scope& scope, MessageTypes& types,
                               Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_COMPILER_H_
