#include "tests/model/laws.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"

namespace unwind::model {
namespace {

struct Trial {
  std::string name;
  Event event;
  bool idle = false;  // it answers nothing that is asked: by itself it must change nothing
};

Replied MakeReply(std::size_t step, Phase phase, int attempt, Outcome outcome, bool effect_free) {
  Replied reply{.step = static_cast<int>(step),
                .phase = phase,
                .attempt = attempt,
                .outcome = outcome,
                .effect_free = effect_free,
                .reply = outcome == Outcome::kOk ? "reply" : "",
                .failure = {},
                .elapsed = {}};
  if (outcome != Outcome::kOk) reply.failure.reason = "FAILED";
  return reply;
}

bool Contains(const std::vector<Send>& sends, const Send& send) {
  return std::find(sends.begin(), sends.end(), send) != sends.end();
}

// Nothing of the pivot can come any more: resolve says so, or it was refused for good (S6).
bool EndsThePivot(const Model& model, const Event& event) {
  const auto* reply = std::get_if<Replied>(&event);
  return reply != nullptr && reply->outcome == Outcome::kRefused &&
         model.is_pivot(static_cast<std::size_t>(reply->step)) &&
         (reply->phase == Phase::kResolve || reply->effect_free);
}

class Laws {
 public:
  Laws(const Model& model, const Saga& saga) : model_(model), saga_(saga) {}

  std::string Check() {
    AddTrials();
    for (const absl::Duration age :
         {absl::Seconds(1), absl::Seconds(100), absl::Seconds(200), 2 * model_.plan.age_max}) {
      moment_ = {.now = saga_.create_time + age, .jitter = 0};
      // What the passing of time or a cancel written by another instance does to the row, whatever the event.
      idle_ = Advance(model_.plan, saga_, Replied{.step = -1, .reply = {}, .failure = {}, .elapsed = {}}, moment_);
      if (age < model_.plan.deadline) settled_ = idle_.stale;
      if (!IsUnstarted(saga_) && !Advance(model_.plan, saga_, Started{}, moment_).stale) return "a saga started twice";
      if (const char* const broken = BrokenTimer(); broken != nullptr) return absl::StrCat(broken, ": a tick");
      for (const Trial& trial : trials_) {
        const char* const broken = Broken(trial);
        if (broken != nullptr) return absl::StrCat(broken, ": ", trial.name, " after ", absl::FormatDuration(age));
      }
    }
    return "";
  }

 private:
  void Add(std::string name, Event event, bool idle = false) {
    trials_.push_back({std::move(name), std::move(event), idle});
  }

  void AddTrials() {
    Add("ticked", Ticked{});
    Add("cancel requested", CancelRequested{});
    Add("taken over", TakenOver{});
    for (std::size_t i = 0; i < model_.size(); ++i) {
      AddVerbs(i);
      Add(absl::StrCat("nudged ", NameOfStep(i)), Nudged{NameOfStep(i)}, !TakesNudge(model_.plan, saga_, i));
      AddReplies(i);
    }
  }

  void AddVerbs(std::size_t i) {
    for (const Verb verb : {Verb::kRetry, Verb::kSkip, Verb::kResolve}) {
      const Operated operated{
          .verb = verb, .step = static_cast<int>(i), .reply = "by a person", .actor = {}, .reason = {}};
      Add(absl::StrCat("verb ", static_cast<int>(verb), " on ", NameOfStep(i)), operated,
          !TakesVerb(model_.plan, saga_, i));
    }
  }

  void AddReplies(std::size_t i) {
    const Step& step = saga_.steps[i];
    const auto add = [&](const char* said, const Replied& reply) {
      const bool asked = step.awaiting && step.phase == reply.phase && step.attempt() == reply.attempt;
      Add(absl::StrCat(said, " to attempt ", reply.attempt, " of the ", NameOf(reply.phase), " of ", NameOfStep(i)),
          reply, !asked);
    };
    for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
      const int last = step.sends[static_cast<std::size_t>(phase)];
      add("OK", MakeReply(i, phase, last, Outcome::kOk, false));
      add("OK", MakeReply(i, phase, last - 1, Outcome::kOk, false));
      add("unknown", MakeReply(i, phase, last, Outcome::kUnknown, false));
      Replied cut = MakeReply(i, phase, last, Outcome::kUnknown, false);
      cut.by_transport = true;
      add("connection ended", cut);
      add("pending", MakeReply(i, phase, last, Outcome::kPending, false));
      add("fenced", MakeReply(i, phase, last, Outcome::kFenced, false));
      add("refused", MakeReply(i, phase, last, Outcome::kRefused, false));
      add("refused, nothing done,", MakeReply(i, phase, last, Outcome::kRefused, true));
      Replied reused = MakeReply(i, phase, last, Outcome::kRefused, false);
      reused.failure.reason = kReasonKeyReused;
      add("key reused", reused);
    }
  }

  // A timer is due exactly when a tick does something, and a tick does all there is to do.
  const char* BrokenTimer() const {
    const bool due = NextRunAt(model_.plan, saga_) <= moment_.now;
    const Decision ticked = Advance(model_.plan, saga_, Ticked{}, moment_);
    if (due && ticked.stale) return "a timer is due for nothing";
    if (NextRunAt(model_.plan, ticked.next) <= moment_.now) return "a timer stays due";
    if (!due && settled_ && !ticked.stale) return "work is left and no timer is due";
    return nullptr;
  }

  const char* Broken(const Trial& trial) const {
    const Decision decision = Advance(model_.plan, saga_, trial.event, moment_);
    if (decision.stale && (decision.next != saga_ || !decision.sends.empty())) return "a stale event changed something";
    if (IsTerminal(saga_.state)) return decision.stale ? nullptr : "a finished saga moved";
    if (trial.idle && (decision.next != idle_.next || decision.sends != idle_.sends)) {
      return "what was not asked was heeded";
    }
    if (decision.stale) return nullptr;
    if (decision.next.version != saga_.version + 1) return "a version was left out";
    if (const char* const broken = BrokenDirection(trial, decision.next); broken != nullptr) return broken;
    if (const char* const broken = BrokenAnswer(trial, decision.next); broken != nullptr) return broken;
    if (const char* const broken = BrokenSends(trial, decision); broken != nullptr) return broken;
    if (const char* const broken = BrokenNudge(trial, decision); broken != nullptr) return broken;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (const char* const broken = BrokenStep(saga_.steps[i], decision.next.steps[i], trial); broken != nullptr) {
        return broken;
      }
    }
    return nullptr;
  }

  const char* BrokenDirection(const Trial& trial, const Saga& next) const {
    if (saga_.backward && !next.backward) return "a saga that went back turned again";
    if (saga_.backward && next.failure != saga_.failure) return "why it went back was rewritten";
    if (saga_.backward || !next.backward) return nullptr;
    if (next.failure.reason.empty()) return "a saga went back without a reason";
    bool can_go_back = false;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      can_go_back |= model_.plan.steps[i].kind != StepKind::kRetriable;
      const bool sent = model_.is_pivot(i) && saga_.steps[i].state != StepState::kPending;
      const bool told = EndsThePivot(model_, trial.event) || std::holds_alternative<Operated>(trial.event);
      if (sent && !told) return "a saga went back after its pivot was sent, without its answer";
    }
    return can_go_back ? nullptr : "a saga went back that can only go forward";
  }

  const char* BrokenAnswer(const Trial& trial, const Saga& next) const {
    const auto* reply = std::get_if<Replied>(&trial.event);
    if (trial.idle || reply == nullptr || reply->phase != Phase::kAction) return nullptr;
    const auto i = static_cast<std::size_t>(reply->step);
    const StepPlan& plan = model_.plan.steps[i];
    const bool waits = saga_.steps[i].state == StepState::kWaiting;
    if (reply->outcome == Outcome::kPending && plan.pending.has_value()) {
      const bool goes_on = next.backward || next.steps[i].state == StepState::kWaiting || next.steps[i].decides;
      return goes_on ? nullptr : "what is not finished is not waited for";
    }
    const bool asks =
        plan.kind == StepKind::kPivot && plan.has_resolve && reply->outcome == Outcome::kUnknown && !waits;
    if (asks && next.steps[i].phase != Phase::kResolve && !(reply->by_transport && reply->attempt == 1)) {
      return "a pivot of unknown outcome is not asked about";
    }
    if (plan.kind != StepKind::kCompensatable) return nullptr;
    if (reply->effect_free && next.steps[i].state != StepState::kRefused) return "a step without an effect is undone";
    if (next.backward || reply->outcome == Outcome::kOk || reply->failure.reason == kReasonKeyReused) return nullptr;
    const bool is_unknown = reply->outcome == Outcome::kUnknown || reply->outcome == Outcome::kPending;
    const bool attempts_left = is_unknown && next.steps[i].unknowns < plan.retry.attempts;
    return attempts_left ? nullptr : "a saga went on past a step that failed";
  }

  const char* BrokenSends(const Trial& trial, const Decision& decision) const {
    const std::vector<Send> before = Outstanding(saga_), after = Outstanding(decision.next);
    if (IsUnstarted(saga_) && !decision.sends.empty()) return "what was born was sent for before its start";
    for (const Send& send : decision.sends) {
      const auto i = static_cast<std::size_t>(send.step);
      const StepPlan& plan = model_.plan.steps[i];
      if (!Contains(after, send)) return "what is sent is not noted as sent";
      if (send.attempt != saga_.steps[i].sends[static_cast<std::size_t>(send.phase)] + 1)
        return "a send is not counted";
      if (send.phase == Phase::kAction && plan.when && !plan.when(saga_)) return "a step was sent that is not wanted";
      if (send.phase == Phase::kCompensation && (!plan.has_compensation || !decision.next.backward)) {
        return "a compensation was sent that there is not";
      }
      if (send.phase == Phase::kCompensation && plan.compensation_reads_own_reply &&
          decision.next.steps[i].reply.empty()) {
        return "a compensation was sent without the reply that it reads";
      }
      if (send.phase == Phase::kResolve && !plan.has_resolve) return "a resolve was sent that there is not";
      if (moment_.now - saga_.create_time > model_.plan.age_max) return "a saga too old was sent for";
    }
    for (const Send& send : after) {
      const bool fresh = Contains(decision.sends, send);
      if (!fresh && !Contains(before, send)) return "what is noted as sent is not sent";
      if (!fresh && std::holds_alternative<TakenOver>(trial.event)) return "a new owner did not send again";
    }
    return nullptr;
  }

  // It asks again what was asked, and sooner. Else all is as without it.
  const char* BrokenNudge(const Trial& trial, const Decision& decision) const {
    const auto* nudged = std::get_if<Nudged>(&trial.event);
    if (nudged == nullptr) return nullptr;
    Saga without = idle_.next;
    without.version = decision.next.version;
    without.update_time = decision.next.update_time;
    const std::size_t i = StepNamed(model_.plan, nudged->step);
    const Step& before = saga_.steps[i];
    const Step& after = decision.next.steps[i];
    const bool is_sent = after.awaiting && !before.awaiting && !without.steps[i].awaiting;
    if (after.state != without.steps[i].state || after.phase != without.steps[i].phase) return "a nudge decided";
    if (is_sent && before.state != StepState::kWaiting) return "a nudge sent what does not wait";
    if (after.unknowns != without.steps[i].unknowns || after.pendings != without.steps[i].pendings) {
      return "a nudge spent an attempt";
    }
    without.steps[i] = after;
    return without == decision.next ? nullptr : "a nudge moved what it is not for";
  }

  const char* BrokenStep(const Step& before, const Step& after, const Trial& trial) const {
    const int waits = int{after.awaiting} + int{after.parked} + int{after.wake_at != absl::InfiniteFuture()};
    const bool open = after.state == StepState::kInFlight || after.state == StepState::kCompensating ||
                      after.state == StepState::kWaiting;
    if (waits > (open ? 1 : 0)) return "a step waits for more than there is";
    if (before.phase != Phase::kAction && after.phase != before.phase) return "a phase came back";
    if (after.phase != before.phase && after.refusals != 0) return "the refusals of one phase counted for another";
    const auto* reply = std::get_if<Replied>(&trial.event);
    const bool decided = after.decides && !before.decides;
    if (decided && !std::holds_alternative<CancelRequested>(trial.event) && !saga_.cancel_requested &&
        moment_.now < before.wait_until) {
      return "a wait was ended before its time";
    }
    const bool told = reply != nullptr && (reply->outcome == Outcome::kRefused || reply->outcome == Outcome::kFenced);
    const bool is_asked = before.phase == Phase::kAction && after.phase == Phase::kResolve;
    const bool is_ended = after.decides || after.parked || told;
    if (before.state == StepState::kWaiting && is_asked && !is_ended) return "nothing ended a wait";
    const bool cut = reply != nullptr && reply->by_transport;
    if (cut && after.unknowns > before.unknowns) return "the end of a connection spent an attempt";
    if (!before.reply.empty() && after.reply != before.reply) return "a reply was rewritten";
    if (saga_.backward && before.state == StepState::kPending && after.state != before.state) {
      return "a saga that goes back began a step";
    }
    const auto* operated = std::get_if<Operated>(&trial.event);
    if (before.parked && !after.parked && operated == nullptr) return "a parked step did not wait for its person";
    return nullptr;
  }

  const std::string& NameOfStep(std::size_t i) const { return model_.plan.steps[i].name; }

  const Model& model_;
  const Saga& saga_;
  std::vector<Trial> trials_;
  Moment moment_;
  Decision idle_;
  bool settled_ = false;  // but for time: no cancel written by another instance waits to be heeded
};

}  // namespace

std::string BrokenLaw(const Model& model, const PackedSaga& row) {
  const Saga saga = Unpack(row, model.size(), model.input);
  return Laws(model, saga).Check();
}

}  // namespace unwind::model
