// A path into a message: the fields to follow, found once, when the definition is loaded.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FIELD_PATH_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FIELD_PATH_H_

#include <string>
#include <vector>

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace unwind {

// Empty: the message itself.
using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

// What to say of a field that the message does not have.
std::string SuggestField(const google::protobuf::Descriptor& message, const std::string& name,
                         const Findings& findings);

// The message that holds the path's last field; null if one on the way is not set. REQUIRES: path is not empty.
const google::protobuf::Message* Holder(const google::protobuf::Message& message, const FieldPath& path);

// Set: a message or an optional field is present, a repeated field has elements, any other is not its default.
bool IsSet(const google::protobuf::Message& message, const FieldPath& path);

// Copies what `from` holds at `source` into the field `target` of `to`; leaves it alone, and says false, if it is not
// set. REQUIRES: CanCopy of the two.
bool CopyField(const google::protobuf::Message& from, const FieldPath& source, google::protobuf::Message& to,
               const google::protobuf::FieldDescriptor& target);

// Whether values of `source` fit `target` as they are. No conversions: a saga carries data, it does not compute.
bool CanCopy(const google::protobuf::FieldDescriptor& source, const google::protobuf::FieldDescriptor& target);

// For people: "string", "repeated shop.type.v1.LineItem".
std::string TypeName(const google::protobuf::FieldDescriptor& field);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FIELD_PATH_H_
