#include "orchestrator/core/names.h"

namespace unwind {

const char* NameOf(Phase phase) {
  switch (phase) {
    case Phase::kAction:
      return "action";
    case Phase::kCompensation:
      return "compensation";
    case Phase::kResolve:
      return "resolve";
  }
  return "?";
}

const char* NameOf(StepKind kind) {
  switch (kind) {
    case StepKind::kCompensatable:
      return "compensatable";
    case StepKind::kPivot:
      return "pivot";
    case StepKind::kRetriable:
      return "retriable";
  }
  return "?";
}

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kUnknown:
      return "unknown";
    case Outcome::kFenced:
      return "fenced";
    case Outcome::kPending:
      return "pending";
  }
  return "?";
}

const char* NameOf(SagaState state) {
  switch (state) {
    case SagaState::kRunning:
      return "running";
    case SagaState::kCompensating:
      return "compensating";
    case SagaState::kCompleted:
      return "completed";
    case SagaState::kAborted:
      return "aborted";
    case SagaState::kParked:
      return "parked";
  }
  return "?";
}

const char* NameOf(StepState state) {
  switch (state) {
    case StepState::kPending:
      return "pending";
    case StepState::kSkipped:
      return "skipped";
    case StepState::kInFlight:
      return "in_flight";
    case StepState::kSucceeded:
      return "succeeded";
    case StepState::kRefused:
      return "refused";
    case StepState::kCompensating:
      return "compensating";
    case StepState::kCompensated:
      return "compensated";
    case StepState::kWaiting:
      return "waiting";
  }
  return "?";
}

const char* NameOf(const Event& event) {
  struct Name {
    const char* operator()(const Started&) const { return "started"; }
    const char* operator()(const Born&) const { return "born"; }
    const char* operator()(const Replied&) const { return "replied"; }
    const char* operator()(const Ticked&) const { return "ticked"; }
    const char* operator()(const CancelRequested&) const { return "cancel_requested"; }
    const char* operator()(const TakenOver&) const { return "taken_over"; }
    const char* operator()(const Nudged&) const { return "nudged"; }
    const char* operator()(const Operated& operated) const {
      switch (operated.verb) {
        case Verb::kRetry:
          return "retried";
        case Verb::kSkip:
          return "skipped";
        case Verb::kResolve:
          return "resolved";
      }
      return "?";
    }
  };
  return std::visit(Name{}, event);
}

}  // namespace unwind
