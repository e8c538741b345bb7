#include "tests/model/service.h"

#include <optional>

namespace unwind::model {
namespace {

using barrier::Outcome;
using barrier::Row;
using barrier::Verdict;

constexpr char kPayload[] = "payload";  // requests are a function of the row: a resend is byte-identical
constexpr std::size_t kAct = 0, kUndo = 1, kAsk = 2;

std::optional<Row> RowOf(std::uint8_t outcome) {
  if (outcome == 0) return std::nullopt;
  const auto stored = static_cast<Outcome>(outcome);
  return Row{stored, stored == Outcome::kTombstone ? "" : kPayload, ""};
}

void Put(Service& service, std::size_t row, Outcome outcome) { service.rows[row] = static_cast<std::uint8_t>(outcome); }

// As the barrier says, but for the seeded bugs.
void Mark(const Model& model, Service& service, Outcome mark) {
  if (mark == Outcome::kSettling && model.bug == Bug::kPendingNotFenced) return;
  if (mark == Outcome::kSettling && model.bug == Bug::kPendingTombstoned) mark = Outcome::kTombstone;
  Put(service, kAct, mark);
}

bool DependsOn(const Plan& plan, std::size_t j, std::size_t i) {
  for (const int before : plan.steps[j].after) {
    const auto b = static_cast<std::size_t>(before);
    if (b == i || DependsOn(plan, b, i)) return true;
  }
  return false;
}

const char* Undo(const Model& model, World& world, std::size_t step) {
  Service& service = world.services[step];
  if (service.effect == Effect::kUndoneByHand) return nullptr;
  if (service.effect != Effect::kDone) return "a service was asked to undo what it had not done";
  service.effect = Effect::kUndone;
  for (std::size_t j = 0; j < model.size(); ++j) {
    if (world.services[j].effect == Effect::kDone && DependsOn(model.plan, j, step)) {
      return "a step was undone before one that depends on it";
    }
  }
  return nullptr;
}

// The domain's answer to a first execution, and the rows that batch.cc then writes.
void Decide(const Model& model, const World& world, std::size_t step, Phase phase, Went went) {
  const StepKind kind = model.plan.steps[step].kind;
  World next = world;
  Service& service = next.services[step];
  if (phase == Phase::kCompensation) {
    const bool pending = service.rows[kAct] != static_cast<std::uint8_t>(Outcome::kOk);
    Put(service, kUndo, Outcome::kOk);
    service.undoing = 0;
    if (pending) Put(service, kAct, Outcome::kTombstone);
    const char* const broken = pending ? nullptr : Undo(model, next, step);
    went(next, kSaidOk, broken);
    if (model.must_succeed_refused) went(world, kSaidRefused, nullptr);
    return;
  }
  if (model.pauses && kind == StepKind::kCompensatable && service.rows[kAct] == 0) {
    Put(service, kAct, Outcome::kPending);
    return went(next, 0, nullptr);
  }
  Put(service, kAct, Outcome::kOk);
  const char* const broken = Act(model, next, step);
  went(next, kSaidOk, broken);
  if (kind == StepKind::kRetriable) {
    if (model.must_succeed_refused) went(world, kSaidRefused, nullptr);
  } else if (model.refusals) {
    went(world, kSaidRefused, nullptr);  // by validation: nothing is stored, no trailer
    next = world;
    Put(service, kAct, Outcome::kRefused);
    went(next, kSaidRefusedFree, nullptr);
  }
}

// The action of a pivot that asks a gateway: the intent, and once the gateway has answered, the result.
void Charge(const World& world, std::size_t step, Went went) {
  World next = world;
  Service& service = next.services[step];
  if (service.rows[kAct] == 0) {
    Put(service, kAct, Outcome::kPending);
    service.capture_sent = 1;
    return went(next, 0, nullptr);
  }
  if (service.gateway == Gateway::kCaptured) {
    Put(service, kAct, Outcome::kOk);
    went(next, kSaidOk, nullptr);
  } else if (service.gateway == Gateway::kDeclined) {
    Put(service, kAct, Outcome::kRefused);
    went(next, kSaidRefusedFree, nullptr);
  }
}

// Its resolve, while the action is between its two transactions.
void Resolve(const World& world, std::size_t step, Went went) {
  World next = world;
  Service& service = next.services[step];
  switch (service.gateway) {
    case Gateway::kNone:
      service.fence_sent = 1;
      return went(next, 0, nullptr);
    case Gateway::kCaptured:
      Put(service, kAct, Outcome::kOk);
      return went(next, kSaidOk, nullptr);
    case Gateway::kDeclined:
    case Gateway::kFenced:
      Put(service, kAct, Outcome::kTombstone);
      Put(service, kAsk, Outcome::kRefused);
      return went(next, kSaidNever, nullptr);
  }
}

// A pivot that waits for its customer: he pays by the gateway's capture, whenever he likes, or is declined.
void Collect(const World& world, std::size_t step, Went went) {
  World next = world;
  Service& service = next.services[step];
  if (service.rows[kAct] == 0) {
    Put(service, kAct, Outcome::kPending);
    service.capture_sent = 1;
    return went(next, kSaidPending, nullptr);
  }
  switch (service.gateway) {
    case Gateway::kNone:
    case Gateway::kFenced:
      return went(world, kSaidPending, nullptr);
    case Gateway::kCaptured:
      Put(service, kAct, Outcome::kOk);
      return went(next, kSaidOk, nullptr);
    case Gateway::kDeclined:
      Put(service, kAct, Outcome::kRefused);
      return went(next, kSaidRefusedFree, nullptr);
  }
}

// Its resolve: only one that decides ends the wait, at once or in its own time.
void ResolveCollect(const World& world, std::size_t step, bool decides, Went went) {
  if (world.services[step].gateway != Gateway::kNone) return Resolve(world, step, went);
  World next = world;
  Service& service = next.services[step];
  if (decides) service.fence_sent = 1;
  went(next, kSaidPending, nullptr);
  if (!decides) return;
  service.gateway = Gateway::kFenced;
  Resolve(next, step, went);
}

// A compensatable step, or its compensation, that is finished now or later.
void DecideOrWait(const Model& model, const World& world, std::size_t step, Phase phase, Went went) {
  World next = world;
  Service& service = next.services[step];
  if (phase == Phase::kAction) {
    Put(service, kAct, Outcome::kPending);
  } else {
    service.undoing = 1;
  }
  went(next, kSaidPending, nullptr);
  Decide(model, world, step, phase, went);
}

std::uint8_t Replayed(std::uint8_t outcome, Phase phase) {
  if (outcome == static_cast<std::uint8_t>(Outcome::kOk)) return kSaidOk;
  return phase == Phase::kResolve ? kSaidNever : kSaidRefusedFree;
}

}  // namespace

const char* Act(const Model& model, World& world, std::size_t step) {
  if (!model.has_effect(step)) return nullptr;
  Service& service = world.services[step];
  const bool again = service.effect != Effect::kNone;
  service.effect = Effect::kDone;
  if (again) return "a step had a second effect";
  if (service.undoing != 0) return "a step acted after its undoing had begun";
  if (service.sent[kUndo] != 0 && service.rows[kUndo] != 0) return "a step acted after its compensation";
  for (const int before : model.plan.steps[step].after) {
    const auto b = static_cast<std::size_t>(before);
    const bool skipped = world.row.steps[b].state == static_cast<std::uint8_t>(StepState::kSkipped);
    if (!skipped && model.has_effect(b) && world.services[b].effect != Effect::kDone)
      return "a step acted without what it depends on";
  }
  return nullptr;
}

void Execute(const Model& model, const World& world, std::size_t step, Phase phase, bool decides, Went went) {
  const Service& before = world.services[step];
  const bool too_old = world.late == kTooOld;
  const bool believes = model.bug == Bug::kForgottenIsNever && before.rows[kAct] == 0;
  const auto memory = too_old && !believes ? barrier::Memory::kMayLackRows : barrier::Memory::kWhole;
  const barrier::Decision decision = barrier::Decide({.phase = static_cast<barrier::Phase>(phase),
                                                      .payload_hash = kPayload,
                                                      .memory = memory,
                                                      .decides = decides,
                                                      .too_old = too_old},
                                                     RowOf(before.rows[kAct]), RowOf(before.rows[Index(phase)]));
  World next = world;
  Service& service = next.services[step];
  if (decision.mark.has_value()) Mark(model, service, *decision.mark);
  switch (decision.verdict) {
    case Verdict::kExecute:
      if (model.may_wait(step) && model.is_pivot(step)) {
        if (phase == Phase::kResolve) return ResolveCollect(next, step, decides, went);
        return Collect(next, step, went);
      }
      if (model.may_wait(step)) return DecideOrWait(model, next, step, phase, went);
      if (phase == Phase::kResolve) return Resolve(next, step, went);
      if (model.two_transactions && model.is_pivot(step)) return Charge(next, step, went);
      return Decide(model, next, step, phase, went);
    case Verdict::kReplayOwn:
      return went(next, Replayed(before.rows[Index(phase)], phase), nullptr);
    case Verdict::kReplayAction:
      return went(next, kSaidOk, nullptr);
    case Verdict::kNeverHappened:
      Put(service, kAsk, Outcome::kRefused);
      return went(next, kSaidNever, nullptr);
    case Verdict::kNothingToUndo:
      Put(service, kUndo, Outcome::kOk);
      return went(next, kSaidOk, nullptr);
    case Verdict::kForgotten:
      return went(world, kSaidForgotten, nullptr);
    case Verdict::kFenced:
    case Verdict::kTooOld:
      return went(next, kSaidFenced, nullptr);
    case Verdict::kKeyReused:
      return went(next, 0, "a resend was taken for another request");
  }
}

void FinishActing(const Model& model, const World& world, std::size_t step, Went went) {
  World next = world;
  next.services[step].acting = 0;
  Put(next.services[step], kAct, Outcome::kOk);
  const char* const broken = Act(model, next, step);
  went(next, kSaidOk, broken);
}

void FinishSkipping(const World& world, std::size_t step, Went went) {
  World next = world;
  Service& service = next.services[step];
  service.skipping = 0;
  if (service.rows[kAct] == 0) Put(service, kAct, Outcome::kTombstone);
  Put(service, kUndo, Outcome::kOk);
  went(next, kSaidOk, nullptr);
}

}  // namespace unwind::model
