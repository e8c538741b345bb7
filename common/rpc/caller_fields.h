// The request fields that name the caller (`caller` of saga.v1.rules).
#ifndef UNWIND_COMMON_RPC_CALLER_FIELDS_H_
#define UNWIND_COMMON_RPC_CALLER_FIELDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/caller.h"
#include "google/protobuf/message.h"

namespace unwind {

// PERMISSION_DENIED, CALLER_NOT_ALLOWED, with a BadRequest that names `fields`: each says another name than the
// caller's.
absl::Status NotTheCaller(absl::string_view domain, const std::vector<std::string>& fields);

// OK if every such field, nested ones too, names the principal's member, or the principal has none. One that is
// required and empty is Validate's to refuse. Thread-safe.
absl::Status CheckCallerFields(const google::protobuf::Message& request, const Principal& principal,
                               absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CALLER_FIELDS_H_
