#include "orchestrator/api/saga_proto.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

std::string StepName(const Plan* plan, int step) {
  const auto index = static_cast<std::size_t>(step);
  return plan != nullptr && index < plan->steps.size() ? plan->steps[index].name : absl::StrCat(step);
}

// The numbers of our enums equal those of saga.v1 (core/saga.h).
saga::v1::Saga::State ToProto(SagaState state) { return static_cast<saga::v1::Saga::State>(state); }
saga::v1::Phase ToProto(Phase phase) { return static_cast<saga::v1::Phase>(phase); }

saga::v1::Failure ToProto(const Failure& failure) {
  saga::v1::Failure proto;
  proto.set_reason(failure.reason);
  proto.set_domain(failure.domain);
  proto.set_code(failure.code);
  proto.set_message(failure.message);
  proto.set_step(failure.step);
  proto.mutable_metadata()->insert(failure.metadata.begin(), failure.metadata.end());
  return proto;
}

bool HasFailed(const Failure& failure) { return failure.code != 0 || !failure.reason.empty(); }

// Fills the fields that belong to what happened.
struct Describe {
  const Plan* plan;
  saga::v1::HistoryEntry& entry;

  void operator()(const Started&) const {}
  void operator()(const Born& born) const {
    if (HasFailed(born.why_parked)) *entry.mutable_failure() = ToProto(born.why_parked);
  }
  void operator()(const Ticked&) const {}
  void operator()(const TakenOver&) const {}
  void operator()(const Nudged& nudged) const { entry.set_step(nudged.step); }
  void operator()(const Replied& reply) const {
    entry.set_step(StepName(plan, reply.step));
    entry.set_phase(ToProto(reply.phase));
    entry.set_attempt(reply.attempt);
    entry.set_outcome(static_cast<saga::v1::Outcome>(reply.outcome));
    entry.set_elapsed_ms(absl::ToDoubleMilliseconds(reply.elapsed));
    if (HasFailed(reply.failure)) *entry.mutable_failure() = ToProto(reply.failure);
  }
  void operator()(const CancelRequested& cancel) const {
    entry.set_actor(cancel.actor);
    entry.set_reason(cancel.reason);
  }
  void operator()(const Operated& operated) const {
    entry.set_step(StepName(plan, operated.step));
    entry.set_actor(operated.actor);
    entry.set_reason(operated.reason);
  }
};

}  // namespace

google::protobuf::Timestamp ToProto(absl::Time time) {
  constexpr std::int64_t kNanosInMicro = 1000;
  constexpr std::int64_t kMicrosInSecond = 1'000'000;
  const std::int64_t micros = std::clamp<std::int64_t>(absl::ToUnixMicros(time), 0, 253402300799 * kMicrosInSecond);
  google::protobuf::Timestamp proto;
  proto.set_seconds(micros / kMicrosInSecond);
  proto.set_nanos(static_cast<std::int32_t>(micros % kMicrosInSecond * kNanosInMicro));
  return proto;
}

saga::v1::Pause ToProto(const DefinitionPause& pause) {
  saga::v1::Pause proto;
  *proto.mutable_pause_time() = ToProto(pause.since);
  proto.set_actor(pause.actor);
  proto.set_reason(pause.reason);
  return proto;
}

saga::v1::Saga ToProto(const Saga& saga, const Plan* plan) {
  saga::v1::Saga proto;
  proto.set_saga_id(saga.id);
  proto.set_definition(saga.definition);
  proto.set_definition_version(saga.definition_version);
  proto.set_key(saga.key);
  proto.set_state(ToProto(saga.state));
  proto.set_version(saga.version);
  proto.set_cancel_requested(saga.cancel_requested);
  if (saga.deadline != absl::InfiniteFuture()) *proto.mutable_deadline() = ToProto(saga.deadline);
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    saga::v1::Step& shown = *proto.add_steps();
    shown.set_name(StepName(plan, static_cast<int>(i)));
    shown.set_state(static_cast<saga::v1::Step::State>(step.state));
    if (step.parked || step.sends != Step().sends) shown.set_phase(ToProto(step.phase));
    shown.set_attempt(step.attempt());
    shown.set_parked(step.parked);
    shown.set_pending_answers(step.pendings);
    if (plan != nullptr && i < plan->steps.size()) shown.set_stuck(IsStuck(*plan, saga, i, saga.update_time));
    if (HasFailed(step.last_failure)) *shown.mutable_last_failure() = ToProto(step.last_failure);
    if (step.wake_at != absl::InfiniteFuture()) *shown.mutable_next_attempt_time() = ToProto(step.wake_at);
    if (step.wait_until != absl::InfiniteFuture()) *shown.mutable_wait_until() = ToProto(step.wait_until);
  }
  if (HasFailed(saga.failure) && saga.state != SagaState::kCompleted) *proto.mutable_failure() = ToProto(saga.failure);
  *proto.mutable_create_time() = ToProto(saga.create_time);
  *proto.mutable_update_time() = ToProto(saga.update_time);
  proto.set_owner(saga.owner);
  proto.set_parent_id(saga.parent);
  proto.set_answered_early(plan != nullptr && IsAnsweredEarly(*plan, saga));
  proto.set_direction(saga.backward ? saga::v1::Saga::DIRECTION_BACKWARD : saga::v1::Saga::DIRECTION_FORWARD);
  return proto;
}

saga::v1::ChildSaga ToProto(const Child& child) {
  saga::v1::ChildSaga proto;
  proto.set_saga_id(child.id);
  proto.set_definition(child.definition.name);
  proto.set_definition_version(child.definition.version);
  proto.set_state(ToProto(child.state));
  return proto;
}

saga::v1::Follows ToProto(const Follows& follows) {
  saga::v1::Follows proto;
  proto.mutable_definitions()->Add(follows.parents.begin(), follows.parents.end());
  proto.set_on(ToProto(follows.on));
  proto.mutable_reasons()->Add(follows.reasons.begin(), follows.reasons.end());
  return proto;
}

saga::v1::HistoryEntry ToProto(const HistoryEvent& entry, const Plan* plan) {
  saga::v1::HistoryEntry proto;
  proto.set_seq(entry.seq);
  proto.set_event(NameOf(entry.event));
  *proto.mutable_time() = ToProto(entry.moment.now);
  std::visit(Describe{plan, proto}, entry.event);
  proto.set_state(ToProto(entry.state));
  for (const Send& send : entry.sends) {
    saga::v1::Send& shown = *proto.add_sends();
    shown.set_step(StepName(plan, send.step));
    shown.set_phase(ToProto(send.phase));
    shown.set_attempt(send.attempt);
  }
  return proto;
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace unwind
