// The words of the enums, as they stand in metadata, logs, metrics and stored rows, and the name under which the
// orchestrator's own errors go. Never reword: stored.
#ifndef UNWIND_ORCHESTRATOR_CORE_NAMES_H_
#define UNWIND_ORCHESTRATOR_CORE_NAMES_H_

#include "orchestrator/core/advance.h"

namespace unwind {

inline constexpr char kSagaDomain[] = "saga.unwind";  // ErrorInfo's domain of the reasons that are the saga's own

const char* NameOf(Phase phase);      // action, compensation, resolve
const char* NameOf(StepKind kind);    // compensatable, pivot, retriable
const char* NameOf(Outcome outcome);  // ok, refused, unknown, fenced, pending
const char* NameOf(SagaState state);  // running, compensating, completed, aborted, parked
// pending, skipped, in_flight, succeeded, refused, compensating, compensated, waiting
const char* NameOf(StepState state);
const char* NameOf(
    const Event& event);  // started, replied, ticked, cancel_requested, taken_over, retried, skipped, resolved, born

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_NAMES_H_
