#include "orchestrator/participants/call_result.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/bytes.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/participants/call_failure.h"

namespace unwind {
namespace {

constexpr char kOutcomeTrailer[] = "saga-outcome";
constexpr char kEffectFree[] = "refused";
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

Failure FailureOf(const CallEnd& end) {
  if (end.status.ok() && !end.response.Valid()) {
    return MadeHere("ANSWER_WITHOUT_MESSAGE", "the participant answered OK without a whole message");
  }
  if (IsReplyTooLarge(end)) {
    return MadeHere("REPLY_TOO_LARGE", absl::StrCat("the reply is larger than ", end.reply_bytes_max, " bytes"));
  }
  if (IsReplyCompressed(end)) return MadeHere("REPLY_COMPRESSED", "the reply is compressed, which was not asked for");
  return ReadFailure(end.status);
}

absl::string_view ValueOf(const CallEnd& end, const char* name) {
  const auto it = end.trailers.find(name);
  return it == end.trailers.end() ? absl::string_view() : absl::string_view(it->second.data(), it->second.size());
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

}  // namespace

CallResult ReadResult(const CallEnd& end) {
  CallResult result;
  result.failure = FailureOf(end);
  if (result.failure.code == grpc::StatusCode::OK) {
    result.reply = ToBytes(end.response);
  } else if (!end.status.ok()) {
    result.effect_free = ValueOf(end, kOutcomeTrailer) == kEffectFree;
    result.retry_after = RetryAfter(end);
  }
  return result;
}

}  // namespace unwind
