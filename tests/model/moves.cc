#include "tests/model/moves.h"

#include <utility>

#include "tests/model/mind.h"
#include "tests/model/service.h"

namespace unwind::model {
namespace {

constexpr int kNobody = 2;

// Whether the orchestrator awaits an answer of this kind.
bool Awaits(const Model& model, const World& world, const Orchestrator& who, std::size_t step, Phase phase) {
  const bool listens = who.mode == Mode::kHolds || (who.mode == Mode::kStale && model.bug == Bug::kNoFence);
  const PackedStep& row = who.mode == Mode::kStale ? who.copy.steps[step] : world.row.steps[step];
  return listens && row.awaiting != 0 && row.phase == static_cast<std::uint8_t>(phase);
}

// Delivers an answer to an orchestrator that may still read it, or to none: an answer can be lost.
void Tell(const Model& model, const World& world, Move move, std::uint8_t said, const char* broken, Take take) {
  move.said = said;
  move.orchestrator = kNobody;
  take(world, move, broken);
  for (int i = 0; said != 0 && said != kSaidForgotten && i < 2; ++i) {
    World told = world;
    Orchestrator& who = told.orchestrators[static_cast<std::size_t>(i)];
    if (!Awaits(model, world, who, static_cast<std::size_t>(move.step), move.phase)) continue;
    who.replies[static_cast<std::size_t>(move.step)] |= said;
    move.orchestrator = i;
    take(told, move, broken);
  }
}

void ExpandMessage(const Model& model, const World& world, std::size_t step, Phase phase, bool decides, Take take) {
  Move move{.what = What::kExecute, .step = static_cast<int>(step), .phase = phase, .decides = decides, .event = {}};
  const bool may_lie = model.lies && phase == Phase::kAction && model.plan.steps[step].kind != StepKind::kRetriable;
  const bool splits = model.bug == Bug::kCheckThenAct && !(model.two_transactions && model.is_pivot(step));
  Execute(model, world, step, phase, decides, [&](const World& next, std::uint8_t said, const char* broken) {
    Tell(model, next, move, said, broken, take);
    if (may_lie && said != 0 && said != kSaidForgotten) Tell(model, next, move, kSaidRefused, broken, take);
    if (model.must_succeed_refused && said != 0 && phase != Phase::kResolve) {
      Tell(model, next, move, kSaidKeyReused, broken, take);
    }
    if (!splits) return;
    World begun = world;
    Service& service = begun.services[step];
    const Service& after = next.services[step];
    if (phase == Phase::kAction && after.effect != service.effect) {
      service.acting = 1;
    } else if (phase == Phase::kCompensation && service.rows[0] == 0) {
      service.skipping = 1;
    }
    move.what = What::kBegin;
    take(begun, move, nullptr);
    move.what = What::kExecute;
  });
}

// Rows are purged; what is pending is not. And a person does at the service what the saga may not ask of it any more.
void ExpandOld(const World& world, std::size_t step, Take take) {
  const Service& service = world.services[step];
  Move move{.what = What::kForget, .step = static_cast<int>(step), .event = {}, .trouble = true};
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    const std::uint8_t row = service.rows[Index(phase)];
    const bool is_open = row == static_cast<std::uint8_t>(barrier::Outcome::kPending) ||
                         row == static_cast<std::uint8_t>(barrier::Outcome::kSettling);
    if (row == 0 || is_open) continue;
    World next = world;
    next.services[step].rows[Index(phase)] = 0;
    move.phase = phase;
    take(next, move, nullptr);
  }
  move.trouble = false;
  const PackedStep& row = world.row.steps[step];
  if (row.parked == 0) return;
  World next = world;
  if (row.phase == static_cast<std::uint8_t>(Phase::kCompensation) && service.effect == Effect::kDone) {
    next.services[step].effect = Effect::kUndoneByHand;
    move.what = What::kUndoByHand;
    take(next, move, nullptr);
  } else if (service.capture_sent != 0 && service.fence_sent == 0) {
    next.services[step].fence_sent = 1;
    move.what = What::kFenceByHand;
    take(next, move, nullptr);
  }
}

void ExpandService(const Model& model, const World& world, std::size_t step, Take take) {
  const Service& service = world.services[step];
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    if (service.sent[Index(phase)] != 0) ExpandMessage(model, world, step, phase, /*decides=*/false, take);
  }
  if (service.deciding != 0) ExpandMessage(model, world, step, Phase::kResolve, /*decides=*/true, take);
  Move move{.step = static_cast<int>(step), .event = {}};
  const auto finish = [&](const World& next, std::uint8_t said, const char* broken) {
    move.what = What::kFinish;
    Tell(model, next, move, said, broken, take);
  };
  if (service.acting != 0) FinishActing(model, world, step, finish);
  move.phase = Phase::kCompensation;
  if (service.skipping != 0) FinishSkipping(world, step, finish);
  World next = world;
  Service& changed = next.services[step];
  if (model.bug == Bug::kTombstoneCollected && service.rows[0] == static_cast<int>(barrier::Outcome::kTombstone)) {
    changed.rows[0] = 0;
    take(next, {.what = What::kCollect, .step = static_cast<int>(step), .event = {}}, nullptr);
  }
  if (world.late == kTooOld) ExpandOld(world, step, take);
  if (service.gateway != Gateway::kNone) return;
  if (service.capture_sent != 0) {
    next = world;
    changed.gateway = Gateway::kCaptured;
    const char* const broken = Act(model, next, step);
    take(next, {.what = What::kCapture, .step = static_cast<int>(step), .said = kSaidOk, .event = {}}, broken);
    next = world;
    changed.gateway = Gateway::kDeclined;
    take(next, {.what = What::kCapture, .step = static_cast<int>(step), .said = kSaidRefused, .event = {}}, nullptr);
  }
  if (service.fence_sent != 0) {
    next = world;
    changed.gateway = Gateway::kFenced;
    take(next, {.what = What::kFence, .step = static_cast<int>(step), .event = {}}, nullptr);
  }
}

bool MayWait(const Model& model) {
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (model.may_wait(i)) return true;
  }
  return false;
}

// A saga that is over is nobody's: what the orchestrators believe of it no longer matters.
World Canonical(const Model& model, World world) {
  if (IsOver(world) && model.bug != Bug::kNoFence) world.orchestrators = {};
  return world;
}

}  // namespace

bool IsOver(const World& world) { return IsTerminal(static_cast<SagaState>(world.row.state)); }

// Owned by the first, which drives it no more than any other that is its own and not started.
void BeginBorn(const Model& model, Take take) {
  for (const bool is_built : {true, false}) {
    World world;
    world.row = Pack(Birth(model, is_built));
    take(world, {.what = What::kBorn, .event = is_built ? "" : ", which cannot be built and is parked"}, nullptr);
  }
}

void Begin(const Model& model, Take take) {
  if (model.born) return BeginBorn(model, take);
  World world;
  const Decision decision = Start(model);
  world.row = Pack(decision.next);
  world.orchestrators[0].mode = Mode::kDown;
  take(world, {.what = What::kStarted, .event = "stores the saga and dies before it sends"}, nullptr);
  world.orchestrators[0].mode = Mode::kHolds;
  for (const Send& send : decision.sends) {
    world.services[static_cast<std::size_t>(send.step)].sent[Index(send.phase)] = 1;
  }
  take(world, {.what = What::kStarted, .event = "stores the saga and sends"}, nullptr);
}

void Expand(const Model& model, const World& world, Take take) {
  const auto canonical = [&](const World& next, const Move& move, const char* broken) {
    const World reached = Canonical(model, next);
    // What changes nothing when nobody hears is told too, so that it is counted.
    const bool counts = move.said == kSaidFenced || move.said == kSaidForgotten;
    if (broken != nullptr || counts || reached != world) take(reached, move, broken);
  };
  for (std::size_t i = 0; i < model.size(); ++i) ExpandService(model, world, i, canonical);
  if (IsOver(world) && model.bug != Bug::kNoFence) return;
  for (int i = 0; i < 2; ++i) ExpandOrchestrator(model, world, i, canonical);
  World next = world;
  if (model.deadline && world.late == kInTime) {
    next.late = kPastDeadline;
    canonical(next, {.what = What::kDeadline, .event = {}, .trouble = true}, nullptr);
    next = world;
  }
  if (model.deadline && MayWait(model) && world.late == kPastDeadline) {
    next.late = kPastWait;
    canonical(next, {.what = What::kWaitOver, .event = {}, .trouble = true}, nullptr);
    next = world;
  }
  if (model.forgets && world.late == kPastDeadline) {
    next.late = kTooOld;
    canonical(next, {.what = What::kAge, .event = {}, .trouble = true}, nullptr);
    next = world;
  }
  if (model.cancel && world.row.cancel_requested == 0 && !IsOver(world)) {
    next.row.cancel_requested = 1;
    for (Orchestrator& who : next.orchestrators) {
      if (who.mode != Mode::kHolds && who.mode != Mode::kTakingOver) continue;
      who = {.mode = Mode::kStale, .replies = {}, .copy = {}};
      if (model.bug == Bug::kNoFence) who.copy = world.row;
    }
    canonical(next, {.what = What::kForeignCancel, .event = {}, .trouble = true}, nullptr);
  }
}

const char* Broken(const Model& model, const World& world) {
  if (!IsOver(world)) return nullptr;
  const bool completed = world.row.state == static_cast<std::uint8_t>(SagaState::kCompleted);
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (!model.has_effect(i)) continue;
    const bool done = world.services[i].effect == Effect::kDone;
    const bool skipped = world.row.steps[i].state == static_cast<std::uint8_t>(StepState::kSkipped);
    if (skipped && world.services[i].effect != Effect::kNone) return "a skipped step has an effect";
    if (completed && !skipped && !done) return "a completed saga lacks the effect of a step";
    if (!completed && done) return "an aborted saga kept the effect of a step";
    if (!completed && world.services[i].undoing != 0) return "an aborted saga left what it undoes unfinished";
  }
  return nullptr;
}

}  // namespace unwind::model
