#include "orchestrator/definition/step_reader.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "orchestrator/definition/methods.h"
#include "orchestrator/definition/values.h"

namespace unwind {
namespace {

using google::protobuf::DescriptorPool;

constexpr std::size_t kNameBytesMax = 32;
constexpr int kAttemptsMax = 1000;
constexpr DurationBound kTimeout = {absl::Hours(1),
                                    "a connection does not live longer; let the call start what lasts, and ask for it"};
constexpr DurationBound kPause = {absl::Hours(24), "a step is tried at least once a day"};
constexpr char kNoCompensation[] = "none";

std::string Quoted(const StepText& text) { return absl::StrCat("step '", text.name.value, "'"); }

void CheckName(const Text& name, Findings& findings) {
  if (!name.given()) return;
  if (name.value == "input" || name.value == "saga") {
    findings.Add(name.line, absl::StrCat("a step cannot be called '", name.value, "'"),
                 "paths begin with that word; choose another name");
  } else if (!IsName(name.value, '_', kNameBytesMax)) {
    findings.Add(name.line, absl::StrCat("'", name.value, "' is not a step's name"),
                 absl::StrCat("use a-z, 0-9 and _, beginning with a letter, at most ", kNameBytesMax, " characters"));
  }
}

void ReadCompensation(const StepText& text, const DescriptorPool& pool, ReadStepResult& step, Findings& findings) {
  const Text& method = text.compensation;
  const bool can_be_undone = step.plan.kind == StepKind::kCompensatable;
  step.plan.has_compensation = can_be_undone && method.value != kNoCompensation;
  if (can_be_undone && !method.given()) {
    findings.Add(text.line, absl::StrCat(Quoted(text), " is compensatable, but names no compensation"),
                 "name the method that undoes it, or write 'compensation: none' if it has no effects");
  } else if (!can_be_undone && method.given()) {
    findings.Add(method.line, absl::StrCat(Quoted(text), " is not compensatable, so nothing ever undoes it"),
                 "take its compensation out, or change its kind");
  } else if (method.given() && method.value != kNoCompensation) {
    step.compensation = FindUnaryMethod(pool, method, findings);
  }
  if (text.compensation_request.given() && (!method.given() || method.value == kNoCompensation)) {
    findings.Add(text.compensation_request.line,
                 absl::StrCat(Quoted(text), " has a compensation_request, but no compensation"),
                 "name the compensation, or take its request out");
  }
}

void ReadResolve(const StepText& text, const DescriptorPool& pool, ReadStepResult& step, Findings& findings) {
  if (text.resolve_request.given() && !text.resolve.given()) {
    findings.Add(text.resolve_request.line, absl::StrCat(Quoted(text), " has a resolve_request, but no resolve"),
                 "name the resolve method, or take its request out");
  }
  if (!text.resolve.given()) {
    if (step.plan.kind == StepKind::kPivot) {
      findings.Warn(text.line,
                    absl::StrCat(Quoted(text),
                                 " is a pivot without a resolve: refused after an unknown outcome it parks, "
                                 "and a person must find out whether it happened"),
                    "name a method that answers finally whether it happened");
    }
    return;
  }
  if (step.plan.kind != StepKind::kPivot) {
    findings.Add(text.resolve.line, absl::StrCat(Quoted(text), " is not a pivot, so nothing ever resolves it"),
                 "take its resolve out: other steps are repeated or compensated until their outcome is known");
    return;
  }
  step.plan.has_resolve = true;
  step.resolve = FindUnaryMethod(pool, text.resolve, findings);
  if (step.resolve == nullptr || step.action == nullptr) return;
  if (step.resolve->output_type() != step.action->output_type()) {
    findings.Add(text.resolve.line,
                 absl::StrCat("'", text.resolve.value, "' answers ", step.resolve->output_type()->full_name(),
                              ", but the action answers ", step.action->output_type()->full_name()),
                 "an OK of resolve stands for the action's reply: let both answer the same message");
  }
  if (!text.resolve_request.given() && step.resolve->input_type() != step.action->input_type()) {
    findings.Add(text.resolve.line,
                 absl::StrCat("'", text.resolve.value, "' takes ", step.resolve->input_type()->full_name(),
                              ", which is not the action's request"),
                 "give it a resolve_request");
  }
}

RetryPolicy ReadRetry(const StepText& text, Findings& findings) {
  RetryPolicy retry;
  retry.attempts = ReadCount(text.attempts, "'attempts'", retry.attempts, kAttemptsMax, findings);
  retry.backoff = ReadDuration(text.backoff, "'backoff'", retry.backoff, kPause, findings);
  retry.cap = ReadDuration(text.cap, "'cap'", retry.cap, kPause, findings);
  if (retry.backoff > retry.cap) {
    findings.Add(text.backoff.given() ? text.backoff.line : text.cap.line,
                 absl::StrCat("'backoff' is ", absl::FormatDuration(retry.backoff), ", longer than 'cap', which is ",
                              absl::FormatDuration(retry.cap)),
                 "make the cap the longer one");
  }
  return retry;
}

void CheckPending(const StepText& text, StepKind kind, Findings& findings) {
  const bool is_pivot = kind == StepKind::kPivot;
  if (is_pivot && !text.resolve.given()) {
    findings.Add(text.pending_line, absl::StrCat(Quoted(text), " is a pivot that may wait, but has no resolve"),
                 "name the method that ends the wait: nothing else can");
  }
  if (is_pivot && !text.wait_for.given()) {
    findings.Add(text.pending_line, absl::StrCat(Quoted(text), " is a pivot that may wait for ever"),
                 "give its 'pending' a 'for': past it its resolve is told to settle it");
  }
  if (kind == StepKind::kRetriable && text.wait_for.given()) {
    findings.Add(text.wait_for.line, absl::StrCat(Quoted(text), " is retriable, so nothing ends its wait"),
                 "take its 'for' out: it is asked for until it is finished");
  }
}

std::optional<PendingPolicy> ReadPending(const StepText& text, StepKind kind, absl::Duration age_max,
                                         Findings& findings) {
  if (text.pending_line == 0) return std::nullopt;
  PendingPolicy pending;
  pending.poll = ReadDuration(text.poll, "'poll'", pending.poll, kPause, findings);
  pending.cap = ReadDuration(text.poll_cap, "'cap'", pending.cap, kPause, findings);
  if (pending.poll > pending.cap) {
    findings.Add(text.poll.given() ? text.poll.line : text.poll_cap.line,
                 absl::StrCat("'poll' is ", absl::FormatDuration(pending.poll), ", longer than 'cap', which is ",
                              absl::FormatDuration(pending.cap)),
                 "make the cap the longer one");
  }
  pending.wait =
      ReadDuration(text.wait_for, "'for'", pending.wait, {age_max, "nothing is sent for an older saga"}, findings);
  CheckPending(text, kind, findings);
  return pending;
}

// All attempts that a step may make, each unanswered for as long as it may be, and the longest pauses between them.
absl::Duration LongestTrial(const StepPlan& step) {
  absl::Duration trial = step.timeout;
  absl::Duration pause = step.retry.backoff;
  for (int n = 1; n < step.retry.attempts; ++n) {
    pause = std::min(pause, step.retry.cap);
    trial += pause + step.timeout;
    pause *= 2;
  }
  return trial;
}

void CheckTrial(const StepText& text, const StepPlan& step, absl::Duration age_max, Findings& findings) {
  const absl::Duration trial = LongestTrial(step);
  if (step.kind != StepKind::kCompensatable || trial <= age_max) return;
  findings.Refuse(text.attempts.given() ? text.attempts.line : text.line,
                  absl::StrCat(Quoted(text), " may take ", absl::FormatDuration(absl::Trunc(trial, absl::Seconds(1))),
                               " for its ", step.retry.attempts, " attempts"),
                  absl::StrCat("at most ", absl::FormatDuration(age_max),
                               " makes sense: nothing is sent for an older saga; lower its attempts, cap or timeout"));
}

OutcomeOverrides ReadOverrides(const StepText& text, Findings& findings) {
  OutcomeOverrides overrides;
  for (const auto& [code_name, outcome_name] : text.outcomes) {
    const auto code = ReadErrorCode(code_name, findings);
    const auto outcome = ReadOverride(outcome_name, findings);
    if (code.has_value() && outcome.has_value()) overrides[*code] = *outcome;
  }
  return overrides;
}

}  // namespace

ReadStepResult ReadStep(const StepText& text, const DescriptorPool& pool, absl::Duration age_max, Findings& findings) {
  ReadStepResult step;
  CheckName(text.name, findings);
  step.plan.name = text.name.value;
  step.plan.kind = ReadKind(text.kind, findings);
  if (text.action.given()) step.action = FindUnaryMethod(pool, text.action, findings);
  ReadCompensation(text, pool, step, findings);
  ReadResolve(text, pool, step, findings);
  step.plan.retry = ReadRetry(text, findings);
  step.plan.pending = ReadPending(text, step.plan.kind, age_max, findings);
  step.plan.timeout = ReadDuration(text.timeout, "'timeout'", step.plan.timeout, kTimeout, findings);
  CheckTrial(text, step.plan, age_max, findings);
  step.overrides = ReadOverrides(text, findings);
  return step;
}

}  // namespace unwind
