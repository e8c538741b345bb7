// How what is mapped into a request fits what the request's fields take: their saga.v1.rules, and proto2's `required`.
// A participant refuses a request that breaks them, at every repeat, so what can be known is said when a definition is
// loaded.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_RULE_FIT_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_RULE_FIT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/field_path.h"

namespace unwind {

// By proto2 or by saga.v1.rules.
bool IsRequired(const google::protobuf::FieldDescriptor& field);

// Only characters of [A-Za-z0-9_-], at most 64.
bool TakesIdentifiers(const google::protobuf::FieldDescriptor& field);

// The bytes that a string or bytes field takes; npos: any number.
std::size_t BytesMax(const google::protobuf::FieldDescriptor& field);

// Whether a message that keeps its rules has something at `path`. The empty path is the message itself.
bool IsAlwaysSet(const FieldPath& path);

// What `source` may hold, by its own rules, that `target` does not take, each such as "may have more than 8 bytes".
// Whether it is set is not looked at. REQUIRES: CanCopy of the two.
std::vector<std::string> Excess(const google::protobuf::FieldDescriptor& source,
                                const google::protobuf::FieldDescriptor& target);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_RULE_FIT_H_
