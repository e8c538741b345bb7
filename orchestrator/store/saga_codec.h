// The stored format: a saga and its history as rows. What SQL chooses by stands in columns, all else in messages of
// saga.stored.v1.
//
// The texts in columns (ids, definitions, keys and their scopes, instances) are UTF-8 without NUL; PostgreSQL refuses
// others. All else may be any bytes. Times are whole nanoseconds since 1970; the ends of int64 are infinite. Finer or
// farther times are rounded to these.
#ifndef UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_
#define UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_

#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

inline constexpr long long kNever = std::numeric_limits<long long>::max();  // infinitely late

// A row of table saga, in the types SQL exchanges.
struct SagaRow {
  std::string id, definition, key_scope, key, parent, owner;  // parent: empty for NULL
  long long definition_version = 0, state = 0, version = 0, next_run_at = 0, create_time = 0, update_time = 0;
  long long due_at = kNever, wait_ends_at = kNever,
            waits_since = kNever;  // kNever for NULL; the last two: written only
  std::string accepted, progress;  // serialized
};

// A row of table saga_event.
struct EventRow {
  std::string saga_id, what;
  long long seq = 0, at = 0, state = 0;
  std::string detail;  // serialized
};

// One write of a commit, made before any lock is taken.
struct WriteRows {
  SagaRow saga;
  long long seen = 0;  // SagaWrite::seen_version
  bool changes_due_at = false;
  std::vector<EventRow> events;
  std::vector<WriteRows> births;  // stored if this is
};

long long EncodeTime(absl::Time time);
absl::Time DecodeTime(long long stored);

// A reply that is also the step's in `saga` is left to that.
EventRow EncodeEvent(const Saga& saga, const HistoryEvent& event);
// Owned by the instance of `lease`, with what `followers` make of its end. Without `accepted` if it is an update, which
// leaves that as it is.
WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write, const FollowerSet& followers);

// DATA_LOSS, naming the saga, if the row is not one that Encode made.
absl::StatusOr<Saga> DecodeSaga(const SagaRow& row);
absl::StatusOr<HistoryEvent> DecodeEvent(const Saga& saga, const EventRow& row);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SAGA_CODEC_H_
