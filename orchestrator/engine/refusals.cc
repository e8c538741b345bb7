#include "orchestrator/engine/refusals.h"

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"

namespace unwind {
namespace {

constexpr absl::Duration kPausedRetry = absl::Seconds(30);  // a person must help, who is slow

absl::Status StoreFailed(const char* what, const std::string& saga_id) {
  ErrorInfo info = {.reason = "STORE_FAILED", .domain = kSagaDomain, .metadata = {}};
  if (!saga_id.empty()) info.metadata["saga_id"] = saga_id;
  return MakeError(absl::StatusCode::kInternal, what, info);
}

absl::Status NotFound(const std::string& saga_id) {
  return MakeError(absl::StatusCode::kNotFound, absl::StrCat("there is no saga ", saga_id),
                   {.reason = "SAGA_NOT_FOUND", .domain = kSagaDomain, .metadata = {{"saga_id", saga_id}}});
}

}  // namespace

absl::Status Overloaded() {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted,
                                  "there is no room for another saga; nothing was started, try again",
                                  {.reason = "OVERLOADED", .domain = kSagaDomain, .metadata = {}}),
                        absl::Seconds(1));
}

absl::Status TooManyWait() {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted,
                                  "too many callers wait; this call did nothing, but one before it with the same key "
                                  "may have: repeat it with the same key",
                                  {.reason = "OVERLOADED", .domain = kSagaDomain, .metadata = {}}),
                        absl::Seconds(1));
}

absl::Status Paused(const DefinitionPause& pause) {
  return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable,
                                  absl::StrCat(pause.definition, " is paused, and nothing was started: ", pause.reason),
                                  {.reason = "DEFINITION_PAUSED",
                                   .domain = kSagaDomain,
                                   .metadata = {{"definition", pause.definition}, {"pause_reason", pause.reason}}}),
                        kPausedRetry);
}

absl::Status KeyReused() {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   "the idempotency key was used before with another request; use a new key for a new request",
                   {.reason = kReasonKeyReused, .domain = kSagaDomain, .metadata = {}});
}

absl::Status MovedMeanwhile() {
  return WithRetryAfter(
      MakeError(absl::StatusCode::kUnavailable, "the saga moved meanwhile; nothing was noted; look at it again",
                {.reason = "SAGA_MOVED", .domain = kSagaDomain, .metadata = {}}),
      absl::Milliseconds(100));
}

absl::Status StoreSilent() {
  return WithRetryAfter(
      MakeError(absl::StatusCode::kUnavailable,
                "the store does not answer, so that nobody knows whether the call was noted; who starts a saga repeats "
                "the call with the same key, who moves one looks at it first",
                {.reason = "STORE_UNAVAILABLE", .domain = kSagaDomain, .metadata = {}}),
      absl::Seconds(1));
}

absl::Status NotDriven(const DefinitionCatalog& catalog, const Saga& saga) {
  const std::map<std::string, std::string> about = {{"saga_id", saga.id}, {"owner", saga.owner}};
  const std::string what = absl::StrCat("this instance does not drive saga ", saga.id, " (owned by ", saga.owner,
                                        "): ", catalog.WhyNotDriven(saga));
  if (!catalog.MayBeLearnt(saga)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, what,
                     {.reason = "DEFINITION_UNUSABLE", .domain = kSagaDomain, .metadata = about});
  }
  return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable, what,
                                  {.reason = "SAGA_NOT_HELD", .domain = kSagaDomain, .metadata = about}),
                        absl::Seconds(1));
}

absl::Status Quarantined(const std::string& saga_id) {
  return MakeError(absl::StatusCode::kInternal,
                   absl::StrCat("saga ", saga_id,
                                " stands still, since the store refuses its next step; an operator must look at it"),
                   {.reason = "SAGA_QUARANTINED", .domain = kSagaDomain, .metadata = {{"saga_id", saga_id}}});
}

absl::Status NotStored(const std::string& saga_id) {
  return StoreFailed("the store refuses the saga; nothing was started", saga_id);
}

absl::Status LoadFailure(const absl::Status& status, const std::string& saga_id) {
  if (status.ok()) return status;
  if (absl::IsNotFound(status)) return NotFound(saga_id);
  if (absl::IsUnavailable(status)) return StoreSilent();
  return StoreFailed("the saga could not be read from the store", saga_id);
}

}  // namespace unwind
