// What a saga is told, and what it sends for it: the rules as stories a person can read.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_TALE_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_TALE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/outcome.h"

namespace unwind {

inline constexpr Phase kAction = Phase::kAction;
inline constexpr Phase kCompensation = Phase::kCompensation;
inline constexpr Phase kResolve = Phase::kResolve;

// A saga being told what happens; each call returns what it sends.
class Tale {
 public:
  explicit Tale(Plan plan, std::string input = "") : plan_(std::move(plan)) {
    saga_.input = std::move(input);
    saga_.steps.resize(plan_.steps.size());
  }

  std::vector<Send> Happens(const Event& event) {
    Decision decision = Advance(plan_, saga_, event, {.now = now_, .jitter = 0.5});
    stale_ = decision.stale;
    saga_ = std::move(decision.next);
    return decision.sends;
  }
  std::vector<Send> Starts() { return Happens(Started{}); }
  std::vector<Send> Ok(int step, Phase phase, int attempt = 1, std::string reply = "r") {
    return Happens(Answer(step, phase, attempt, Outcome::kOk, false, {}, std::move(reply)));
  }
  std::vector<Send> Unknown(int step, Phase phase, int attempt = 1,
                            Failure why = {.reason = "UNAVAILABLE", .code = 14}) {
    return Happens(Answer(step, phase, attempt, Outcome::kUnknown, false, std::move(why)));
  }
  // The connection ended under the call.
  std::vector<Send> Cut(int step, Phase phase, int attempt = 1) {
    Replied cut = Answer(step, phase, attempt, Outcome::kUnknown, false, {.reason = "UNAVAILABLE", .code = 14});
    cut.by_transport = true;
    return Happens(cut);
  }
  std::vector<Send> AskedToWait(int step, Phase phase, int attempt, absl::Duration pause) {
    Replied busy = Answer(step, phase, attempt, Outcome::kUnknown, false, {.reason = "BUSY", .code = 8});
    busy.retry_after = pause;
    return Happens(busy);
  }
  std::vector<Send> Refused(int step, Phase phase, int attempt, bool effect_free,
                            Failure why = {.reason = "NO", .code = 9}) {
    return Happens(Answer(step, phase, attempt, Outcome::kRefused, effect_free, std::move(why)));
  }
  std::vector<Send> Fenced(int step, Phase phase, int attempt = 1) {
    return Happens(Answer(step, phase, attempt, Outcome::kFenced, false, {.reason = kReasonFenced, .code = 10}));
  }
  // Accepted, not finished.
  std::vector<Send> Pending(int step, Phase phase, int attempt = 1, std::string reply = "pay here",
                            absl::Duration ask_again = absl::ZeroDuration()) {
    Replied pending = Answer(step, phase, attempt, Outcome::kPending, false, {}, std::move(reply));
    pending.retry_after = ask_again;
    return Happens(pending);
  }
  void Sleeps(absl::Duration time) { now_ += time; }
  std::vector<Send> Waits(absl::Duration time) {
    Sleeps(time);
    return Happens(Ticked{});
  }

  const Plan& plan() const { return plan_; }
  const Saga& saga() const { return saga_; }
  const Step& step(int i) const { return saga_.steps[static_cast<std::size_t>(i)]; }
  absl::Time next_run() const { return NextRunAt(plan_, saga_); }
  absl::Time now() const { return now_; }
  bool stale() const { return stale_; }

 private:
  static Replied Answer(int step, Phase phase, int attempt, Outcome outcome, bool effect_free, Failure why,
                        std::string reply = "") {
    return {.step = step,
            .phase = phase,
            .attempt = attempt,
            .outcome = outcome,
            .effect_free = effect_free,
            .reply = std::move(reply),
            .failure = std::move(why),
            .elapsed = absl::ZeroDuration()};
  }

  Plan plan_;
  Saga saga_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  bool stale_ = false;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_CORE_TALE_H_
