// How a participant's error is read and kept.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_FAILURE_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_FAILURE_H_

#include "grpcpp/support/status.h"
#include "orchestrator/core/saga.h"

namespace unwind {

// The code (UNKNOWN if gRPC has no such code), the ErrorInfo, and the field violations of a BadRequest as metadata
// `field_violations`. Texts are cut to a length that may be stored with the saga and made valid UTF-8. Details that do
// not parse count as none.
Failure ReadFailure(const grpc::Status& status);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_CALL_FAILURE_H_
