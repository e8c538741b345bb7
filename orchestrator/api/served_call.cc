#include "orchestrator/api/served_call.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "common/rpc/validate.h"
#include "google/rpc/error_details.pb.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

constexpr std::size_t kKeyBytesMax = 64;
constexpr absl::Duration kWaitMax = absl::Minutes(10);  // a waiter outlives a caller that hung up
constexpr double kMarginShare = 0.1;
constexpr absl::Duration kMarginMax = absl::Milliseconds(500);
constexpr double kTimeoutRounding = 0.01;  // gRPC may round a timeout up by this much on its way to the server
constexpr absl::Duration kRetryAfterMin = absl::Milliseconds(200);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(30);  // also where a person must help, who is slow
constexpr char kKeyHeader[] = "idempotency-key";

bool IsIdentifier(absl::string_view text) {
  return !text.empty() && text.size() <= kKeyBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
}

absl::string_view WithoutQuotes(absl::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

FieldViolation MissingKey(const std::string& field) {
  return {field.empty() ? kKeyHeader : field, "must be set: a call that is repeated with the same key has one effect"};
}

absl::Status KeyMissing(const std::string& field) {
  const std::string where =
      field.empty() ? absl::StrCat("metadata ", kKeyHeader) : absl::StrCat(field, ", or metadata ", kKeyHeader);
  absl::Status status =
      MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat("an idempotency key is required: set ", where),
                {"KEY_MISSING", kSagaDomain, {}});
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  const FieldViolation missing = MissingKey(field);
  violation->set_field(missing.field);
  violation->set_description(missing.description);
  status.SetPayload("type.googleapis.com/google.rpc.BadRequest", absl::Cord(bad_request.SerializeAsString()));
  return status;
}

// When the saga may have come further. A call that is out may be answered any moment; of a saga that memory has only
// the head of, it is not known.
absl::Duration PauseUntilMoved(const Saga& saga, const Definition* definition, absl::Time now) {
  if (saga.steps.empty() || !Outstanding(saga).empty()) return kRetryAfterMin;
  absl::Time next = absl::InfiniteFuture();
  for (const Step& step : saga.steps) next = std::min(next, step.wake_at);
  if (definition != nullptr) next = NextRunAt(definition->plan(), saga);
  return std::clamp(absl::Ceil(next - now, absl::Milliseconds(1)), kRetryAfterMin, kRetryAfterMax);
}

absl::Status StillRunning(const Saga& saga, bool undriven, absl::Duration until_moved) {
  ErrorInfo info = {"SAGA_RUNNING", kSagaDomain, {{"saga_id", saga.id}}};
  info.metadata["direction"] = saga.backward ? "BACKWARD" : "FORWARD";
  const bool needs_person = undriven || saga.state == SagaState::kParked;
  if (needs_person) info.metadata["state"] = saga.state == SagaState::kParked ? "PARKED" : "NOT_DRIVEN";
  if (saga.backward || saga.state == SagaState::kParked) info.metadata["saga_reason"] = ToldReason(saga);
  return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable,
                                  absl::StrCat("saga ", saga.id, " is ", NameOf(saga.state),
                                               undriven ? " and stands still until an operator helps" : "",
                                               "; repeat the call with the same key to wait on"),
                                  info),
                        needs_person ? kRetryAfterMax : until_moved);
}

}  // namespace

absl::Status CheckFields(const Definition& definition, const google::protobuf::Message& input,
                         const std::optional<std::string>& metadata) {
  std::vector<FieldViolation> violations = FindViolations(input, UnknownEnumValues::kPassOn);
  if (violations.empty()) return absl::OkStatus();
  FieldViolation missing = MissingKey(definition.key_field());
  const bool is_named = std::any_of(violations.begin(), violations.end(),
                                    [&](const FieldViolation& violation) { return violation.field == missing.field; });
  if (definition.key_required() && definition.Key(input).empty() && !metadata.has_value() && !is_named) {
    violations.insert(violations.begin(), std::move(missing));
  }
  return MakeBadRequest(kSagaDomain, violations);
}

absl::StatusOr<std::string> ReadKey(const Definition& definition, const google::protobuf::Message& input,
                                    const std::optional<std::string>& metadata) {
  const std::string in_request = definition.Key(input);
  const std::string in_metadata(metadata.has_value() ? WithoutQuotes(*metadata) : "");
  const std::string field = definition.key_field();
  if (!in_request.empty() && !in_metadata.empty() && in_request != in_metadata) {
    return MakeBadRequest(kSagaDomain,
                          {{field, absl::StrCat("must equal the metadata ", kKeyHeader, " if both are given")}});
  }
  if (metadata.has_value() && !IsIdentifier(in_metadata)) {
    return MakeBadRequest(kSagaDomain, {{kKeyHeader, "must match [A-Za-z0-9_-]{1,64}"}});
  }
  const std::string& key = in_request.empty() ? in_metadata : in_request;
  if (key.empty() && definition.key_required()) return KeyMissing(field);
  if (!key.empty() && !IsIdentifier(key))
    return MakeBadRequest(kSagaDomain, {{field, "must match [A-Za-z0-9_-]{1,64}"}});
  return key;
}

absl::Time AnswerBy(absl::Time now, absl::Time deadline, absl::Duration wait_max) {
  if (deadline == absl::InfiniteFuture()) return now + wait_max;
  deadline = std::min(deadline, now + kWaitMax);
  const absl::Duration left = std::max(deadline - now, absl::ZeroDuration());
  return deadline - std::min(left * kMarginShare, std::max(kMarginMax, left * kTimeoutRounding));
}

absl::Status DefinitionMissing(const DefinitionCatalog& catalog, const Saga& saga) {
  const std::string which = absl::StrCat("definition ", saga.definition, " version ", saga.definition_version);
  if (!catalog.MayBeLearnt(saga)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(which, " cannot be used here; the log of the orchestrator says why"),
                     {"DEFINITION_UNUSABLE", kSagaDomain, {{"saga_id", saga.id}}});
  }
  return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable,
                                  absl::StrCat(which, " is not loaded yet; repeat the call with the same key"),
                                  {"DEFINITION_MISSING", kSagaDomain, {{"saga_id", saga.id}}}),
                        kRetryAfterMin);
}

absl::StatusOr<std::string> Answer(const DefinitionCatalog& catalog, const Progress& progress, absl::Time now) {
  if (!progress.status.ok()) return progress.status;
  const Saga& saga = progress.saga;
  const std::shared_ptr<const Definition> definition = catalog.Of(saga);
  if (definition != nullptr && IsAnsweredEarly(definition->plan(), saga)) return definition->EarlyResponse(saga);
  const bool is_decided = definition != nullptr && IsDecided(definition->plan(), saga);
  if (!IsTerminal(saga.state) && !is_decided) {
    return StillRunning(saga, progress.undriven, PauseUntilMoved(saga, definition.get(), now));
  }
  if (definition == nullptr) return DefinitionMissing(catalog, saga);
  if (saga.state == SagaState::kCompleted) return definition->Response(saga);
  return definition->Error(saga);
}

}  // namespace unwind
