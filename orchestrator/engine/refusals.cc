#include "orchestrator/engine/refusals.h"

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

constexpr absl::Duration kSlowRetry = absl::Seconds(30);  // people must act, who are slow
constexpr char kSagaElsewhere[] = "SAGA_ELSEWHERE";

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

absl::Status TooManyRest() {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted,
                                  "too many sagas wait for what their participants have not finished (--waiting_max); "
                                  "nothing was started, try again later",
                                  {.reason = "OVERLOADED", .domain = kSagaDomain, .metadata = {}}),
                        kSlowRetry);
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
                        kSlowRetry);
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

absl::Status AskRefusal(const Plan& plan, const Saga& saga, const Event& event) {
  const auto* const nudged = std::get_if<Nudged>(&event);
  if (nudged == nullptr) return absl::OkStatus();
  const std::string& step = nudged->step;
  const std::map<std::string, std::string> about = {{"saga_id", saga.id}, {"step", step}};
  if (IsTerminal(saga.state)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, absl::StrCat("saga ", saga.id, " has ended"),
                     {.reason = "SAGA_FINISHED", .domain = kSagaDomain, .metadata = about});
  }
  const std::size_t i = StepNamed(plan, step);
  if (i == plan.steps.size()) {
    return MakeError(
        absl::StatusCode::kNotFound,
        absl::StrCat("step: ", plan.name, " has no step ", step, "; its calls say which it is in saga-step"),
        {.reason = "STEP_NOT_FOUND", .domain = kSagaDomain, .metadata = about});
  }
  if (TakesNudge(plan, saga, i)) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("step ", step, " does not wait for an answer of its participant; there is nothing to ask"),
      {.reason = "STEP_NOT_WAITING", .domain = kSagaDomain, .metadata = about});
}

absl::Status DrivenElsewhere(const Saga& saga) {
  return WithRetryAfter(
      MakeError(
          absl::StatusCode::kUnavailable,
          absl::StrCat("saga ", saga.id, " is driven by instance ", saga.owner,
                       ": nudge that one, or leave it, since the step is asked again in any case"),
          {.reason = kSagaElsewhere, .domain = kSagaDomain, .metadata = {{"saga_id", saga.id}, {"owner", saga.owner}}}),
      absl::Seconds(1));
}

std::string OwnerElsewhere(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return "";
  const ErrorInfo info = GetErrorInfo(status);
  const auto owner = info.metadata.find("owner");
  return info.reason == kSagaElsewhere && owner != info.metadata.end() ? owner->second : "";
}

absl::Status OwnerUnreachable(const std::string& saga_id, const std::string& owner, absl::string_view why) {
  return WithRetryAfter(
      MakeError(
          absl::StatusCode::kUnavailable,
          absl::StrCat("saga ", saga_id, " is driven by instance ", owner, ", which could not be told (", why,
                       "); the step is asked again at its next poll"),
          {.reason = "OWNER_UNREACHABLE", .domain = kSagaDomain, .metadata = {{"saga_id", saga_id}, {"owner", owner}}}),
      absl::Seconds(1));
}

absl::Status TooManyNudges() {
  return WithRetryAfter(
      MakeError(absl::StatusCode::kResourceExhausted, "too many nudges wait; the step is asked again at its next poll",
                {.reason = "OVERLOADED", .domain = kSagaDomain, .metadata = {}}),
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
