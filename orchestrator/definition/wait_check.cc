#include "orchestrator/definition/wait_check.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace unwind {
namespace {

void CheckWait(const StepText& text, const StepPlan& step, const Plan& plan, Findings& findings) {
  if (step.compensation_reads_own_reply) {
    findings.Add(text.compensation_request.line,
                 absl::StrCat("the compensation of step '", text.name.value,
                              "' reads the step's own reply, which nobody knows while it waits"),
                 "read the input or a step that it comes after");
  }
  const absl::Duration wait = step.pending->wait;
  const bool is_bounded = step.kind == StepKind::kCompensatable && text.wait_for.given() && wait <= plan.age_max;
  if (!is_bounded || wait <= plan.deadline) return;
  findings.Add(text.wait_for.line,
               absl::StrCat("'for' of step '", text.name.value, "' is ", absl::FormatDuration(wait),
                            ", longer than the saga's 'deadline', which is ", absl::FormatDuration(plan.deadline)),
               "past the deadline the saga goes back: make it the longer one");
}

}  // namespace

void CheckWaits(const std::vector<StepText>& texts, const std::vector<ReadStepResult>& steps, const Plan& plan,
                Findings& findings) {
  absl::Duration undoable, pivots;
  int line = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepPlan& step = steps[i].plan;
    if (!step.pending.has_value()) continue;
    CheckWait(texts[i], step, plan, findings);
    const bool is_counted = step.kind != StepKind::kRetriable && texts[i].wait_for.given();
    if (!is_counted || step.pending->wait > plan.age_max) continue;
    (step.kind == StepKind::kPivot ? pivots : undoable) += step.pending->wait;
    line = texts[i].wait_for.line;
  }
  // A deadline ends what comes before the pivot; without one the waits follow each other.
  const absl::Duration before = plan.deadline == absl::InfiniteDuration() ? undoable : plan.deadline;
  if (line == 0 || before + pivots < plan.age_max) return;
  findings.Add(
      line, absl::StrCat("the saga may wait for ", absl::FormatDuration(before + pivots), " in all"),
      absl::StrCat("it must be less than ", absl::FormatDuration(plan.age_max), ": nothing is sent for an older saga"));
}

}  // namespace unwind
