#include "orchestrator/store/saga_codec.h"

#include <array>
#include <exception>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "orchestrator/core/names.h"
#include "orchestrator/store/json_writer.h"
#include "orchestrator/store/stored_text.h"

namespace unwind {
namespace {

using Json = nlohmann::json;

constexpr long long kNever = std::numeric_limits<long long>::max();
constexpr long long kEver = std::numeric_limits<long long>::min();

// Thrown by the decoders below for a column that Encode did not make; like the parser's own exceptions it goes no
// farther than Decoded().
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- text, bytes, times

std::string Text(absl::string_view stored) {
  std::optional<std::string> text = DecodeText(stored);
  if (!text.has_value()) throw Unreadable("an unknown escape in a text");
  return *std::move(text);
}

std::string Bytes(const std::string& stored) {
  std::string bytes;
  if (!absl::Base64Unescape(stored, &bytes)) throw Unreadable("bytes that are not Base64");
  return bytes;
}

absl::Time Time(long long stored) {
  if (stored == kNever) return absl::InfiniteFuture();
  if (stored == kEver) return absl::InfinitePast();
  return absl::FromUnixNanos(stored);
}

absl::Duration Elapsed(long long stored) { return Time(stored) - absl::UnixEpoch(); }

// `last` is the enum's highest number; all of ours begin with 1.
template <class Enum>
Enum Number(long long stored, Enum last) {
  if (stored < 1 || stored > static_cast<long long>(last)) throw Unreadable(absl::StrCat("the enum number ", stored));
  return static_cast<Enum>(stored);
}

template <class Enum>
int NumberOf(Enum value) {
  return static_cast<int>(value);
}

// ---- JSON: a field that has its default is not written, and one that is not there has its default

long long Int(const Json& object, const char* field) { return object.value(field, 0LL); }
int SmallInt(const Json& object, const char* field) { return object.value(field, 0); }
bool Flag(const Json& object, const char* field) { return object.value(field, false); }
std::string TextOf(const Json& object, const char* field) { return Text(object.value(field, std::string())); }
std::string BytesOf(const Json& object, const char* field) { return Bytes(object.value(field, std::string())); }

void AppendFailure(std::string& out, const Failure& failure) {
  JsonObjectWriter object(out);
  object.Text("reason", failure.reason);
  object.Text("domain", failure.domain);
  object.Count("code", failure.code);
  object.Text("message", failure.message);
  object.Text("step", failure.step);
  if (failure.metadata.empty()) return;
  std::string& to = object.Field("metadata");
  to += '{';
  for (const auto& [name, value] : failure.metadata) {
    if (to.back() != '{') to += ',';
    AppendJsonText(to, name);
    to += ':';
    AppendJsonText(to, value);
  }
  to += '}';
}

Failure FailureOf(const Json& json) {
  Failure failure{.reason = TextOf(json, "reason"),
                  .domain = TextOf(json, "domain"),
                  .code = SmallInt(json, "code"),
                  .message = TextOf(json, "message"),
                  .step = TextOf(json, "step"),
                  .metadata = {}};
  if (const auto metadata = json.find("metadata"); metadata != json.end()) {
    for (const auto& [name, value] : metadata->items()) failure.metadata[Text(name)] = Text(value.get<std::string>());
  }
  return failure;
}

void AppendStep(std::string& out, const Step& step) {
  JsonObjectWriter object(out);
  object.Number("state", NumberOf(step.state));
  object.Number("phase", NumberOf(step.phase));
  AppendJsonArray(object.Field("sends"), step.sends, [](std::string& to, int sends) { absl::StrAppend(&to, sends); });
  object.Count("refusals", step.refusals);
  object.Count("unknowns", step.unknowns);
  object.Flag("awaiting", step.awaiting);
  object.Flag("parked", step.parked);
  if (step.wake_at != absl::InfiniteFuture()) object.Number("wake_at", EncodeTime(step.wake_at));
  if (step.first_send_time != absl::InfiniteFuture())
    object.Number("first_send_time", EncodeTime(step.first_send_time));
  object.Bytes("reply", step.reply);
  if (!(step.last_failure == Failure())) AppendFailure(object.Field("last_failure"), step.last_failure);
}

Step StepOf(const Json& json) {
  return {.state = Number(Int(json, "state"), StepState::kCompensated),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .sends = json.at("sends").get<std::array<int, 4>>(),
          .refusals = SmallInt(json, "refusals"),
          .unknowns = SmallInt(json, "unknowns"),
          .awaiting = Flag(json, "awaiting"),
          .parked = Flag(json, "parked"),
          .wake_at = Time(json.value("wake_at", kNever)),
          .first_send_time = Time(json.value("first_send_time", kNever)),
          .reply = BytesOf(json, "reply"),
          .last_failure = FailureOf(json.value("last_failure", Json::object()))};
}

// ---- events

void AppendSend(std::string& out, const Send& send) {
  JsonObjectWriter object(out);
  object.Number("step", send.step);
  object.Number("phase", NumberOf(send.phase));
  object.Number("attempt", send.attempt);
}

struct WriteEvent {
  JsonObjectWriter& object;

  void operator()(const Started&) const {}
  void operator()(const Ticked&) const {}
  void operator()(const TakenOver&) const {}
  void operator()(const Replied& replied) const {
    object.Number("step", replied.step);
    object.Number("phase", NumberOf(replied.phase));
    object.Number("attempt", replied.attempt);
    object.Number("outcome", NumberOf(replied.outcome));
    object.Flag("effect_free", replied.effect_free);
    object.Bytes("reply", replied.reply);
    if (!(replied.failure == Failure())) AppendFailure(object.Field("failure"), replied.failure);
    object.Count("elapsed", EncodeTime(absl::UnixEpoch() + replied.elapsed));
    object.Flag("by_transport", replied.by_transport);
    object.Count("retry_after", EncodeTime(absl::UnixEpoch() + replied.retry_after));
  }
  void operator()(const CancelRequested& cancel) const {
    object.Text("actor", cancel.actor);
    object.Text("reason", cancel.reason);
  }
  void operator()(const Operated& operated) const {
    object.Number("step", operated.step);
    object.Bytes("reply", operated.reply);
    object.Text("actor", operated.actor);
    object.Text("reason", operated.reason);
  }
};

void AppendDetail(std::string& out, const HistoryEvent& event) {
  JsonObjectWriter object(out);
  std::visit(WriteEvent{object}, event.event);
  if (event.moment.jitter != 0) AppendJsonReal(object.Field("jitter"), event.moment.jitter);
  if (!event.sends.empty()) AppendJsonArray(object.Field("sends"), event.sends, AppendSend);
}

Replied RepliedOf(const Json& json) {
  return {.step = SmallInt(json, "step"),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .attempt = SmallInt(json, "attempt"),
          .outcome = Number(Int(json, "outcome"), Outcome::kFenced),
          .effect_free = Flag(json, "effect_free"),
          .reply = BytesOf(json, "reply"),
          .failure = FailureOf(json.value("failure", Json::object())),
          .elapsed = Elapsed(Int(json, "elapsed")),
          .by_transport = Flag(json, "by_transport"),
          .retry_after = Elapsed(Int(json, "retry_after"))};
}

Operated OperatedOf(Verb verb, const Json& json) {
  return {.verb = verb,
          .step = SmallInt(json, "step"),
          .reply = BytesOf(json, "reply"),
          .actor = TextOf(json, "actor"),
          .reason = TextOf(json, "reason")};
}

// The words are NameOf(Event)'s.
Event EventOf(const std::string& what, const Json& json) {
  if (what == "started") return Started{};
  if (what == "replied") return RepliedOf(json);
  if (what == "ticked") return Ticked{};
  if (what == "cancel_requested") return CancelRequested{TextOf(json, "actor"), TextOf(json, "reason")};
  if (what == "taken_over") return TakenOver{};
  if (what == "retried") return OperatedOf(Verb::kRetry, json);
  if (what == "skipped") return OperatedOf(Verb::kSkip, json);
  if (what == "resolved") return OperatedOf(Verb::kResolve, json);
  throw Unreadable(absl::StrCat("the event ", what));
}

// Runs a decoder; what it throws becomes a status.
template <class Decoder>
auto Decoded(absl::string_view what, const Decoder& decode) -> absl::StatusOr<decltype(decode())> {
  try {
    return decode();
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("the stored ", what, " cannot be read: ", error.what()));
  }
}

}  // namespace

long long EncodeTime(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kNever;
  if (time == absl::InfinitePast()) return kEver;
  return absl::ToUnixNanos(time);
}

SagaRow EncodeSaga(const Saga& saga) {
  SagaRow row;
  row.id = EncodeText(saga.id);
  row.definition = EncodeText(saga.definition);
  row.definition_version = saga.definition_version;
  row.key_scope = EncodeText(saga.key_scope);
  row.key = EncodeText(saga.key);
  row.input_hash = EncodeText(saga.input_hash);
  row.state = NumberOf(saga.state);
  row.version = saga.version;
  row.cancel_requested = saga.cancel_requested ? 1 : 0;
  row.backward = saga.backward ? 1 : 0;
  row.deadline = EncodeTime(saga.deadline);
  row.create_time = EncodeTime(saga.create_time);
  row.update_time = EncodeTime(saga.update_time);
  row.traceparent = EncodeText(saga.traceparent);
  AppendFailure(row.failure, saga.failure);
  AppendJsonArray(row.steps, saga.steps, AppendStep);
  row.input = absl::Base64Escape(saga.input);
  return row;
}

EventRow EncodeEvent(absl::string_view saga_id, const HistoryEvent& event) {
  EventRow row;
  row.saga_id = EncodeText(saga_id);
  row.seq = event.seq;
  row.what = NameOf(event.event);
  row.at = EncodeTime(event.moment.now);
  row.state = NumberOf(event.state);
  AppendDetail(row.detail, event);
  return row;
}

WriteRows EncodeWrite(const Lease& lease, const SagaWrite& write) {
  WriteRows rows{.saga = EncodeSaga(write.saga), .seen = write.seen_version, .events = {}};
  rows.saga.owner = EncodeText(lease.instance);
  rows.saga.next_run_at = EncodeTime(write.next_run_at);
  rows.events.reserve(write.events.size());
  for (const HistoryEvent& event : write.events) rows.events.push_back(EncodeEvent(write.saga.id, event));
  return rows;
}

absl::StatusOr<Saga> DecodeSaga(const SagaRow& row) {
  return Decoded(absl::StrCat("saga ", row.id), [&] {
    Saga saga;
    saga.id = Text(row.id);
    saga.definition = Text(row.definition);
    saga.definition_version = static_cast<int>(row.definition_version);
    saga.key_scope = Text(row.key_scope);
    saga.key = Text(row.key);
    saga.input_hash = Text(row.input_hash);
    saga.input = Bytes(row.input);
    saga.traceparent = Text(row.traceparent);
    saga.owner = Text(row.owner);
    saga.create_time = Time(row.create_time);
    saga.update_time = Time(row.update_time);
    saga.deadline = Time(row.deadline);
    saga.state = Number(row.state, SagaState::kParked);
    saga.version = row.version;
    saga.cancel_requested = row.cancel_requested != 0;
    saga.backward = row.backward != 0;
    for (const Json& step : Json::parse(row.steps)) saga.steps.push_back(StepOf(step));
    saga.failure = FailureOf(Json::parse(row.failure));
    return saga;
  });
}

absl::StatusOr<HistoryEvent> DecodeEvent(const EventRow& row) {
  return Decoded(absl::StrCat("event ", row.seq, " of saga ", row.saga_id), [&] {
    const Json detail = Json::parse(row.detail);
    HistoryEvent event;
    event.seq = row.seq;
    event.moment = {.now = Time(row.at), .jitter = detail.value("jitter", 0.0)};
    event.event = EventOf(row.what, detail);
    event.state = Number(row.state, SagaState::kParked);
    for (const Json& send : detail.value("sends", Json::array())) {
      event.sends.push_back({.step = SmallInt(send, "step"),
                             .phase = Number(Int(send, "phase"), Phase::kResolve),
                             .attempt = SmallInt(send, "attempt")});
    }
    return event;
  });
}

}  // namespace unwind
