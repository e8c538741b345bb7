#include "tests/model/moves.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/advance.h"
#include "tests/model/service.h"

namespace unwind::model {
namespace {

constexpr int kNobody = 2;

bool IsOver(const PackedSaga& row) { return IsTerminal(static_cast<SagaState>(row.state)); }

absl::Time Now(const World& world) { return absl::UnixEpoch() + absl::Seconds(world.late != 0 ? 100 : 1); }

// A cancel or deadline that turns back a saga whose pivot was sent breaks rule S5.
const char* BrokenBy(const Model& model, const Saga& saga, const Event& event, const Decision& decision) {
  if (IsTerminal(saga.state)) return "a finished saga moved";
  if (decision.next.version != saga.version + 1) return "a version was left out";
  if (saga.backward || !decision.next.backward) return nullptr;
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (!model.is_pivot(i) || saga.steps[i].state == StepState::kPending) continue;
    const auto* reply = std::get_if<Replied>(&event);
    const bool answered = reply != nullptr && reply->step == static_cast<int>(i) && reply->outcome == Outcome::kRefused;
    if (!answered && !std::holds_alternative<Operated>(event))
      return "a saga went back after its pivot was sent, without its answer";
  }
  return nullptr;
}

// One orchestrator's possible moves.
class Mind {
 public:
  Mind(const Model& model, const World& world, int who, Take take)
      : model_(model), world_(world), who_(who), me_(world.orchestrators[Who()]), take_(take) {}

  void Expand() {
    if (me_.mode == Mode::kDown) return Live(What::kRestart, Mode::kIdle);
    Live(What::kCrash, Mode::kDown);
    if (me_.mode == Mode::kIdle) return Claim();
    if (me_.mode == Mode::kTakingOver) return Decide(TakenOver{}, "takes the saga over");
    if (me_.mode == Mode::kStale) {
      Live(What::kFindStale, world_.owner == who_ ? Mode::kTakingOver : Mode::kIdle);
      if (model_.bug != Bug::kNoFence) return;  // its commits are refused
    }
    Hold();
  }

 private:
  std::size_t Who() const { return static_cast<std::size_t>(who_); }
  const PackedSaga& Copy() const { return me_.mode == Mode::kStale ? me_.copy : world_.row; }

  void Live(What what, Mode mode) {
    World next = world_;
    next.orchestrators[Who()] = {};
    next.orchestrators[Who()].mode = mode;
    take_(next, {.what = what, .orchestrator = who_, .event = {}}, nullptr);
  }

  void MakeOtherStale(World& next) const {
    Orchestrator& other = next.orchestrators[1 - Who()];
    if (other.mode == Mode::kHolds || other.mode == Mode::kTakingOver) MakeStale(other);
  }

  void MakeStale(Orchestrator& other) const {
    other.mode = Mode::kStale;
    if (model_.bug == Bug::kNoFence) {
      other.copy = world_.row;
    } else {
      other.replies = {};
    }
  }

  void Claim() {
    World next = world_;
    next.owner = static_cast<std::uint8_t>(who_);
    next.orchestrators[Who()].mode = Mode::kTakingOver;
    MakeOtherStale(next);
    take_(next, {.what = What::kClaim, .orchestrator = who_, .event = {}}, nullptr);
  }

  void Hold() {
    const Saga saga = Unpack(Copy(), model_.size(), model_.input);
    if (NextRunAt(model_.plan, saga) <= Now(world_)) Decide(Ticked{}, "finds a timer due");
    if (model_.cancel && !saga.cancel_requested) Decide(CancelRequested{}, "is asked to cancel");
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (saga.steps[i].parked) Operate(i, saga.steps[i]);
      if (saga.steps[i].awaiting) Hear(i, saga.steps[i]);
    }
  }

  // A person retries, or skips an action when the service's own books show that it was refused for good.
  void Operate(std::size_t i, const Step& step) {
    Decide(Operated{Verb::kRetry, static_cast<int>(i), "", "", ""}, "is told to retry");
    const bool refused = world_.services[i].rows[0] == static_cast<std::uint8_t>(barrier::Outcome::kRefused);
    if (step.phase == Phase::kAction && refused) {
      Decide(Operated{Verb::kSkip, static_cast<int>(i), "", "", ""}, "is told to skip");
    }
  }

  void Hear(std::size_t i, const Step& step) {
    Replied reply{.step = static_cast<int>(i),
                  .phase = step.phase,
                  .attempt = step.attempt(),
                  .outcome = Outcome::kUnknown,
                  .effect_free = false,
                  .reply = {},
                  .failure = {},
                  .elapsed = {}};
    reply.failure.reason = "FAILED";
    Mistake(i, reply);
    Decide(reply, "hears nothing");
    const auto hear = [&](std::uint8_t said, Outcome outcome, bool effect_free, const char* name) {
      if ((me_.replies[i] & said) == 0) return;
      reply.outcome = outcome;
      reply.effect_free = effect_free;
      reply.reply = outcome == Outcome::kOk ? "reply" : "";
      Decide(reply, name);
    };
    hear(kSaidOk, Outcome::kOk, false, "hears OK");
    hear(kSaidRefusedFree, Outcome::kRefused, true, "hears REFUSED, nothing done");
    hear(kSaidRefused, Outcome::kRefused, false, "hears REFUSED");
    hear(kSaidFenced, Outcome::kFenced, false, "hears FENCED");
    hear(kSaidNever, Outcome::kRefused, true, "hears NEVER_HAPPENED");
  }

  // The seeded bugs that misread silence.
  void Mistake(std::size_t i, Replied& reply) const {
    const StepPlan& plan = model_.plan.steps[i];
    const bool last =
        reply.phase == Phase::kAction && plan.kind == StepKind::kCompensatable && reply.attempt >= plan.retry.attempts;
    if ((model_.bug == Bug::kTimedOutStepNotCompensated && last) ||
        (model_.bug == Bug::kUnknownPaymentFailed && plan.kind == StepKind::kPivot)) {
      reply.outcome = Outcome::kRefused;
      reply.effect_free = true;
    }
  }

  // Decides on the copy, commits, acts.
  void Decide(const Event& event, const char* name) {
    const Saga saga = Unpack(Copy(), model_.size(), model_.input);
    const Decision decision = Advance(model_.plan, saga, event, {.now = Now(world_), .jitter = 0});
    Move move{.what = What::kDecide, .orchestrator = who_, .event = name};
    if (const auto* reply = std::get_if<Replied>(&event)) {
      absl::StrAppend(&move.event, " of ", model_.plan.steps[static_cast<std::size_t>(reply->step)].name);
    }
    if (decision.stale) {
      if (me_.mode != Mode::kTakingOver) return;
      World next = world_;
      next.orchestrators[Who()].mode = Mode::kHolds;
      return take_(next, move, nullptr);
    }
    const char* const broken = BrokenBy(model_, saga, event, decision);
    World next = world_;
    if (model_.bug == Bug::kSendBeforeCommit) {
      Act(decision, next);
      next.orchestrators[Who()] = {.mode = Mode::kDown, .replies = {}, .copy = {}};
      move.what = What::kSendUncommitted;
      take_(next, move, nullptr);
      next = world_;
    }
    next.row = Pack(decision.next);
    MakeOtherStale(next);
    World unlearnt = next;
    Act(decision, next);
    Orchestrator& me = next.orchestrators[Who()];
    me.mode = IsOver(next.row) ? Mode::kIdle : Mode::kHolds;
    me.copy = {};
    move.what = What::kDecide;
    take_(next, move, broken);
    MakeStale(unlearnt.orchestrators[Who()]);
    move.what = What::kDecideUnlearnt;
    take_(unlearnt, move, broken);
  }

  void Act(const Decision& decision, World& next) const {
    std::array<std::uint8_t, kStepsMax>& replies = next.orchestrators[Who()].replies;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (!decision.next.steps[i].awaiting) replies[i] = 0;
    }
    for (const Send& send : decision.sends) {
      const auto i = static_cast<std::size_t>(send.step);
      replies[i] = 0;
      next.services[i].sent[Index(send.phase)] = 1;
    }
  }

  const Model& model_;
  const World& world_;
  const int who_;
  const Orchestrator& me_;
  Take take_;
};

// Whether the orchestrator awaits an answer of this kind.
bool Awaits(const Model& model, const World& world, const Orchestrator& who, std::size_t step, Phase phase) {
  const bool listens = who.mode == Mode::kHolds || (who.mode == Mode::kStale && model.bug == Bug::kNoFence);
  const PackedStep& row = who.mode == Mode::kStale ? who.copy.steps[step] : world.row.steps[step];
  return listens && row.awaiting != 0 && row.phase == static_cast<std::uint8_t>(phase);
}

// Tells whoever may hear it, or nobody: an answer can be lost.
void Tell(const Model& model, const World& world, Move move, std::uint8_t said, const char* broken, Take take) {
  move.said = said;
  move.orchestrator = kNobody;
  take(world, move, broken);
  for (int i = 0; said != 0 && i < 2; ++i) {
    World told = world;
    Orchestrator& who = told.orchestrators[static_cast<std::size_t>(i)];
    if (!Awaits(model, world, who, static_cast<std::size_t>(move.step), move.phase)) continue;
    who.replies[static_cast<std::size_t>(move.step)] |= said;
    move.orchestrator = i;
    take(told, move, broken);
  }
}

void ExpandMessage(const Model& model, const World& world, std::size_t step, Phase phase, Take take) {
  Move move{.what = What::kExecute, .step = static_cast<int>(step), .phase = phase, .event = {}};
  const bool may_lie = model.lies && phase == Phase::kAction && model.plan.steps[step].kind != StepKind::kRetriable;
  const bool splits = model.bug == Bug::kCheckThenAct && !(model.two_transactions && model.is_pivot(step));
  Execute(model, world, step, phase, [&](const World& next, std::uint8_t said, const char* broken) {
    Tell(model, next, move, said, broken, take);
    if (may_lie && said != 0) Tell(model, next, move, kSaidRefused, broken, take);
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

void ExpandService(const Model& model, const World& world, std::size_t step, Take take) {
  const Service& service = world.services[step];
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    if (service.sent[Index(phase)] != 0) ExpandMessage(model, world, step, phase, take);
  }
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

// A saga that is over is nobody's: what the orchestrators believe of it no longer matters.
World Canonical(const Model& model, World world) {
  if (IsOver(world.row) && model.bug != Bug::kNoFence) world.orchestrators = {};
  return world;
}

}  // namespace

bool IsOver(const World& world) { return IsOver(world.row); }

void Begin(const Model& model, Take take) {
  Saga saga;
  saga.input = model.input;
  saga.steps.resize(model.size());
  World world;
  const Decision decision = Advance(model.plan, saga, Started{}, {.now = Now(world), .jitter = 0});
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
    const bool fenced = move.said == kSaidFenced;  // changes nothing when nobody hears; told, so that it is counted
    if (broken != nullptr || fenced || reached != world) take(reached, move, broken);
  };
  for (std::size_t i = 0; i < model.size(); ++i) ExpandService(model, world, i, canonical);
  if (IsOver(world) && model.bug != Bug::kNoFence) return;
  for (int i = 0; i < 2; ++i) Mind(model, world, i, canonical).Expand();
  World next = world;
  if (model.deadline && world.late == 0) {
    next.late = 1;
    canonical(next, {.what = What::kDeadline, .event = {}}, nullptr);
    next = world;
  }
  if (model.cancel && world.row.cancel_requested == 0 && !IsOver(world)) {
    next.row.cancel_requested = 1;
    for (Orchestrator& who : next.orchestrators) {
      if (who.mode != Mode::kHolds && who.mode != Mode::kTakingOver) continue;
      who = {.mode = Mode::kStale, .replies = {}, .copy = {}};
      if (model.bug == Bug::kNoFence) who.copy = world.row;
    }
    canonical(next, {.what = What::kForeignCancel, .event = {}}, nullptr);
  }
}

const char* Broken(const Model& model, const World& world) {
  if (!IsOver(world)) return nullptr;
  const bool completed = world.row.state == static_cast<std::uint8_t>(SagaState::kCompleted);
  for (std::size_t i = 0; i < model.size(); ++i) {
    const bool done = world.services[i].effect == Effect::kDone;
    const bool skipped = world.row.steps[i].state == static_cast<std::uint8_t>(StepState::kSkipped);
    if (skipped && world.services[i].effect != Effect::kNone) return "a skipped step has an effect";
    if (completed && !skipped && !done) return "a completed saga lacks the effect of a step";
    if (!completed && done) return "an aborted saga kept the effect of a step";
  }
  return nullptr;
}

}  // namespace unwind::model
