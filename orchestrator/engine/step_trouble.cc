#include "orchestrator/engine/step_trouble.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

constexpr int kAttemptsPerWarning = 20;

// What `reply` (null: time) did to a step.
void Warn(const char* message, const LiveSaga& live, std::size_t step, const Replied* reply) {
  Log(Severity::kWarning, message,
      {{"saga_id", live.saga.id},
       {"step", live.definition->plan().steps[step].name},
       {"phase", NameOf(live.saga.steps[step].phase)},
       {"attempt", absl::StrCat(live.saga.steps[step].attempt())},
       {"reason", reply == nullptr ? "SAGA_TOO_OLD" : reply->failure.reason},
       {"error", reply == nullptr ? "" : reply->failure.message}});
}

}  // namespace

void TellTrouble(DriverObserver& observer, const LiveSaga& live, const Saga& next, const Replied* reply) {
  if (reply != nullptr && reply->outcome != Outcome::kOk && reply->attempt % kAttemptsPerWarning == 0) {
    Warn("a call goes on failing and is repeated", live, static_cast<std::size_t>(reply->step), reply);
  }
  for (std::size_t i = 0; i < next.steps.size(); ++i) {
    if (next.steps[i].parked && !live.saga.steps[i].parked) {
      observer.OnParked(next, live.definition->plan().steps[i].name);
      Warn("a step is parked: RetryStep, SkipStep or ResolveStep moves it", live, i, reply);
    }
  }
}

}  // namespace unwind
