#include "common/base/trace_context.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace unwind {
namespace {

constexpr std::size_t kTracestateBytesMax = 512;
constexpr std::size_t kBaggageBytesMax = 4096;

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

bool IsTraceparent(absl::string_view value) {
  // 00-<32 hex trace id>-<16 hex parent id>-<2 hex flags>
  const bool shape = value.size() == 55 && value.substr(0, 3) == "00-" && value[35] == '-' && value[52] == '-';
  if (!shape) return false;
  const absl::string_view trace = value.substr(3, 32);
  const absl::string_view parent = value.substr(36, 16);
  const bool hex = IsLowerHex(trace) && IsLowerHex(parent) && IsLowerHex(value.substr(53));
  return hex && !IsZero(trace) && !IsZero(parent);
}

// A list may come in several values. gRPC sends no other characters than these.
std::string ReadList(const std::vector<std::string>& values, std::size_t bytes_max) {
  std::string list = absl::StrJoin(values, ",");
  const bool printable = std::all_of(list.begin(), list.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable && list.size() <= bytes_max ? list : "";
}

}  // namespace

TraceContext MakeTraceContext(const std::vector<std::string>& traceparent, const std::vector<std::string>& tracestate,
                              const std::vector<std::string>& baggage) {
  TraceContext trace;
  if (traceparent.size() == 1 && IsTraceparent(traceparent[0])) {
    trace.traceparent = traceparent[0];
    trace.tracestate = ReadList(tracestate, kTracestateBytesMax);
  }
  trace.baggage = ReadList(baggage, kBaggageBytesMax);
  return trace;
}

std::vector<std::pair<std::string, std::string>> MetadataOf(const TraceContext& trace) {
  std::vector<std::pair<std::string, std::string>> metadata;
  if (!trace.traceparent.empty()) metadata.emplace_back("traceparent", trace.traceparent);
  if (!trace.tracestate.empty()) metadata.emplace_back("tracestate", trace.tracestate);
  if (!trace.baggage.empty()) metadata.emplace_back("baggage", trace.baggage);
  return metadata;
}

}  // namespace unwind
