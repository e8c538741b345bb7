// What a caller says of the trace that its call belongs to (W3C Trace Context and Baggage). It is passed on and decides
// nothing.
#ifndef UNWIND_COMMON_BASE_TRACE_CONTEXT_H_
#define UNWIND_COMMON_BASE_TRACE_CONTEXT_H_

#include <string>
#include <utility>
#include <vector>

namespace unwind {

// Each is printable ASCII; empty: none.
struct TraceContext {
  std::string traceparent;  // of version 00
  std::string tracestate;   // at most 512 bytes; only beside a traceparent
  std::string baggage;      // at most 4 KiB

  bool operator==(const TraceContext&) const = default;
};

// Of the values that a call's metadata gives for each: what is not one, or too long, is left out whole.
TraceContext MakeTraceContext(const std::vector<std::string>& traceparent, const std::vector<std::string>& tracestate,
                              const std::vector<std::string>& baggage);

// `metadata` is a multimap of texts that have data() and size(), such as gRPC's.
template <class Multimap>
TraceContext ReadTraceContext(const Multimap& metadata) {
  const auto values = [&metadata](const char* name) {
    std::vector<std::string> all;
    const auto [first, last] = metadata.equal_range(name);
    for (auto it = first; it != last; ++it) all.emplace_back(it->second.data(), it->second.size());
    return all;
  };
  return MakeTraceContext(values("traceparent"), values("tracestate"), values("baggage"));
}

// The metadata that passes it on.
std::vector<std::pair<std::string, std::string>> MetadataOf(const TraceContext& trace);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_TRACE_CONTEXT_H_
