// What callers are told when they cannot be told how a saga stands. Each is a Status with ErrorInfo, and with RetryInfo
// where the same call may succeed later.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_REFUSALS_H_
#define UNWIND_ORCHESTRATOR_ENGINE_REFUSALS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// RESOURCE_EXHAUSTED OVERLOADED: no saga has the caller's key, and none was started.
absl::Status Overloaded();

// RESOURCE_EXHAUSTED OVERLOADED: the same, since too many sagas wait for their participants.
absl::Status TooManyRest();

// RESOURCE_EXHAUSTED OVERLOADED: the call did nothing. Whether an earlier one with its key started a saga was not
// looked up, or one did.
absl::Status TooManyWait();

// UNAVAILABLE DEFINITION_PAUSED: no saga has the caller's key, and none was started, as an operator wants it.
absl::Status Paused(const DefinitionPause& pause);

// INVALID_ARGUMENT KEY_REUSED.
absl::Status KeyReused();

// UNAVAILABLE SAGA_MOVED: nothing was noted.
absl::Status MovedMeanwhile();

// UNAVAILABLE STORE_UNAVAILABLE, to callers and to operators: what they ask may be done yet. Said instead of what
// was decided and may not be stored: an answer must never be taken back.
absl::Status StoreSilent();

// Of a saga that `catalog` cannot drive, for an operator: nothing was noted, since only who knows its definition can
// act on it. UNAVAILABLE SAGA_NOT_HELD while that may still be learnt; else FAILED_PRECONDITION DEFINITION_UNUSABLE
// with the reason and what to do.
absl::Status NotDriven(const DefinitionCatalog& catalog, const Saga& saga);

// Of a nudge (S14) that changes nothing since its step takes none: FAILED_PRECONDITION SAGA_FINISHED or
// STEP_NOT_WAITING, NOT_FOUND STEP_NOT_FOUND. OK of every other event.
absl::Status AskRefusal(const Plan& plan, const Saga& saga, const Event& event);

// UNAVAILABLE SAGA_ELSEWHERE, of a nudge: another instance drives the saga, and it is not taken for that. And who that
// is; empty: `status` is another.
absl::Status DrivenElsewhere(const Saga& saga);
std::string OwnerElsewhere(const absl::Status& status);

// UNAVAILABLE OWNER_UNREACHABLE, of a nudge that `owner` could not be given, for `why`.
absl::Status OwnerUnreachable(const std::string& saga_id, const std::string& owner, absl::string_view why);

// RESOURCE_EXHAUSTED OVERLOADED, of a nudge.
absl::Status TooManyNudges();

// INTERNAL SAGA_QUARANTINED: the store refuses what was decided for the saga.
absl::Status Quarantined(const std::string& saga_id);

// INTERNAL STORE_FAILED: the store refuses the new saga.
absl::Status NotStored(const std::string& saga_id);

// Of a load that failed with `status`: NOT_FOUND SAGA_NOT_FOUND, StoreSilent or INTERNAL STORE_FAILED, never the
// database's words. OK if it did not fail. `saga_id` is empty where it is not known.
absl::Status LoadFailure(const absl::Status& status, const std::string& saga_id);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_REFUSALS_H_
