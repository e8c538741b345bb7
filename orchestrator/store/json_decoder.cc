#include "orchestrator/store/json_decoder.h"

#include <array>
#include <exception>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace unwind {
namespace {

using Json = nlohmann::json;

constexpr long long kNever = std::numeric_limits<long long>::max();
constexpr long long kEver = std::numeric_limits<long long>::min();

// Thrown by the decoders below for a column that the first release did not make; like the parser's own exceptions it
// goes no farther than Decoded().
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- text, bytes, times

// A text as it was before it was stored: \\ is a backslash, \0 NUL, \xff a byte that is not UTF-8.
std::optional<std::string> DecodeText(absl::string_view stored) {
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
      return std::nullopt;
    }
  }
  return text;
}

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

// ---- JSON: a field that is not there has its default

long long Int(const Json& object, const char* field) { return object.value(field, 0LL); }
int SmallInt(const Json& object, const char* field) { return object.value(field, 0); }
bool Flag(const Json& object, const char* field) { return object.value(field, false); }
std::string TextOf(const Json& object, const char* field) { return Text(object.value(field, std::string())); }
std::string BytesOf(const Json& object, const char* field) { return Bytes(object.value(field, std::string())); }

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

Step StepOf(const Json& json) {
  return {.state = Number(Int(json, "state"), StepState::kCompensated),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .sends = json.at("sends").get<std::array<int, 4>>(),
          .refusals = SmallInt(json, "refusals"),
          .unknowns = 0,
          .awaiting = Flag(json, "awaiting"),
          .parked = Flag(json, "parked"),
          .wake_at = Time(json.value("wake_at", kNever)),
          .first_send_time = absl::InfiniteFuture(),
          .pending_reply = {},
          .reply = BytesOf(json, "reply"),
          .last_failure = {}};
}

// ---- events

Replied RepliedOf(const Json& json) {
  return {.step = SmallInt(json, "step"),
          .phase = Number(Int(json, "phase"), Phase::kResolve),
          .attempt = SmallInt(json, "attempt"),
          .outcome = Number(Int(json, "outcome"), Outcome::kFenced),
          .effect_free = Flag(json, "effect_free"),
          .reply = BytesOf(json, "reply"),
          .failure = FailureOf(json.value("failure", Json::object())),
          .elapsed = Elapsed(Int(json, "elapsed")),
          .by_transport = false,
          .retry_after = absl::ZeroDuration()};
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

absl::StatusOr<Saga> DecodeJsonSaga(const JsonSaga& row) {
  return Decoded(absl::StrCat("saga ", row.id), [&] {
    Saga saga;
    saga.id = Text(row.id);
    saga.definition = Text(row.definition);
    saga.definition_version = static_cast<int>(row.definition_version);
    saga.key = Text(row.key);
    saga.input_hash = Text(row.input_hash);
    saga.input = Bytes(row.input);
    saga.trace.traceparent = Text(row.traceparent);
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

absl::StatusOr<HistoryEvent> DecodeJsonEvent(const EventRow& row) {
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

absl::StatusOr<StoredDefinition> DecodeJsonDefinition(const StoredDefinition& row) {
  return Decoded(absl::StrCat("definition ", row.name), [&] {
    return StoredDefinition{.name = Text(row.name),
                            .version = row.version,
                            .hash = row.hash,
                            .yaml = Text(row.yaml),
                            .descriptors = Bytes(row.descriptors)};
  });
}

}  // namespace unwind
