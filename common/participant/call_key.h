// Who calls a participant, read from the metadata of the call.
#ifndef UNWIND_COMMON_PARTICIPANT_CALL_KEY_H_
#define UNWIND_COMMON_PARTICIPANT_CALL_KEY_H_

#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/participant/participant.h"
#include "grpcpp/support/string_ref.h"

namespace unwind {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Reads saga-id, saga-step, saga-phase, saga-kind, saga-issued-at, saga-expires-at, saga-accepts, saga-decide,
// idempotency-key and the trace context. With saga metadata saga-phase counts (a method may undo in one saga what it
// does in another), but only a resolving method resolves. Without it the idempotency-key alone is enough, `phase` is
// the method's own, and nothing pending is accepted. Without either: INVALID_ARGUMENT, reason METADATA_MISSING, naming
// what is missing; malformed values: INVALID_ARGUMENT, reason METADATA_INVALID.
absl::StatusOr<CallKey> ReadCallKey(const CallMetadata& metadata, barrier::Phase phase, absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_CALL_KEY_H_
