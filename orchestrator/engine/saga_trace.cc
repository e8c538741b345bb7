#include "orchestrator/engine/saga_trace.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "orchestrator/core/names.h"

namespace unwind {

std::optional<SpanIds> SpanOfSaga(const std::string& saga_id, const TraceContext& caller, double ratio) {
  std::string span_id = SpanIdOf(saga_id);
  if (!caller.traceparent.empty()) return ChildOf(caller, std::move(span_id));
  // A saga's id is a UUID, which has as many digits as a trace's.
  std::string trace_id = absl::StrReplaceAll(saga_id, {{"-", ""}});
  if (!IsSampled(trace_id, ratio)) return std::nullopt;
  return SpanIds{.trace_id = std::move(trace_id), .span_id = std::move(span_id), .parent_id = ""};
}

SpanIds SpanOfAttempt(const SpanIds& saga, const std::string& step, Phase phase, int attempt) {
  return {.trace_id = saga.trace_id,
          .span_id = SpanIdOf(absl::StrCat(saga.span_id, "/", step, "/", NameOf(phase), "/", attempt)),
          .parent_id = saga.span_id};
}

}  // namespace unwind
