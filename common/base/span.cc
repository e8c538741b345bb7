#include "common/base/span.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/sha256.h"
#include "common/base/system_random.h"

namespace unwind {
namespace {

// Where a traceparent, 00-TRACE-PARENT-FLAGS, has what.
constexpr std::size_t kTraceAt = 3, kTraceChars = 32, kParentAt = 36, kSpanChars = 16, kFlagsAt = 53;
constexpr std::size_t kRandomDigits = 13;  // 52 bits, which a double holds exactly
constexpr double kRandomValues = 0x1p52;   // of as many digits

bool SaysSampled(const std::string& traceparent) {
  std::uint32_t flags = 0;
  return absl::SimpleHexAtoi(traceparent.substr(kFlagsAt), &flags) && (flags & 1) != 0;
}

}  // namespace

std::string SpanIdOf(absl::string_view name) { return HexSha256(name).substr(0, kSpanChars); }

std::string RandomSpanId() { return absl::StrFormat("%016x", SystemRandom()() | 1); }

std::optional<SpanIds> ChildOf(const TraceContext& parent, std::string span_id) {
  if (parent.traceparent.empty() || !SaysSampled(parent.traceparent)) return std::nullopt;
  return SpanIds{.trace_id = parent.traceparent.substr(kTraceAt, kTraceChars),
                 .span_id = std::move(span_id),
                 .parent_id = parent.traceparent.substr(kParentAt, kSpanChars)};
}

TraceContext Within(const SpanIds& span, TraceContext trace) {
  trace.traceparent = absl::StrCat("00-", span.trace_id, "-", span.span_id, "-01");
  return trace;
}

bool IsSampled(absl::string_view trace_id, double ratio) {
  std::uint64_t random = 0;
  const absl::string_view digits = trace_id.substr(trace_id.size() - std::min(trace_id.size(), kRandomDigits));
  if (!absl::SimpleHexAtoi(digits, &random)) return false;
  return static_cast<double>(random) < ratio * kRandomValues;
}

}  // namespace unwind
