// Enforces the saga.v1.rules field options (protos/saga/v1/rules.proto) of any message, generated or dynamic.
#ifndef UNWIND_COMMON_RPC_VALIDATE_H_
#define UNWIND_COMMON_RPC_VALIDATE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/error.h"
#include "google/protobuf/message.h"

namespace unwind {

// Of a number that the enum does not name: a service that acts on the field must know it, one that only passes it on
// need not, since its receiver may be newer.
enum class UnknownEnumValues { kRefuse, kPassOn };

// Every broken limit, nested fields too. Thread-safe.
std::vector<FieldViolation> FindViolations(const google::protobuf::Message& message, UnknownEnumValues unknown);

// Those of one field of the message, and of what is nested in it. Thread-safe.
std::vector<FieldViolation> FindViolations(const google::protobuf::Message& message,
                                           const google::protobuf::FieldDescriptor& field);

// OK, or MakeBadRequest(domain, FindViolations(message, kRefuse)). Thread-safe.
absl::Status Validate(const google::protobuf::Message& message, absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_VALIDATE_H_
