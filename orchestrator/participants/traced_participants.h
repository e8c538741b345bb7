// Decorates the participants port: each call that is sent has a span, and the participant receives it as its parent.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_TRACED_PARTICIPANTS_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_TRACED_PARTICIPANTS_H_

#include <functional>

#include "orchestrator/engine/participants.h"

namespace unwind {

// Thread-safe. A call that is not sampled goes out as it is, with the trace of its caller.
class TracedParticipants final : public Participants {
 public:
  // `calls` must outlive it. `ratio`: of the sagas whose caller has no trace (SpanOfSaga).
  TracedParticipants(Participants& calls, double ratio) : calls_(calls), ratio_(ratio) {}

  void Invoke(Call call, std::function<void(CallResult)> done) override;

 private:
  Participants& calls_;
  const double ratio_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_TRACED_PARTICIPANTS_H_
