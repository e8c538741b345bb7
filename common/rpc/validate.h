// Enforces the saga.v1.rules field options (protos/saga/v1/rules.proto) of any message, generated or dynamic.
#ifndef UNWIND_COMMON_RPC_VALIDATE_H_
#define UNWIND_COMMON_RPC_VALIDATE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace unwind {

// OK, or MakeBadRequest(domain, every broken limit, nested fields too). Thread-safe.
absl::Status Validate(const google::protobuf::Message& message, absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_VALIDATE_H_
