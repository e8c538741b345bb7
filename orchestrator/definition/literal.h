// Literals on a right-hand side.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_LITERAL_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_LITERAL_H_

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace unwind {

// Sets the field to what `text` says. False, and `message` as it was, if it is no value of the field's type. An enum
// value is named in full or without its type's prefix: PAID for STATE_PAID of the enum State.
// REQUIRES: field is not repeated and not a message.
bool SetLiteral(google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                const std::string& text);

// Why the field does not hold `text` as it stands, though SetLiteral takes it; empty if it does: bytes take ASCII
// alone, because YAML's escapes name characters ("\xff" is two bytes); a number is within the type's range.
std::string WhyInexact(const google::protobuf::FieldDescriptor& field, const std::string& text);

// The name that a literal of this enum may use instead of `value`; equal to it if the enum has no prefix.
std::string ShortName(const google::protobuf::EnumValueDescriptor& value);

// "a.b": a plain literal of this look is far more likely a mistyped path than a text. REQUIRES: not empty.
bool LooksLikePath(absl::string_view text);

// What stands between the first braces, as in "${input.a}" or "{{ input.a }}", or else the whole text, without a $.
absl::string_view WithoutBraces(absl::string_view text);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_LITERAL_H_
