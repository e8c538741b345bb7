#include "orchestrator/participants/call_result.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/bytes.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/participants/call_failure.h"

namespace unwind {
namespace {

constexpr char kOutcomeTrailer[] = "saga-outcome";
constexpr char kEffectFree[] = "refused";
constexpr char kPending[] = "pending";
constexpr char kOutcomeKeyTrailer[] = "saga-outcome-key";
constexpr char kRetryAfterTrailer[] = "saga-retry-after";
constexpr char kPushbackTrailer[] = "grpc-retry-pushback-ms";  // gRFC A6
constexpr absl::Duration kRetryAfterMax = absl::Hours(1);

Failure MadeHere(const char* reason, std::string message) {
  return {.reason = reason,
          .domain = kSagaDomain,
          .code = grpc::StatusCode::INTERNAL,
          .message = std::move(message),
          .step = {},
          .metadata = {}};
}

// gRPC's own words, which a server says as well of a request that is larger than its limit.
bool IsReplyTooLarge(const CallEnd& end) {
  return end.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED && end.request_bytes <= end.reply_bytes_max &&
         absl::StartsWith(end.status.error_message(), "Received message larger than max (") &&
         absl::EndsWith(end.status.error_message(), absl::StrCat(" vs. ", end.reply_bytes_max, ")"));
}

// gRPC refuses it if it sees the header before the message, in words that a server has no reason to say: no request of
// ours is compressed. An encoding that gRPC does not know cannot be told from none.
bool IsReplyCompressed(const CallEnd& end) {
  if (end.status.ok()) return IsCompressed(end.response);
  return end.status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
         absl::StartsWith(end.status.error_message(), "Compression algorithm '") &&
         absl::EndsWith(end.status.error_message(), "' is disabled.");
}

// How the messages begin that gRPC 1.51 gives to calls of a connection that ended, or that begin on one that has;
// ConnectionEndsTest and bad_participant_test hold it to that. It is all there is to go by: the status looks as if the
// peer had sent it, and the channel's state may still say READY. A peer may send such words too, and gRPC says "Stream
// removed" to a single call as well. Then the call goes alone for nothing.
constexpr const char* kConnectionEnds[] = {
    "Socket closed",
    "Stream removed",  // what came is no HTTP/2, or has headers that cannot be read
    "GOAWAY received",
    "recvmsg:",
    "Broken pipe",
    "Connection reset by peer",
    "Transport closed",
    "Failed parsing HTTP/2",
    "Endpoint read failed",
    "Delayed close due to in-progress write",
    "keepalive watchdog timeout",
    "received initial metadata size exceeds limit",
    "Trying to connect an http1.x server",
    "frame of size ",  // above the window
};

// The codes that gRPC gives them. A participant that refuses in such words does it with another.
bool IsCodeOfTransport(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::UNKNOWN ||
         code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::CANCELLED ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

bool IsConnectionEnd(const CallEnd& end) {
  return IsCodeOfTransport(end.status.error_code()) && end.status.error_details().empty() && end.trailers.empty() &&
         std::any_of(std::begin(kConnectionEnds), std::end(kConnectionEnds),
                     [&end](const char* words) { return absl::StartsWith(end.status.error_message(), words); });
}

absl::string_view ValueOf(const CallEnd& end, const char* name) {
  const auto it = end.trailers.find(name);
  return it == end.trailers.end() ? absl::string_view() : absl::string_view(it->second.data(), it->second.size());
}

bool IsOfAnother(const CallEnd& end) {
  return end.trailers.count(kOutcomeKeyTrailer) > 0 && ValueOf(end, kOutcomeKeyTrailer) != end.key;
}

bool SaysRefused(const CallEnd& end) { return ValueOf(end, kOutcomeTrailer) == kEffectFree && !IsOfAnother(end); }

bool SaysPending(const CallEnd& end) { return end.status.ok() && ValueOf(end, kOutcomeTrailer) == kPending; }

// Of what came and is no answer; nothing: it is one.
std::optional<Failure> NoAnswer(const CallEnd& end) {
  if (end.status.ok() && !end.response.Valid()) {
    return MadeHere("ANSWER_WITHOUT_MESSAGE", "the participant answered OK without a whole message");
  }
  if (IsReplyTooLarge(end)) {
    return MadeHere("REPLY_TOO_LARGE", absl::StrCat("the reply is larger than ", end.reply_bytes_max, " bytes"));
  }
  if (SaysPending(end) && IsOfAnother(end)) {
    return MadeHere("PENDING_OF_ANOTHER_CALL", "the answer says of another call that it is not finished");
  }
  if (IsReplyCompressed(end)) return MadeHere("REPLY_COMPRESSED", "the reply is compressed, which was not asked for");
  if (!IsConnectionEnd(end)) return std::nullopt;
  Failure ended = MadeHere(kReasonConnectionEnded, absl::StrCat("the connection ended: ", end.status.error_message()));
  ended.code = grpc::StatusCode::UNAVAILABLE;
  return ended;
}

// The longer one of RetryInfo and gRPC's trailer. A negative trailer means "never", which is not its to say.
absl::Duration RetryAfter(const CallEnd& end) {
  absl::Duration delay = GetRetryAfter(FromGrpc(end.status));
  std::int64_t milliseconds = 0;
  if (absl::SimpleAtoi(ValueOf(end, kPushbackTrailer), &milliseconds)) {
    delay = std::max(delay, absl::Milliseconds(milliseconds));
  }
  return std::min(delay, kRetryAfterMax);
}

constexpr absl::Duration kAskAgainMax = absl::Hours(24);

// In whole milliseconds; what is none is not heeded.
absl::Duration AskAgainAfter(const CallEnd& end) {
  std::int64_t milliseconds = 0;
  const bool is_number = absl::SimpleAtoi(ValueOf(end, kRetryAfterTrailer), &milliseconds);
  if (!is_number || milliseconds <= 0) return absl::ZeroDuration();
  return std::min(absl::Milliseconds(milliseconds), kAskAgainMax);
}

}  // namespace

CallResult ReadResult(const CallEnd& end) {
  CallResult result;
  if (std::optional<Failure> no_answer = NoAnswer(end); no_answer.has_value()) {
    result.failure = *std::move(no_answer);
    result.is_answered = false;
    result.by_transport = result.failure.reason == kReasonConnectionEnded;
  } else if (end.status.ok()) {
    result.reply = ToBytes(end.response);
    result.pending = SaysPending(end);
    if (result.pending) result.retry_after = AskAgainAfter(end);
  } else {
    result.failure = ReadFailure(end.status);
    result.effect_free = SaysRefused(end);
    result.retry_after = RetryAfter(end);
  }
  return result;
}

}  // namespace unwind
