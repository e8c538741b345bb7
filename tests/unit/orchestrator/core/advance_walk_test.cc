// Every reachable row of every shape, and every event in it: the rules that must hold of each transition, and a way
// from every row to a terminal one.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"
#include "tests/unit/orchestrator/core/shapes.h"

namespace unwind {
namespace {

constexpr int kSendsMax = 2;     // Advance asks only whether a send is the first
constexpr int kUnknownsMax = 2;  // shapes retry twice, so Advance cannot tell three from two

const absl::Time kEarly = absl::FromUnixSeconds(1000);
const absl::Time kLate = kEarly + absl::Seconds(60);  // past every shape's deadline
const absl::Time kOver = kEarly + absl::Hours(1);     // past every wait that began before
constexpr int kLast = 2;                              // of the three

absl::Time MomentOf(int late) { return late == 0 ? kEarly : late == 1 ? kLate : kOver; }

bool Waits(const StepPlan& step) { return step.pending.has_value(); }

struct Node {
  Saga saga;
  int late = 0;
  std::vector<int> successors;
  bool reaches_end = false;
};

bool IsBusy(const Step& step) {
  return step.state == StepState::kInFlight || step.state == StepState::kCompensating ||
         step.state == StepState::kWaiting;
}

// The row with everything set to one value that Advance cannot see: so the space is finite and the walk closes. What is
// set to one value here is checked in every transition, before it is.
void Canonicalise(Saga& saga, int& late) {
  saga.version = std::min<std::int64_t>(saga.version, 1);
  if (saga.backward) late = kLast;  // no way back from going back: neither time nor cancel counts any more
  saga.cancel_requested |= saga.backward;
  for (Step& step : saga.steps) {
    const bool busy = IsBusy(step);
    for (std::size_t phase = 1; phase < step.sends.size(); ++phase) {
      const bool current = busy && phase == static_cast<std::size_t>(step.phase);
      step.sends[phase] = current ? std::min(step.sends[phase], kSendsMax) : 0;
    }
    if (!busy) step.refusals = 0;
    const bool attempting = busy && step.phase == Phase::kAction;  // nothing else has a budget of attempts
    step.unknowns = attempting ? std::min(step.unknowns, kUnknownsMax) : 0;
    step.first_send_time = absl::InfiniteFuture();
    step.last_failure = {};
    step.pending_reply.clear();
    step.pendings = 0;
    step.decides &= busy;
    step.nudge_time = absl::InfinitePast();
    const bool may_end = busy && !saga.backward && step.wait_until != absl::InfiniteFuture();
    const bool is_over = may_end && step.wait_until <= MomentOf(late);
    step.wait_until = is_over ? kEarly : may_end && late < kLast ? kOver : absl::InfiniteFuture();
    if (step.wake_at != absl::InfiniteFuture()) step.wake_at = kEarly;
  }
}

std::string KeyOf(const Saga& saga, int late) {
  std::string key = {static_cast<char>(late + 4 * saga.cancel_requested + 8 * saga.backward),
                     static_cast<char>(saga.version)};
  for (const Step& step : saga.steps) {
    key += static_cast<char>(static_cast<int>(step.state) * 8 + static_cast<int>(step.phase));
    key += static_cast<char>(step.awaiting + 2 * step.parked + 4 * (step.wake_at != absl::InfiniteFuture()) +
                             8 * step.reply.empty() + 16 * step.refusals + 64 * step.unknowns);
    key += static_cast<char>(step.attempt());
    key += static_cast<char>(step.decides + 2 * (step.wait_until == kEarly) + 4 * (step.wait_until == kOver) +
                             8 * step.nudged);
  }
  return key;
}

Replied Reply(const Send& send, Outcome outcome, bool effect_free, const char* reason) {
  Replied reply{.step = send.step,
                .phase = send.phase,
                .attempt = send.attempt,
                .outcome = outcome,
                .effect_free = effect_free,
                .reply = {},
                .failure = {},
                .elapsed = {}};
  if (outcome == Outcome::kOk || outcome == Outcome::kPending) {
    reply.reply = outcome == Outcome::kOk ? "reply" : "not yet";
  } else {
    reply.failure.reason = reason;
  }
  return reply;
}

std::vector<Event> LiveEvents(const Plan& plan, const Saga& saga) {
  if (saga.version == 0) {
    return {Started{}, Born{}, Born{.parked_step = 0, .why_parked = {.reason = "PARENT_NOT_READ"}}};
  }
  std::vector<Event> events = {Ticked{}, CancelRequested{}, TakenOver{}};
  if (IsUnstarted(saga)) events.push_back(Started{});
  for (const Send& send : Outstanding(saga)) {
    events.push_back(Reply(send, Outcome::kOk, false, ""));
    events.push_back(Reply(send, Outcome::kUnknown, false, "UNAVAILABLE"));
    Replied cut = Reply(send, Outcome::kUnknown, false, "UNAVAILABLE");
    cut.by_transport = true;
    events.push_back(cut);
    events.push_back(Reply(send, Outcome::kPending, false, ""));
    events.push_back(Reply(send, Outcome::kFenced, false, kReasonFenced));
    events.push_back(Reply(send, Outcome::kRefused, true, "NO"));
    events.push_back(Reply(send, Outcome::kRefused, false, "NO"));
    events.push_back(Reply(send, Outcome::kRefused, false, kReasonKeyReused));
  }
  for (int i = 0; i < static_cast<int>(saga.steps.size()); ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (TakesNudge(plan, saga, index)) events.push_back(Nudged{plan.steps[index].name});
    if (!TakesVerb(plan, saga, index)) continue;
    for (const Verb verb : {Verb::kRetry, Verb::kSkip, Verb::kResolve}) {
      events.push_back(Operated{.verb = verb, .step = i, .reply = "told", .actor = {}, .reason = {}});
    }
  }
  return events;
}

// Events that must change nothing in this row.
std::vector<Event> StaleEvents(const Plan& plan, const Saga& saga) {
  std::vector<Event> events;
  if (saga.version > 0) events.push_back(Born{});
  if (saga.version > 0 && !IsUnstarted(saga)) events.push_back(Started{});
  events.push_back(Nudged{"nobody"});
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    if (!TakesNudge(plan, saga, i)) events.push_back(Nudged{plan.steps[i].name});
  }
  for (int i = -1; i <= static_cast<int>(saga.steps.size()); ++i) {
    const bool inside = i >= 0 && i < static_cast<int>(saga.steps.size());
    const Step step = inside ? saga.steps[static_cast<std::size_t>(i)] : Step();
    if (!inside || !TakesVerb(plan, saga, static_cast<std::size_t>(i)))
      events.push_back(Operated{.verb = Verb::kSkip, .step = i, .reply = {}, .actor = {}, .reason = {}});
    for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
      for (int attempt = step.attempt() - 1; attempt <= step.attempt() + 1; ++attempt) {
        if (step.awaiting && step.phase == phase && step.attempt() == attempt) continue;
        events.push_back(Reply({i, phase, attempt}, Outcome::kOk, false, ""));
      }
    }
  }
  return events;
}

bool Contains(const std::vector<Send>& sends, const Send& send) {
  return std::find(sends.begin(), sends.end(), send) != sends.end();
}

bool Depends(const Plan& plan, std::size_t j, std::size_t i) {
  for (const int b : plan.steps[j].after) {
    if (static_cast<std::size_t>(b) == i || Depends(plan, static_cast<std::size_t>(b), i)) return true;
  }
  return false;
}

bool IsUndoing(const Step& step) {
  return step.state == StepState::kCompensating ||
         (step.state == StepState::kWaiting && step.phase == Phase::kCompensation);
}
bool SucceededOrSkipped(const Step& step) {
  return step.state == StepState::kSucceeded || step.state == StepState::kSkipped;
}
bool IsUndone(const Step& step) {
  return step.state == StepState::kPending || step.state == StepState::kSkipped || step.state == StepState::kRefused ||
         step.state == StepState::kCompensated;
}

// Of a saga that nobody drives until it is due.
std::string BrokenByRest(const Plan& plan, const Saga& saga) {
  if (saga.due_at == absl::InfiniteFuture()) return "";
  if (!Outstanding(saga).empty()) return "it rests, and a call is out";
  if (!WaitsSince(plan, saga).has_value()) return "it rests, and no step waits";
  for (const Step& step : saga.steps) {
    if (step.wake_at < saga.due_at) return "it rests, and a step must be sent";
  }
  return saga.due_at > EndsAt(plan, saga) ? "it rests past the end of its wait" : "";
}

// "" or the rule that the row breaks.
std::string BrokenByRow(const Plan& plan, const Saga& saga) {
  bool anything_to_wait_for = false;
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    const Step& step = saga.steps[i];
    const int modes = step.awaiting + step.parked + (step.wake_at != absl::InfiniteFuture());
    if (modes > 1) return "a step waits for more than one thing";
    const bool busy = IsBusy(step);
    if (!busy && modes > 0) return "a resting step waits";
    if (busy && modes == 0) return "a busy step waits for nothing";
    anything_to_wait_for |= modes > 0;
    if (IsUndoing(step) && !saga.backward) return "compensating while going forward";
    if (step.state == StepState::kWaiting && !Waits(plan.steps[i])) return "a step waits that does not declare it";
    if (step.decides && step.phase != Phase::kResolve) return "a wait is over and nobody is asked to settle it";
    if (plan.steps[i].kind == StepKind::kPivot && saga.backward && SucceededOrSkipped(step) &&
        step.state == StepState::kSucceeded) {
      return "going back after the pivot's success";
    }
    if (plan.steps[i].kind == StepKind::kRetriable && saga.backward && step.state != StepState::kPending) {
      return "a retriable step was sent in a saga that goes back";
    }
  }
  const bool all_done = std::all_of(saga.steps.begin(), saga.steps.end(), SucceededOrSkipped);
  const bool all_undone = std::all_of(saga.steps.begin(), saga.steps.end(), IsUndone);
  if (saga.state == SagaState::kCompleted && (!all_done || saga.backward)) return "COMPLETED with a step not done";
  if (saga.state == SagaState::kAborted && (!all_undone || !saga.backward)) return "ABORTED with a step not undone";
  if (saga.state == SagaState::kAborted && saga.failure.reason.empty()) return "ABORTED without a reason";
  const bool waits_for_its_turn = IsUnstarted(saga);
  if (!IsTerminal(saga.state) && saga.version > 0 && !anything_to_wait_for && !waits_for_its_turn) return "stuck";
  if (IsTerminal(saga.state) && anything_to_wait_for) return "terminal, yet waiting";
  return waits_for_its_turn ? "" : BrokenByRest(plan, saga);
}

std::string BrokenBySend(const Plan& plan, const Saga& before, const Saga& after, const Send& send) {
  const auto i = static_cast<std::size_t>(send.step);
  const auto phase = static_cast<std::size_t>(send.phase);
  if (send.attempt != before.steps[i].sends[phase] + 1) return "a send is not attempt + 1";
  switch (send.phase) {
    case Phase::kAction:
      for (const int b : plan.steps[i].after) {
        if (!SucceededOrSkipped(before.steps[static_cast<std::size_t>(b)]) &&
            !SucceededOrSkipped(after.steps[static_cast<std::size_t>(b)])) {
          return "an action before what it depends on";
        }
      }
      if (after.backward && !plan.steps[i].compensation_reads_own_reply) return "an action in a saga that goes back";
      return "";
    case Phase::kCompensation:
      if (!plan.steps[i].has_compensation) return "a compensation that is not there";
      for (std::size_t j = 0; j < plan.steps.size(); ++j) {
        if (Depends(plan, j, i) && !IsUndone(after.steps[j])) return "compensations out of order";
      }
      if (plan.steps[i].compensation_reads_own_reply && before.steps[i].reply.empty() && after.steps[i].reply.empty()) {
        return "a compensation that needs a reply nobody has";
      }
      return "";
    case Phase::kResolve:
      return plan.steps[i].kind == StepKind::kPivot ? "" : "a resolve of a step that is no pivot";
  }
  return "";
}

// Of a step that waits, or has (S13, S15). `now`: of the decision.
std::string BrokenByWait(const Saga& saga, const Step& before, const Step& after, const Replied* reply,
                         absl::Time now) {
  const bool decided = after.decides && !before.decides;
  if (decided && !saga.cancel_requested && now < before.wait_until) return "a wait was ended before its time";
  const bool is_lost = reply != nullptr && reply->outcome == Outcome::kUnknown;
  if (is_lost && before.state == StepState::kWaiting && after.phase != before.phase && !decided &&
      after.phase == Phase::kResolve) {
    return "a lost question ended a wait";
  }
  if (reply != nullptr && reply->outcome == Outcome::kPending && after.state == StepState::kSucceeded) {
    return "what is not finished was taken as done";
  }
  if (!before.pending_reply.empty() && before.pending_reply != after.pending_reply) return "a first answer was lost";
  return "";
}

std::string BrokenByTransition(const Plan& plan, const Saga& before, const Event& event, const Decision& decision,
                               absl::Time now) {
  const Saga& after = decision.next;
  if (decision.stale) return after == before && decision.sends.empty() ? "" : "stale, yet something changed";
  if (IsTerminal(before.state)) return "a terminal saga moved";
  if (after.version != before.version + 1) return "version is not + 1";
  if (before.backward && !after.backward) return "turned forward again";
  if (before.cancel_requested && !after.cancel_requested) return "forgot a cancel";
  const std::vector<Send> old_sends = Outstanding(before);
  const std::vector<Send> new_sends = Outstanding(after);
  const auto* reply = std::get_if<Replied>(&event);
  for (const Send& send : decision.sends) {
    if (!Contains(new_sends, send)) return "a send that is not outstanding";
    if (std::string broken = BrokenBySend(plan, before, after, send); !broken.empty()) return broken;
  }
  for (const Send& send : new_sends) {
    if (!Contains(decision.sends, send) && !Contains(old_sends, send)) return "outstanding, but never sent";
    if (reply != nullptr && Contains(old_sends, send) && send == Send{reply->step, reply->phase, reply->attempt}) {
      return "answered, yet still outstanding";
    }
  }
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const bool is_open = before.steps[i].state == StepState::kInFlight || before.steps[i].state == StepState::kWaiting;
    if (plan.steps[i].kind == StepKind::kPivot && is_open && after.backward && !before.backward) {
      const bool known = after.steps[i].state == StepState::kRefused;
      if (!known) return "went back while the pivot's outcome was unknown";
    }
    if (after.steps[i].state == StepState::kCompensated && before.steps[i].state != StepState::kCompensated &&
        plan.steps[i].has_compensation && !IsUndoing(before.steps[i]) && !std::holds_alternative<Operated>(event)) {
      return "compensated without a compensation";
    }
    if (reply != nullptr && reply->by_transport && after.steps[i].unknowns > before.steps[i].unknowns) {
      return "the end of a connection spent an attempt";
    }
    const bool of_step = reply != nullptr && reply->step == static_cast<int>(i);
    if (std::string broken = BrokenByWait(after, before.steps[i], after.steps[i], of_step ? reply : nullptr, now);
        !broken.empty()) {
      return broken;
    }
    if (!before.steps[i].reply.empty() && before.steps[i].reply != after.steps[i].reply) return "a reply was rewritten";
  }
  return BrokenByRow(plan, after);
}

struct Walk {
  std::vector<Node> nodes;
  std::size_t transitions = 0;
  std::string broken;  // the first broken rule, with the row and the event
};

std::string Story(const Saga& saga, const Event& event, const std::string& rule) {
  std::string story = absl::StrCat(rule, ": ", NameOf(event));
  if (const auto* reply = std::get_if<Replied>(&event)) {
    absl::StrAppend(&story, " ", reply->step, "/", NameOf(reply->phase), "/", reply->attempt, " ",
                    NameOf(reply->outcome), " ", reply->failure.reason);
  }
  absl::StrAppend(&story, " in ", NameOf(saga.state));
  for (const Step& step : saga.steps) {
    absl::StrAppend(&story, " [", NameOf(step.state), " ", NameOf(step.phase), " #", step.attempt(),
                    step.awaiting ? " awaiting" : "", step.parked ? " parked" : "", "]");
  }
  return story;
}

Walk WalkAll(const Plan& plan, const std::string& input) {
  Walk walk;
  std::unordered_map<std::string, int> seen;
  const int last = std::any_of(plan.steps.begin(), plan.steps.end(), Waits) ? kLast : 1;
  const auto visit = [&](Saga saga, int late) {
    Canonicalise(saga, late);
    const auto [it, fresh] = seen.try_emplace(KeyOf(saga, late), static_cast<int>(walk.nodes.size()));
    if (fresh) walk.nodes.push_back({.saga = std::move(saga), .late = late, .successors = {}, .reaches_end = false});
    return it->second;
  };
  Saga first;
  first.input = input;
  first.steps.resize(plan.steps.size());
  visit(first, 0);
  for (std::size_t n = 0; n < walk.nodes.size(); ++n) {
    const Saga saga = walk.nodes[n].saga;
    for (const Event& event : StaleEvents(plan, saga)) {
      const Decision decision = Advance(plan, saga, event, {.now = kEarly, .jitter = 0});
      if (!decision.stale || decision.next != saga || !decision.sends.empty()) {
        walk.broken = Story(saga, event, "a stale event changed something");
        return walk;
      }
    }
    for (int late = walk.nodes[n].late; late <= std::max(last, walk.nodes[n].late); ++late) {
      const absl::Time now = MomentOf(late);
      for (const Event& event : LiveEvents(plan, saga)) {
        const Decision decision = Advance(plan, saga, event, {.now = now, .jitter = 0});
        ++walk.transitions;
        if (std::string broken = BrokenByTransition(plan, saga, event, decision, now); !broken.empty()) {
          walk.broken = Story(saga, event, broken);
          return walk;
        }
        if (decision.stale) continue;
        const int next = visit(decision.next, late);
        walk.nodes[n].successors.push_back(next);
      }
    }
  }
  return walk;
}

// The first row from which no terminal one can be reached; null if there is none.
const Node* Trapped(Walk& walk) {
  std::vector<std::vector<int>> before(walk.nodes.size());
  std::deque<int> queue;
  for (std::size_t n = 0; n < walk.nodes.size(); ++n) {
    for (const int next : walk.nodes[n].successors)
      before[static_cast<std::size_t>(next)].push_back(static_cast<int>(n));
    if (IsTerminal(walk.nodes[n].saga.state)) {
      walk.nodes[n].reaches_end = true;
      queue.push_back(static_cast<int>(n));
    }
  }
  for (; !queue.empty(); queue.pop_front()) {
    for (const int previous : before[static_cast<std::size_t>(queue.front())]) {
      Node& node = walk.nodes[static_cast<std::size_t>(previous)];
      if (node.reaches_end) continue;
      node.reaches_end = true;
      queue.push_back(previous);
    }
  }
  for (const Node& node : walk.nodes) {
    if (!node.reaches_end) return &node;
  }
  return nullptr;
}

struct Shape {
  const char* name;
  Plan plan;
  std::string input;
  std::size_t rows_min;  // a walk that finds fewer explores too little
};

class AdvanceWalk : public testing::TestWithParam<Shape> {};

TEST_P(AdvanceWalk, KeepsEveryRuleInEveryRow) {
  Walk walk = WalkAll(GetParam().plan, GetParam().input);
  ASSERT_EQ(walk.broken, "");
  std::printf("%s: %zu rows, %zu transitions\n", GetParam().name, walk.nodes.size(), walk.transitions);
  EXPECT_GE(walk.nodes.size(), GetParam().rows_min);
  const Node* const trapped = Trapped(walk);
  EXPECT_EQ(trapped, nullptr) << (trapped == nullptr ? "" : Story(trapped->saga, Ticked{}, "no way to a terminal row"));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AdvanceWalk,
    testing::Values(Shape{"Sequence", Sequence(), "", 240}, Shape{"Diamond", DiamondBeforePivot(), "", 1400},
                    Shape{"PivotWithResolve", PivotInTheMiddle(true), "", 190},
                    Shape{"PivotWithoutResolve", PivotInTheMiddle(false), "", 140},
                    Shape{"AllRetriable", AllRetriable(), "", 1390},
                    Shape{"ConditionHolds", Conditional(), "with b", 240},
                    Shape{"ConditionDoesNotHold", Conditional(), "", 120},
                    Shape{"SkippedPivot", SkippedPivot(), "", 90}, Shape{"OwnReply", OwnReply(), "", 230},
                    Shape{"WithoutEffects", WithoutEffects(), "", 160}, Shape{"WaitingPivot", WaitingPivot(), "", 540},
                    Shape{"WaitingSteps", WaitingSteps(), "", 440},
                    Shape{"WaitingStepsOnly", WithoutDeadline(WaitingSteps()), "", 440},
                    Shape{"WaitingRetriable", WaitingRetriable(), "", 610}),
    [](const testing::TestParamInfo<Shape>& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace unwind
