#include "orchestrator/engine/step_trouble.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

constexpr int kAttemptsPerWarning = 20;

void Warn(const char* message, const Plan& plan, const Saga& saga, std::size_t i, const Failure& why) {
  Log(Severity::kWarning, message,
      {{"saga_id", saga.id},
       {"step", plan.steps[i].name},
       {"phase", NameOf(saga.steps[i].phase)},
       {"attempt", absl::StrCat(saga.steps[i].attempt())},
       {"reason", why.reason},
       {"error", why.message}});
}

}  // namespace

void TellTrouble(DriverObserver& observer, const LiveSaga& live, const Saga& next, const Replied* reply) {
  const Plan& plan = live.definition->plan();
  const bool failed = reply != nullptr && reply->outcome != Outcome::kOk && reply->outcome != Outcome::kPending;
  if (failed && reply->attempt % kAttemptsPerWarning == 0) {
    Warn("a call goes on failing and is repeated", plan, live.saga, static_cast<std::size_t>(reply->step),
         reply->failure);
  }
  for (std::size_t i = 0; i < next.steps.size(); ++i) {
    if (next.steps[i].parked && !live.saga.steps[i].parked) {
      observer.OnParked(next, plan.steps[i].name);
      // What its own answer said, or its age, whatever event it was that parked it.
      Warn("a step is parked: RetryStep, SkipStep or ResolveStep moves it", plan, next, i, next.steps[i].last_failure);
    }
  }
}

}  // namespace unwind
