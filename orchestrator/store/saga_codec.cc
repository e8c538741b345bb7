#include "orchestrator/store/saga_codec.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/births.h"
#include "saga/stored/v1/rows.pb.h"

namespace unwind {
namespace {

namespace stored = saga::stored::v1;

constexpr long long kEver = std::numeric_limits<long long>::min();

long long EncodeDuration(absl::Duration duration) { return EncodeTime(absl::UnixEpoch() + duration); }
absl::Duration DurationOf(long long stored) { return DecodeTime(stored) - absl::UnixEpoch(); }

// Takes the number of an enum whose highest is `last`; all of ours begin with 1. Others are a newer version's.
template <class Enum>
absl::Status Read(long long stored, Enum last, Enum& value) {
  if (stored < 1 || stored > static_cast<long long>(last)) {
    return absl::DataLossError(absl::StrCat("the number ", stored, " of an enum is not known"));
  }
  value = static_cast<Enum>(stored);
  return absl::OkStatus();
}

// ---- failures and steps

void Write(const Failure& failure, stored::Failure& to) {
  to.set_reason(failure.reason);
  to.set_domain(failure.domain);
  to.set_code(failure.code);
  to.set_message(failure.message);
  to.set_step(failure.step);
  for (const auto& [name, value] : failure.metadata) {
    stored::Pair& pair = *to.add_metadata();
    pair.set_name(name);
    pair.set_value(value);
  }
}

Failure FailureOf(const stored::Failure& from) {
  Failure failure{.reason = from.reason(),
                  .domain = from.domain(),
                  .code = from.code(),
                  .message = from.message(),
                  .step = from.step(),
                  .metadata = {}};
  for (const stored::Pair& pair : from.metadata()) failure.metadata[pair.name()] = pair.value();
  return failure;
}

void Write(const Step& step, stored::Step& to) {
  to.set_state(static_cast<saga::v1::Step::State>(step.state));
  to.set_phase(static_cast<saga::v1::Phase>(step.phase));
  to.mutable_sends()->Add(step.sends.begin(), step.sends.end());
  to.set_refusals(step.refusals);
  to.set_unknowns(step.unknowns);
  to.set_awaiting(step.awaiting);
  to.set_parked(step.parked);
  if (step.wake_at != absl::InfiniteFuture()) to.set_wake_at(EncodeTime(step.wake_at));
  if (step.first_send_time != absl::InfiniteFuture()) to.set_first_send_time(EncodeTime(step.first_send_time));
  to.set_reply(step.reply);
  if (!(step.last_failure == Failure())) Write(step.last_failure, *to.mutable_last_failure());
  to.set_pending_reply(step.pending_reply);
  to.set_pendings(step.pendings);
  if (step.wait_until != absl::InfiniteFuture()) to.set_wait_until(EncodeTime(step.wait_until));
  to.set_decides(step.decides);
  to.set_nudged(step.nudged);
  if (step.nudge_time != absl::InfinitePast()) to.set_nudge_time(EncodeTime(step.nudge_time));
}

absl::Status Read(const stored::Step& from, Step& step) {
  RETURN_IF_ERROR(Read(from.state(), StepState::kWaiting, step.state));
  RETURN_IF_ERROR(Read(from.phase(), Phase::kResolve, step.phase));
  if (from.sends_size() != static_cast<int>(step.sends.size())) {
    return absl::DataLossError(absl::StrCat("a step has ", from.sends_size(), " counts of sends"));
  }
  std::copy(from.sends().begin(), from.sends().end(), step.sends.begin());
  step.refusals = from.refusals();
  step.unknowns = from.unknowns();
  step.awaiting = from.awaiting();
  step.parked = from.parked();
  step.wake_at = DecodeTime(from.has_wake_at() ? from.wake_at() : kNever);
  step.first_send_time = DecodeTime(from.has_first_send_time() ? from.first_send_time() : kNever);
  step.reply = from.reply();
  step.last_failure = FailureOf(from.last_failure());
  step.pending_reply = from.pending_reply();
  step.pendings = from.pendings();
  step.wait_until = DecodeTime(from.has_wait_until() ? from.wait_until() : kNever);
  step.decides = from.decides();
  step.nudged = from.nudged();
  step.nudge_time = DecodeTime(from.has_nudge_time() ? from.nudge_time() : kEver);
  return absl::OkStatus();
}

// ---- events

// The reply of `step` in the row; null if there is no such step.
const std::string* ReplyIn(const Saga& saga, int step) {
  const auto index = static_cast<std::size_t>(step);
  return index < saga.steps.size() ? &saga.steps[index].reply : nullptr;
}

// Into the event's `reply`, or as one that stands in the row.
template <class Message>
void WriteReply(const Saga& saga, int step, const std::string& reply, Message& to) {
  if (reply.empty()) return;
  const std::string* const in_row = ReplyIn(saga, step);
  if (in_row != nullptr && *in_row == reply) {
    to.mutable_in_step();
  } else {
    to.set_reply(reply);
  }
}

template <class Message>
absl::Status ReadReply(const Saga& saga, const Message& from, std::string& reply) {
  reply = from.reply();
  if (!from.has_in_step()) return absl::OkStatus();
  const std::string* const in_row = ReplyIn(saga, from.step());
  if (in_row == nullptr) return absl::DataLossError(absl::StrCat("it has no step ", from.step()));
  reply = *in_row;
  return absl::OkStatus();
}

// The fields of an event.
struct WriteEvent {
  const Saga& saga;
  stored::Detail& to;

  void operator()(const Started&) const { to.mutable_started(); }
  void operator()(const Born& event) const {
    stored::Born& born = *to.mutable_born();
    born.set_parked_step(event.parked_step);
    if (!(event.why_parked == Failure())) Write(event.why_parked, *born.mutable_why_parked());
  }
  void operator()(const Ticked&) const { to.mutable_ticked(); }
  void operator()(const TakenOver&) const { to.mutable_taken_over(); }
  void operator()(const Nudged& event) const { to.mutable_nudged()->set_step(event.step); }
  void operator()(const Replied& event) const {
    stored::Replied& replied = *to.mutable_replied();
    replied.set_step(event.step);
    replied.set_phase(static_cast<saga::v1::Phase>(event.phase));
    replied.set_attempt(event.attempt);
    replied.set_outcome(static_cast<saga::v1::Outcome>(event.outcome));
    replied.set_effect_free(event.effect_free);
    if (IsFirstPending(event)) {
      replied.mutable_in_pending();
    } else {
      WriteReply(saga, event.step, event.reply, replied);
    }
    if (!(event.failure == Failure())) Write(event.failure, *replied.mutable_failure());
    replied.set_elapsed(EncodeDuration(event.elapsed));
    replied.set_by_transport(event.by_transport);
    replied.set_retry_after(EncodeDuration(event.retry_after));
  }
  bool IsFirstPending(const Replied& event) const {
    const auto index = static_cast<std::size_t>(event.step);
    return event.outcome == Outcome::kPending && !event.reply.empty() && index < saga.steps.size() &&
           saga.steps[index].pending_reply == event.reply;
  }
  void operator()(const CancelRequested& event) const {
    to.mutable_cancel_requested()->set_actor(event.actor);
    to.mutable_cancel_requested()->set_reason(event.reason);
  }
  void operator()(const Operated& event) const {
    stored::Operated& operated = *to.mutable_operated();
    operated.set_verb(static_cast<stored::Verb>(event.verb));
    operated.set_step(event.step);
    WriteReply(saga, event.step, event.reply, operated);
    operated.set_actor(event.actor);
    operated.set_reason(event.reason);
  }
};

// Of an answer that says no more than the first one did.
absl::StatusOr<Event> PendingOf(const Saga& saga, Replied replied) {
  const auto index = static_cast<std::size_t>(replied.step);
  if (index >= saga.steps.size()) return absl::DataLossError(absl::StrCat("it has no step ", replied.step));
  replied.reply = saga.steps[index].pending_reply;
  return replied;
}

absl::StatusOr<Event> RepliedOf(const Saga& saga, const stored::Replied& from) {
  Replied replied{.step = from.step(),
                  .phase = {},
                  .attempt = from.attempt(),
                  .outcome = {},
                  .effect_free = from.effect_free(),
                  .reply = {},
                  .failure = FailureOf(from.failure()),
                  .elapsed = DurationOf(from.elapsed()),
                  .by_transport = from.by_transport(),
                  .retry_after = DurationOf(from.retry_after())};
  RETURN_IF_ERROR(Read(from.phase(), Phase::kResolve, replied.phase));
  RETURN_IF_ERROR(Read(from.outcome(), Outcome::kPending, replied.outcome));
  if (from.has_in_pending()) return PendingOf(saga, std::move(replied));
  RETURN_IF_ERROR(ReadReply(saga, from, replied.reply));
  return replied;
}

absl::StatusOr<Event> OperatedOf(const Saga& saga, const stored::Operated& from) {
  Operated operated{.verb = {}, .step = from.step(), .reply = {}, .actor = from.actor(), .reason = from.reason()};
  RETURN_IF_ERROR(Read(from.verb(), Verb::kResolve, operated.verb));
  RETURN_IF_ERROR(ReadReply(saga, from, operated.reply));
  return operated;
}

absl::StatusOr<Event> EventOf(const Saga& saga, const stored::Detail& from) {
  switch (from.event_case()) {
    case stored::Detail::kStarted:
      return Started{};
    case stored::Detail::kReplied:
      return RepliedOf(saga, from.replied());
    case stored::Detail::kTicked:
      return Ticked{};
    case stored::Detail::kCancelRequested:
      return CancelRequested{from.cancel_requested().actor(), from.cancel_requested().reason()};
    case stored::Detail::kTakenOver:
      return TakenOver{};
    case stored::Detail::kOperated:
      return OperatedOf(saga, from.operated());
    case stored::Detail::kNudged:
      return Nudged{from.nudged().step()};
    case stored::Detail::kBorn:
      return Born{.parked_step = from.born().parked_step(), .why_parked = FailureOf(from.born().why_parked())};
    case stored::Detail::EVENT_NOT_SET:
      break;
  }
  return absl::DataLossError("it is of no known kind");
}

// ---- rows

absl::Status Read(const SagaRow& row, Saga& saga) {
  stored::Accepted accepted;
  stored::Progress progress;
  if (!accepted.ParseFromString(row.accepted)) return absl::DataLossError("`accepted` is not a message");
  if (!progress.ParseFromString(row.progress)) return absl::DataLossError("`progress` is not a message");
  saga.id = row.id;
  saga.definition = row.definition;
  saga.definition_version = static_cast<int>(row.definition_version);
  saga.key_scope = row.key_scope;
  saga.key = row.key;
  saga.input_hash = accepted.input_hash();
  saga.input = accepted.input();
  saga.trace = {accepted.traceparent(), accepted.tracestate(), accepted.baggage()};
  saga.parent = row.parent;
  saga.owner = row.owner;
  saga.create_time = DecodeTime(row.create_time);
  saga.update_time = DecodeTime(row.update_time);
  saga.due_at = DecodeTime(row.due_at);
  saga.deadline = DecodeTime(progress.has_deadline() ? progress.deadline() : kNever);
  RETURN_IF_ERROR(Read(row.state, SagaState::kParked, saga.state));
  saga.version = row.version;
  saga.cancel_requested = progress.cancel_requested();
  saga.backward = progress.backward();
  saga.steps.resize(static_cast<std::size_t>(progress.steps_size()));
  for (int i = 0; i < progress.steps_size(); ++i) {
    RETURN_IF_ERROR(Read(progress.steps(i), saga.steps[static_cast<std::size_t>(i)]));
  }
  saga.failure = FailureOf(progress.failure());
  return absl::OkStatus();
}

absl::Status Read(const Saga& saga, const EventRow& row, HistoryEvent& event) {
  stored::Detail detail;
  if (!detail.ParseFromString(row.detail)) return absl::DataLossError("`detail` is not a message");
  event.seq = row.seq;
  event.moment = {.now = DecodeTime(row.at), .jitter = detail.jitter()};
  ASSIGN_OR_RETURN(event.event, EventOf(saga, detail));
  RETURN_IF_ERROR(Read(row.state, SagaState::kParked, event.state));
  for (const stored::Send& from : detail.sends()) {
    Send& send = event.sends.emplace_back();
    send = {.step = from.step(), .phase = {}, .attempt = from.attempt()};
    RETURN_IF_ERROR(Read(from.phase(), Phase::kResolve, send.phase));
  }
  return absl::OkStatus();
}

absl::Status Unreadable(absl::string_view what, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("the stored ", what, " cannot be read: ", why.message()));
}

}  // namespace

absl::Time DecodeTime(long long stored) {
  if (stored == kNever) return absl::InfiniteFuture();
  if (stored == kEver) return absl::InfinitePast();
  return absl::FromUnixNanos(stored);
}

long long EncodeTime(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kNever;
  if (time == absl::InfinitePast()) return kEver;
  return absl::ToUnixNanos(time);
}

namespace {

std::string EncodeAccepted(const Saga& saga) {
  stored::Accepted accepted;
  accepted.set_input(saga.input);
  accepted.set_input_hash(saga.input_hash);
  accepted.set_traceparent(saga.trace.traceparent);
  accepted.set_tracestate(saga.trace.tracestate);
  accepted.set_baggage(saga.trace.baggage);
  return accepted.SerializeAsString();
}

std::string EncodeProgress(const Saga& saga) {
  stored::Progress progress;
  if (saga.deadline != absl::InfiniteFuture()) progress.set_deadline(EncodeTime(saga.deadline));
  progress.set_cancel_requested(saga.cancel_requested);
  progress.set_backward(saga.backward);
  for (const Step& step : saga.steps) Write(step, *progress.add_steps());
  if (!(saga.failure == Failure())) Write(saga.failure, *progress.mutable_failure());
  return progress.SerializeAsString();
}

SagaRow EncodeSaga(const SagaWrite& write, const std::string& owner) {
  const Saga& saga = write.saga;
  return {.id = saga.id,
          .definition = saga.definition,
          .key_scope = saga.key_scope,
          .key = saga.key,
          .parent = saga.parent,
          .owner = owner,
          .definition_version = saga.definition_version,
          .state = static_cast<long long>(saga.state),
          .version = saga.version,
          .next_run_at = EncodeTime(write.next_run_at),
          .create_time = EncodeTime(saga.create_time),
          .update_time = EncodeTime(saga.update_time),
          .due_at = EncodeTime(saga.due_at),
          .wait_ends_at = EncodeTime(write.wait_ends_at),
          .waits_since = EncodeTime(write.waits_since),
          .accepted = write.seen_version == 0 ? EncodeAccepted(saga) : "",
          .progress = EncodeProgress(saga)};
}

}  // namespace

EventRow EncodeEvent(const Saga& saga, const HistoryEvent& event) {
  stored::Detail detail;
  std::visit(WriteEvent{saga, detail}, event.event);
  detail.set_jitter(event.moment.jitter);
  for (const Send& send : event.sends) {
    stored::Send& to = *detail.add_sends();
    to.set_step(send.step);
    to.set_phase(static_cast<saga::v1::Phase>(send.phase));
    to.set_attempt(send.attempt);
  }
  return {.saga_id = saga.id,
          .what = NameOf(event.event),
          .seq = event.seq,
          .at = EncodeTime(event.moment.now),
          .state = static_cast<long long>(event.state),
          .detail = detail.SerializeAsString()};
}

WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write, const FollowerSet& followers) {
  WriteRows rows{.saga = EncodeSaga(write, lease.instance),
                 .seen = write.seen_version,
                 .changes_due_at = write.changes_due_at,
                 .events = {},
                 .births = {}};
  rows.events.reserve(write.events.size());
  for (const HistoryEvent& event : write.events) rows.events.push_back(EncodeEvent(write.saga, event));
  for (const SagaWrite& birth : BirthsOf(followers, write)) rows.births.push_back(EncodeWrite(lease, birth, {}));
  return rows;
}

absl::StatusOr<Saga> DecodeSaga(const SagaRow& row) {
  Saga saga;
  if (const absl::Status read = Read(row, saga); !read.ok()) return Unreadable(absl::StrCat("saga ", row.id), read);
  return saga;
}

absl::StatusOr<HistoryEvent> DecodeEvent(const Saga& saga, const EventRow& row) {
  HistoryEvent event;
  if (const absl::Status read = Read(saga, row, event); !read.ok()) {
    return Unreadable(absl::StrCat("event ", row.seq, " of saga ", row.saga_id), read);
  }
  return event;
}

}  // namespace unwind
