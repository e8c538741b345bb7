#include "orchestrator/api/step_verb.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "orchestrator/api/saga_proto.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

absl::Status BadReply(const std::string& what) { return MakeBadRequest(kSagaDomain, {{"reply", what}}); }

// `message` says the type.
absl::StatusOr<std::string> FromJson(const std::string& json, google::protobuf::Message& message) {
  const auto read = google::protobuf::util::JsonStringToMessage(json, &message);
  if (read.ok()) return message.SerializeAsString();
  return MakeBadRequest(
      kSagaDomain, {{"reply_json", absl::StrCat("is not the JSON of a ", message.GetDescriptor()->full_name(), ": ",
                                                read.message().ToString())}});
}

absl::Status CheckSeenIsKnown(const Seen& seen) {
  std::vector<FieldViolation> violations;
  if (!saga::v1::Saga::Direction_IsValid(seen.direction)) {
    violations.push_back({"seen_direction", "must be a saga.v1.Saga.Direction"});
  }
  if (!saga::v1::Phase_IsValid(seen.phase)) violations.push_back({"seen_phase", "must be a saga.v1.Phase"});
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(kSagaDomain, violations);
}

// Without a RetryInfo: the same request would be refused again.
absl::Status CheckSeen(const Definition& definition, const Saga& saga, int step, const Seen& seen) {
  RETURN_IF_ERROR(CheckSeenIsKnown(seen));
  const Seen now = SeenOf(definition, saga, step);
  const bool is_other_way = seen.direction != saga::v1::Saga::DIRECTION_UNSPECIFIED && seen.direction != now.direction;
  const bool is_other_phase = seen.phase != saga::v1::PHASE_UNSPECIFIED && seen.phase != now.phase;
  if (!is_other_way && !is_other_phase) return absl::OkStatus();
  const std::string& name = definition.plan().steps[static_cast<std::size_t>(step)].name;
  const std::string direction = saga::v1::Saga::Direction_Name(now.direction);
  const std::string phase = saga::v1::Phase_Name(now.phase);
  return MakeError(
      absl::StatusCode::kUnavailable,
      absl::StrCat("saga ", saga.id, " moved since it was looked at: it has ", direction, " and step ", name, " is in ",
                   phase, ", where the same verb would do something else; nothing was noted; look at it again"),
      {"SAGA_MOVED", kSagaDomain, {{"saga_id", saga.id}, {"step", name}, {"direction", direction}, {"phase", phase}}});
}

}  // namespace

Seen SeenOf(const Definition& definition, const Saga& saga, int step) {
  const saga::v1::Saga now = ToProto(saga, &definition.plan());
  return {.direction = now.direction(), .phase = now.steps(step).phase()};
}

absl::StatusOr<Operated> ReadVerb(const Definition& definition, const Saga& saga, const AskedVerb& asked,
                                  absl::Time now) {
  const std::string& step = asked.step;
  const std::vector<StepPlan>& steps = definition.plan().steps;
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const StepPlan& each) { return each.name == step; });
  if (found == steps.end()) {
    return MakeError(absl::StatusCode::kNotFound, absl::StrCat("saga ", saga.definition, " has no step ", step),
                     {"STEP_NOT_FOUND", kSagaDomain, {{"saga_id", saga.id}, {"step", step}}});
  }
  const auto index = found - steps.begin();
  RETURN_IF_ERROR(CheckSeen(definition, saga, static_cast<int>(index), asked.seen));
  if (!TakesVerb(definition.plan(), saga, static_cast<std::size_t>(index))) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("step ", step, " of saga ", saga.id, " (", NameOf(saga.state),
                                  ") is neither parked nor repeated nor waiting; see `parked`, `last_failure` and "
                                  "`state` in GetSaga"),
                     {"STEP_NOT_PARKED", kSagaDomain, {{"saga_id", saga.id}, {"step", step}}});
  }
  if (asked.verb == Verb::kRetry && IsTooOld(definition.plan(), saga, now)) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("saga ", saga.id, " is older than its participants remember what they did (",
                     absl::FormatDuration(definition.plan().age_max),
                     "), so that no answer to a call could be believed; look into the participant's own books, then "
                     "resolve or skip step ",
                     step),
        {"SAGA_TOO_OLD", kSagaDomain, {{"saga_id", saga.id}, {"step", step}}});
  }
  return Operated{.verb = asked.verb, .step = static_cast<int>(index), .reply = {}, .actor = {}, .reason = {}};
}

absl::StatusOr<std::string> ReadKnownReply(const Definition& definition, const Saga& saga, int step,
                                           const saga::v1::ResolveStepRequest& request) {
  const bool has_json = !request.reply_json().empty();
  if (saga.steps[static_cast<std::size_t>(step)].phase == Phase::kCompensation) {
    if (!request.has_reply() && !has_json) return std::string();
    return BadReply("must be unset: it is the step's compensation that is repeated, and its reply is not kept");
  }
  if (request.has_reply() && has_json) return BadReply("must be unset where reply_json is given");
  const google::protobuf::Descriptor* const type = definition.reply(step);
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(type)->New());
  if (has_json) return FromJson(request.reply_json(), *message);
  const google::protobuf::Any& reply = request.reply();
  std::string name;
  if (!google::protobuf::Any::ParseAnyTypeUrl(reply.type_url(), &name) || name != type->full_name()) {
    return BadReply(absl::StrCat("must be a ", type->full_name(), ", the answer of the step's action"));
  }
  if (!message->ParseFromString(reply.value())) {
    return BadReply(absl::StrCat("does not parse as a ", type->full_name()));
  }
  return reply.value();
}

}  // namespace unwind
