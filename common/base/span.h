// A span: a stretch of time in a trace, as OpenTelemetry knows it. Plain data, and where its ids come from.
//
// Ids are hashes of what they stand for wherever it has a name: a saga's, an attempt's. So a process that goes on with
// a saga after a crash knows the ids that the one before it used, and nothing of a trace is stored.
#ifndef UNWIND_COMMON_BASE_SPAN_H_
#define UNWIND_COMMON_BASE_SPAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/trace_context.h"

namespace unwind {

struct SpanIds {
  std::string trace_id;   // 32 lower-case hexadecimal digits, not all 0
  std::string span_id;    // 16
  std::string parent_id;  // 16; empty: the first of its trace

  bool operator==(const SpanIds&) const = default;
};

enum class SpanKind { kInternal, kServer, kClient };

using SpanAttribute = std::pair<std::string, std::variant<std::string, std::int64_t>>;

struct Span {
  SpanIds ids;
  SpanKind kind = SpanKind::kInternal;
  std::string name;
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfinitePast();
  std::string error = {};  // why it failed, in a word; empty: it did not
  std::vector<SpanAttribute> attributes = {};
};

// Of a span with a name of its own, such as "saga/step/action/1".
std::string SpanIdOf(absl::string_view name);

// Of one without.
std::string RandomSpanId();

// A child of the span that `parent` names; nothing if there is none or it is not sampled.
std::optional<SpanIds> ChildOf(const TraceContext& parent, std::string span_id);

// `trace` with the span in place of its parent: for what is called from within the span.
TraceContext Within(const SpanIds& span, TraceContext trace);

// Whether a trace that nobody has decided about is sampled, at `ratio` of 0 to 1: the same everywhere for one trace.
// By the last 13 digits of its id, which must be random.
bool IsSampled(absl::string_view trace_id, double ratio);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_SPAN_H_
