#include "tests/model/mind.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"

namespace unwind::model {
namespace {

absl::Time Now(const Model& model, const World& world) {
  if (world.late == kTooOld) return absl::UnixEpoch() + 2 * model.plan.age_max;
  if (world.late == kPastWait) return kWaitUntil + absl::Seconds(50);
  return absl::UnixEpoch() + absl::Seconds(world.late == kPastDeadline ? 100 : 1);
}

// One orchestrator's possible moves.
class Mind {
 public:
  Mind(const Model& model, const World& world, int who, Take take)
      : model_(model), world_(world), who_(who), me_(world.orchestrators[Who()]), take_(take) {}

  void Expand() {
    if (me_.mode == Mode::kDown) return Live(What::kRestart, Mode::kIdle);
    Live(What::kCrash, Mode::kDown, /*trouble=*/true);
    if (me_.mode == Mode::kIdle) {
      if (IsUnstarted(Unpack(world_.row, model_.size(), model_.input))) FindBorn();
      return Claim();
    }
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

  void Live(What what, Mode mode, bool trouble = false) {
    World next = world_;
    next.orchestrators[Who()] = {};
    next.orchestrators[Who()].mode = mode;
    take_(next, {.what = what, .orchestrator = who_, .event = {}, .trouble = trouble}, nullptr);
  }

  void MakeOtherStale(World& next) const {
    Orchestrator& other = next.orchestrators[1 - Who()];
    if (other.mode == Mode::kHolds || other.mode == Mode::kTakingOver) MakeStale(other, world_.row);
  }

  void MakeStale(Orchestrator& who, const PackedSaga& copy) const {
    who.mode = Mode::kStale;
    if (model_.bug == Bug::kNoFence) {
      who.copy = copy;
    } else {
      who.replies = {};
    }
  }

  void Claim() {
    World next = world_;
    next.owner = static_cast<std::uint8_t>(who_);
    const bool is_unstarted = IsUnstarted(Unpack(world_.row, model_.size(), model_.input));
    next.orchestrators[Who()].mode = is_unstarted ? Mode::kIdle : Mode::kTakingOver;
    MakeOtherStale(next);
    const Mode owners = world_.orchestrators[world_.owner].mode;
    const bool needed = owners == Mode::kDown || owners == Mode::kIdle;
    take_(next, {.what = What::kClaim, .orchestrator = who_, .event = {}, .trouble = !needed}, nullptr);
  }

  // The look for what was born starts the sagas that this orchestrator owns, also those that it claimed.
  void FindBorn() {
    if (model_.bug == Bug::kBirthForgotten || world_.owner != who_) return;
    Live(What::kFindBorn, Mode::kHolds);
  }

  void Hold() {
    const Saga saga = Unpack(Copy(), model_.size(), model_.input);
    if (IsUnstarted(saga)) Decide(Started{}, "starts the saga");
    const bool forgets = model_.bug == Bug::kTimerForgotten;
    if (!forgets && NextRunAt(model_.plan, saga) <= Now(model_, world_)) Decide(Ticked{}, "finds a timer due");
    if (model_.cancel && !saga.cancel_requested) Decide(CancelRequested{}, "is asked to cancel");
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (TakesVerb(model_.plan, saga, i)) Operate(i, saga.steps[i]);
      if (saga.steps[i].awaiting) Hear(i, saga.steps[i]);
    }
  }

  // A person retries; or acts on the service's own books: skips an action that was refused for good or can never happen
  // any more, takes one that is there as done, and a compensation as done once the action is undone or can never
  // happen. Of a saga that is too old only the effects tell, but nothing that is not pending can happen any more.
  void Operate(std::size_t i, const Step& step) {
    Decide(Operated{Verb::kRetry, static_cast<int>(i), "", "", ""}, "is told to retry");
    const Service& books = world_.services[i];
    const bool acts = step.phase != Phase::kCompensation;
    const bool is_open = books.rows[0] == static_cast<std::uint8_t>(barrier::Outcome::kPending) ||
                         books.rows[0] == static_cast<std::uint8_t>(barrier::Outcome::kSettling);
    const bool pends = is_open && books.gateway == Gateway::kNone;
    const bool gone = world_.late == kTooOld && books.effect != Effect::kDone && !pends;
    const bool never = books.rows[0] == static_cast<std::uint8_t>(barrier::Outcome::kRefused) ||
                       books.rows[0] == static_cast<std::uint8_t>(barrier::Outcome::kTombstone) || gone;
    if (acts && (never || model_.bug == Bug::kSkippedUnread)) {
      Decide(Operated{Verb::kSkip, static_cast<int>(i), "", "", ""}, "is told to skip");
    }
    const bool undone = books.rows[Index(Phase::kCompensation)] != 0 || gone;
    if (acts ? books.effect == Effect::kDone : undone) {
      Decide(Operated{Verb::kResolve, static_cast<int>(i), "reply", "", ""}, "is told that it is done");
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
    Mistake(i, step, reply);
    Decide(reply, "hears nothing");
    HearCut(reply);
    const auto hear = [&](std::uint8_t said, Outcome outcome, bool effect_free, const char* name) {
      if ((me_.replies[i] & said) == 0) return;
      reply.outcome = outcome;
      reply.effect_free = effect_free;
      reply.failure.reason = said == kSaidKeyReused ? kReasonKeyReused : "FAILED";
      reply.reply = outcome == Outcome::kOk || outcome == Outcome::kPending ? "reply" : "";
      Decide(reply, name);
    };
    hear(kSaidOk, Outcome::kOk, false, "hears OK");
    hear(kSaidRefusedFree, Outcome::kRefused, true, "hears REFUSED, nothing done");
    const bool as_final = model_.bug == Bug::kAnyRefusalFinal && model_.is_pivot(i);
    hear(kSaidRefused, Outcome::kRefused, as_final, "hears REFUSED");
    hear(kSaidFenced, Outcome::kFenced, false, "hears FENCED");
    hear(kSaidKeyReused, Outcome::kRefused, false, "hears KEY_REUSED");
    const bool as_done = model_.bug == Bug::kPendingIsOk;
    hear(kSaidPending, as_done ? Outcome::kOk : Outcome::kPending, false, "hears PENDING");
    hear(kSaidNever, Outcome::kRefused, true, "hears NEVER_HAPPENED");
  }

  void HearCut(Replied reply) {
    reply.by_transport = true;
    if (model_.bug == Bug::kEndedConnectionFailed && model_.is_pivot(static_cast<std::size_t>(reply.step))) {
      reply.outcome = Outcome::kRefused;
      reply.effect_free = true;
    }
    Decide(reply, "hears that the connection ended");
  }

  // The seeded bugs that misread silence.
  void Mistake(std::size_t i, const Step& step, Replied& reply) const {
    const StepPlan& plan = model_.plan.steps[i];
    const bool last = reply.phase == Phase::kAction && plan.kind == StepKind::kCompensatable &&
                      step.unknowns + 1 >= plan.retry.attempts;
    if ((model_.bug == Bug::kTimedOutStepNotCompensated && last) ||
        (model_.bug == Bug::kUnknownPaymentFailed && plan.kind == StepKind::kPivot)) {
      reply.outcome = Outcome::kRefused;
      reply.effect_free = true;
    }
  }

  // Decides on the copy, commits, acts.
  void Decide(const Event& event, const char* name) {
    const Saga saga = Unpack(Copy(), model_.size(), model_.input);
    const Decision decision = Advance(model_.plan, saga, event, {.now = Now(model_, world_), .jitter = 0});
    Move move{.what = What::kDecide, .orchestrator = who_, .event = name};
    move.trouble = std::holds_alternative<CancelRequested>(event);
    if (const auto* reply = std::get_if<Replied>(&event)) {
      absl::StrAppend(&move.event, " of ", model_.plan.steps[static_cast<std::size_t>(reply->step)].name);
    }
    if (decision.stale) {
      if (me_.mode != Mode::kTakingOver) return;
      World next = world_;
      next.orchestrators[Who()].mode = Mode::kHolds;
      return take_(next, move, nullptr);
    }
    move.sends = !decision.sends.empty();
    World next = world_;
    if (model_.bug == Bug::kSendBeforeCommit) {
      Act(decision, next);
      next.orchestrators[Who()] = {.mode = Mode::kDown, .replies = {}, .copy = {}};
      Move died = move;
      died.what = What::kSendUncommitted;
      died.trouble = true;
      take_(next, died, nullptr);
      next = world_;
    }
    next.row = Pack(decision.next);
    MakeOtherStale(next);
    World unlearnt = next;
    Act(decision, next);
    Orchestrator& me = next.orchestrators[Who()];
    me.mode = IsOver(next) ? Mode::kIdle : Mode::kHolds;
    me.copy = {};
    take_(next, move, nullptr);
    MakeStale(unlearnt.orchestrators[Who()], Copy());
    move.what = What::kDecideUnlearnt;
    move.trouble = true;
    take_(unlearnt, move, nullptr);
  }

  void Act(const Decision& decision, World& next) const {
    std::array<std::uint8_t, kStepsMax>& replies = next.orchestrators[Who()].replies;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (!decision.next.steps[i].awaiting) replies[i] = 0;
    }
    for (const Send& send : decision.sends) {
      const auto i = static_cast<std::size_t>(send.step);
      replies[i] = 0;
      const bool decides = send.phase == Phase::kResolve && decision.next.steps[i].decides;
      (decides ? next.services[i].deciding : next.services[i].sent[Index(send.phase)]) = 1;
    }
  }

  const Model& model_;
  const World& world_;
  const int who_;
  const Orchestrator& me_;
  Take take_;
};

}  // namespace

Decision Start(const Model& model) {
  Saga saga;
  saga.input = model.input;
  saga.steps.resize(model.size());
  return Advance(model.plan, saga, Started{}, {.now = Now(model, World()), .jitter = 0});
}

Saga Birth(const Model& model, bool is_built) {
  Saga saga;
  saga.steps.resize(model.size());
  Born born;
  if (!is_built) born.why_parked.reason = "PARENT_NOT_READ";
  return BornAs(std::move(saga), born, Now(model, World()));
}

void ExpandOrchestrator(const Model& model, const World& world, int who, Take take) {
  Mind(model, world, who, take).Expand();
}

}  // namespace unwind::model
