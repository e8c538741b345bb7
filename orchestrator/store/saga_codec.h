// The stored format: how a saga and its history stand in the columns of orchestrator/migrations. Stored for ever:
// fields may be added, with a default for the rows that lack them; none is renamed or given another meaning.
//
// - text: as stored_text.h says. Bytes: Base64.
// - times: whole nanoseconds since 1970; the ends of int64 are infinite. Finer or farther times are rounded to these.
// - steps: [{"state":4,"phase":1,"sends":[0,1,0,0],"refusals":1,"unknowns":1,"awaiting":true,"parked":true,"wake_at":1,
//   "first_send_time":1,"reply":"","last_failure":{}}] in the order of the plan; all but the first three only if they
//   differ from a new step's.
// - failure: {"reason":"","domain":"","code":9,"message":"","step":"","metadata":{}}, only what is set.
// - detail: the event's own fields, by their names in advance.h, then "jitter":0.5 and
//   "sends":[{"step":0,"phase":1,"attempt":1}], only what is set.
#ifndef UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_
#define UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// A row of table saga, in the types SQL exchanges.
struct SagaRow {
  std::string id, definition, key_scope, key, input_hash, owner, traceparent, failure, steps, input;
  long long definition_version = 0, state = 0, version = 0, cancel_requested = 0, backward = 0;
  long long next_run_at = 0, deadline = 0, create_time = 0, update_time = 0;
};

// A row of table saga_event.
struct EventRow {
  std::string saga_id, what, detail;
  long long seq = 0, at = 0, state = 0;
};

// One write of a commit, made before any lock is taken.
struct WriteRows {
  SagaRow saga;
  long long seen = 0;  // SagaWrite::seen_version
  std::vector<EventRow> events;
};

long long EncodeTime(absl::Time time);

// All but `owner` and `next_run_at`, which are the store's.
SagaRow EncodeSaga(const Saga& saga);
EventRow EncodeEvent(absl::string_view saga_id, const HistoryEvent& event);
// All of it, owned by the instance of `lease`.
WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write);

// DATA_LOSS, naming the saga, if the row is not one that Encode made.
absl::StatusOr<Saga> DecodeSaga(const SagaRow& row);
absl::StatusOr<HistoryEvent> DecodeEvent(const EventRow& row);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_
