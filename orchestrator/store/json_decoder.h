// Reads the rows of the first release, whose columns steps, failure and detail were JSON:
//
// - text: UTF-8 with the escapes that DecodeText takes back. Bytes: Base64.
// - times: whole nanoseconds since 1970; the ends of int64 are infinite.
// - steps: [{"state":4,"phase":1,"sends":[0,1,0,0],"refusals":1,"awaiting":true,"parked":true,"wake_at":1,"reply":""}]
//   in the order of the plan; all but the first three only if they differ from a new step's.
// - failure: {"reason":"","domain":"","code":9,"message":"","step":"","metadata":{}}, only what is set.
// - detail: the event's own fields, by their names in advance.h, then "jitter":0.5 and
//   "sends":[{"step":0,"phase":1,"attempt":1}], only what is set.
#ifndef UNWIND_ORCHESTRATOR_STORE_JSON_DECODER_H_
#define UNWIND_ORCHESTRATOR_STORE_JSON_DECODER_H_

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/saga_codec.h"

namespace unwind {

// A row of table saga_1.
struct JsonSaga {
  std::string id, definition, key, input_hash, owner, traceparent, failure, steps, input;
  long long definition_version = 0, state = 0, version = 0, cancel_requested = 0, backward = 0;
  long long next_run_at = 0, deadline = 0, create_time = 0, update_time = 0;
};

// DATA_LOSS, naming the row, if it is not one that the first release made. A definition's texts and bytes are as the
// columns have them.
absl::StatusOr<Saga> DecodeJsonSaga(const JsonSaga& row);
absl::StatusOr<HistoryEvent> DecodeJsonEvent(const EventRow& row);
absl::StatusOr<StoredDefinition> DecodeJsonDefinition(const StoredDefinition& row);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_JSON_DECODER_H_
