// How a call over gRPC ended.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_RESULT_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_RESULT_H_

#include <cstddef>
#include <map>

#include "absl/strings/string_view.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/string_ref.h"
#include "orchestrator/engine/participants.h"

namespace unwind {

// What gRPC hands over when a call is over.
struct CallEnd {
  const grpc::Status& status;
  const grpc::ByteBuffer& response;
  const std::multimap<grpc::string_ref, grpc::string_ref>& trailers;
  absl::string_view key;  // the call's idempotency key
  std::size_t request_bytes = 0;
  std::size_t reply_bytes_max = 0;  // the channel's limit
};

// OK only with a whole message: without one it is INTERNAL, reason ANSWER_WITHOUT_MESSAGE. A message of no bytes is
// one. A reply above the limit is reason REPLY_TOO_LARGE, a compressed one REPLY_COMPRESSED. If the connection ended,
// it is UNAVAILABLE, reason CONNECTION_ENDED, and `by_transport` is set. None of these says what the participant did:
// it has not answered.
// A trailer `saga-outcome` beside a `saga-outcome-key` that is not the call's speaks of another call and is not heeded;
// but OK beside `pending` of another call is no answer either (PENDING_OF_ANOTHER_CALL), for it may be this one's.
// Everything kept of an error is bounded, see ReadFailure.
CallResult ReadResult(const CallEnd& end);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_RESULT_H_
