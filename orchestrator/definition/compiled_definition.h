// The result of loading a definition: tables, and the few lines that read them.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_COMPILED_DEFINITION_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_COMPILED_DEFINITION_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/definition/call_metadata.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/mapping.h"
#include "orchestrator/definition/message_types.h"

namespace unwind {

struct CompiledStep {
  StepMethods methods;
  std::shared_ptr<const Mapping> action;
  std::shared_ptr<const Mapping> compensation;  // null: none
  std::shared_ptr<const Mapping> resolve;       // null: none
  CallMetadata metadata;
  const google::protobuf::Message* reply = nullptr;  // the prototype of the action's and the resolve's answer
  const google::protobuf::Message* compensation_reply = nullptr;  // null: no compensation
};

struct DefinitionParts {
  std::shared_ptr<MessageTypes> types;  // first, so that it goes last: everything below points into it
  Plan plan;
  const google::protobuf::MethodDescriptor* serves = nullptr;
  std::optional<Follows> follows;
  FieldPath key;  // of the request; empty: none
  bool key_required = true;
  std::vector<CompiledStep> steps;
  std::shared_ptr<const Mapping> response;
  std::shared_ptr<const Mapping> early_response;  // null: none
  std::map<std::string, int> errors;              // google.rpc.Code by reason
  std::vector<std::string> warnings;
  std::string yaml;
  std::string descriptors;
  std::string hash;
};

// Whether the code tells a caller to repeat the call as it is: a finished saga would give the same answer for ever.
bool BidsRepeat(absl::StatusCode code);

std::shared_ptr<const Definition> MakeDefinition(DefinitionParts parts);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_COMPILED_DEFINITION_H_
