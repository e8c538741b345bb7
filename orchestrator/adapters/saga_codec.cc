#include "orchestrator/adapters/saga_codec.h"

#include <array>
#include <cstddef>
#include <exception>
#include <limits>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

// Keeps the order of its fields.
using Json = nlohmann::ordered_json;

constexpr long long kNever = std::numeric_limits<long long>::max();
constexpr long long kEver = std::numeric_limits<long long>::min();

// Thrown by the decoders below for a column that Encode did not make; like the parser's own exceptions it goes no farther
// than Decoded().
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- text, bytes, times

// The length of the well-formed UTF-8 sequence at the front of `text`, or 0 if there is none.
std::size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  if (within(0, 0x00, 0x7f)) return 1;
  if (within(0, 0xc2, 0xdf)) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (within(0, 0xe0, 0xef)) {
    const bool second = within(1, byte(0) == 0xe0 ? 0xa0 : 0x80, byte(0) == 0xed ? 0x9f : 0xbf);
    return second && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (within(0, 0xf0, 0xf4)) {
    const bool second = within(1, byte(0) == 0xf0 ? 0x90 : 0x80, byte(0) == 0xf4 ? 0x8f : 0xbf);
    return second && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

std::string Text(absl::string_view stored) {
  std::string text;
  text.reserve(stored.size());
  while (!stored.empty()) {
    if (stored[0] != '\\') {
      text.push_back(stored[0]);
      stored.remove_prefix(1);
    } else if (absl::ConsumePrefix(&stored, "\\\\")) {
      text.push_back('\\');
    } else if (absl::ConsumePrefix(&stored, "\\0")) {
      text.push_back('\0');
    } else if (stored.size() >= 4 && stored[1] == 'x' && absl::ascii_isxdigit(static_cast<unsigned char>(stored[2])) &&
               absl::ascii_isxdigit(static_cast<unsigned char>(stored[3]))) {
      text += absl::HexStringToBytes(stored.substr(2, 2));
      stored.remove_prefix(4);
    } else {
      throw Unreadable("an unknown escape in a text");
    }
  }
  return text;
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

void PutInt(Json& object, const char* field, long long value) {
  if (value != 0) object[field] = value;
}
void PutFlag(Json& object, const char* field, bool value) {
  if (value) object[field] = true;
}
void PutText(Json& object, const char* field, const std::string& value) {
  if (!value.empty()) object[field] = EncodeText(value);
}
void PutBytes(Json& object, const char* field, const std::string& value) {
  if (!value.empty()) object[field] = absl::Base64Escape(value);
}

Json FailureJson(const Failure& failure) {
  Json json = Json::object();
  PutText(json, "reason", failure.reason);
  PutText(json, "domain", failure.domain);
  PutInt(json, "code", failure.code);
  PutText(json, "message", failure.message);
  PutText(json, "step", failure.step);
  for (const auto& [name, value] : failure.metadata) json["metadata"][EncodeText(name)] = EncodeText(value);
  return json;
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

Json StepJson(const Step& step) {
  Json json = {{"state", NumberOf(step.state)}, {"phase", NumberOf(step.phase)}, {"sends", step.sends}};
  PutInt(json, "refusals", step.refusals);
  PutFlag(json, "awaiting", step.awaiting);
  PutFlag(json, "parked", step.parked);
  if (step.wake_at != absl::InfiniteFuture()) json["wake_at"] = EncodeTime(step.wake_at);
  PutBytes(json, "reply", step.reply);
  return json;
}

Step StepOf(const Json& json) {
  return {.state = Number(Int(json, "state"), StepState::kCompensated),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .sends = json.at("sends").get<std::array<int, 4>>(),
          .refusals = SmallInt(json, "refusals"),
          .awaiting = Flag(json, "awaiting"),
          .parked = Flag(json, "parked"),
          .wake_at = Time(json.value("wake_at", kNever)),
          .reply = BytesOf(json, "reply")};
}

// ---- events

struct PutFields {
  Json& json;

  void operator()(const Started&) const {}
  void operator()(const Ticked&) const {}
  void operator()(const TakenOver&) const {}
  void operator()(const Replied& replied) const {
    json["step"] = replied.step;
    json["phase"] = NumberOf(replied.phase);
    json["attempt"] = replied.attempt;
    json["outcome"] = NumberOf(replied.outcome);
    PutFlag(json, "effect_free", replied.effect_free);
    PutBytes(json, "reply", replied.reply);
    if (!(replied.failure == Failure())) json["failure"] = FailureJson(replied.failure);
    PutInt(json, "elapsed", EncodeTime(absl::UnixEpoch() + replied.elapsed));
  }
  void operator()(const CancelRequested& cancel) const {
    PutText(json, "actor", cancel.actor);
    PutText(json, "reason", cancel.reason);
  }
  void operator()(const Operated& operated) const {
    json["step"] = operated.step;
    PutBytes(json, "reply", operated.reply);
    PutText(json, "actor", operated.actor);
    PutText(json, "reason", operated.reason);
  }
};

Replied RepliedOf(const Json& json) {
  return {.step = SmallInt(json, "step"),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .attempt = SmallInt(json, "attempt"),
          .outcome = Number(Int(json, "outcome"), Outcome::kFenced),
          .effect_free = Flag(json, "effect_free"),
          .reply = BytesOf(json, "reply"),
          .failure = FailureOf(json.value("failure", Json::object())),
          .elapsed = Elapsed(Int(json, "elapsed"))};
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

std::string EncodeText(absl::string_view text) {
  std::string stored;
  stored.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
    if (text[0] == '\\') {
      stored += "\\\\";
    } else if (text[0] == '\0') {
      stored += "\\0";
    } else if (length == 0) {
      absl::StrAppend(&stored, "\\x", absl::BytesToHexString(text.substr(0, 1)));
    } else {
      stored.append(text.data(), length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return stored;
}

long long EncodeTime(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kNever;
  if (time == absl::InfinitePast()) return kEver;
  return absl::ToUnixNanos(time);
}

SagaRow EncodeSaga(const Saga& saga) {
  Json steps = Json::array();
  for (const Step& step : saga.steps) steps.push_back(StepJson(step));
  SagaRow row;
  row.id = EncodeText(saga.id);
  row.definition = EncodeText(saga.definition);
  row.definition_version = saga.definition_version;
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
  row.failure = FailureJson(saga.failure).dump();
  row.steps = steps.dump();
  row.input = absl::Base64Escape(saga.input);
  return row;
}

EventRow EncodeEvent(absl::string_view saga_id, const HistoryEvent& event) {
  Json detail = Json::object();
  std::visit(PutFields{detail}, event.event);
  if (event.moment.jitter != 0) detail["jitter"] = event.moment.jitter;
  for (const Send& send : event.sends) {
    detail["sends"].push_back({{"step", send.step}, {"phase", NumberOf(send.phase)}, {"attempt", send.attempt}});
  }
  EventRow row;
  row.saga_id = EncodeText(saga_id);
  row.seq = event.seq;
  row.what = NameOf(event.event);
  row.at = EncodeTime(event.moment.now);
  row.state = NumberOf(event.state);
  row.detail = detail.dump();
  return row;
}

absl::StatusOr<std::string> DecodeText(absl::string_view stored) {
  return Decoded("text", [&] { return Text(stored); });
}

absl::StatusOr<Saga> DecodeSaga(const SagaRow& row) {
  return Decoded(absl::StrCat("saga ", row.id), [&] {
    Saga saga;
    saga.id = Text(row.id);
    saga.definition = Text(row.definition);
    saga.definition_version = static_cast<int>(row.definition_version);
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
