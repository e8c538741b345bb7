// Where a saga and its calls stand in a trace. It follows from the saga's row alone, so that every instance that drives
// it, also after a crash, makes spans of one trace with the same ids.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SAGA_TRACE_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SAGA_TRACE_H_

#include <optional>
#include <string>

#include "common/base/span.h"
#include "orchestrator/core/saga.h"

namespace unwind {

// The span of a saga from its acceptance to its end: a child of its caller's, if that is sampled; without a caller's
// trace the first of a trace whose id is the saga's, sampled at `ratio`. Nothing: it is not sampled.
std::optional<SpanIds> SpanOfSaga(const std::string& saga_id, const TraceContext& caller, double ratio);

// The span of one attempt of a step's phase, counted from 1, within `saga`.
SpanIds SpanOfAttempt(const SpanIds& saga, const std::string& step, Phase phase, int attempt);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SAGA_TRACE_H_
