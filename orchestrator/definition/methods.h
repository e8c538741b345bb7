// RPCs by their names in a definition file.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_METHODS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_METHODS_H_

#include <string>

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// The unary method "package.Service/Method"; null, and a finding, if there is none.
const google::protobuf::MethodDescriptor* FindUnaryMethod(const google::protobuf::DescriptorPool& pool,
                                                          const Text& name, Findings& findings);

// Of a service that every orchestrator serves: SagaService, health or reflection.
bool IsOfThisProgram(const google::protobuf::MethodDescriptor& method);

// "/package.Service/Method".
std::string GrpcPath(const google::protobuf::MethodDescriptor& method);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_METHODS_H_
