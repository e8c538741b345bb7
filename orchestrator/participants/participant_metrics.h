// The metrics of calls to participants, and whether these answer.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_PARTICIPANT_METRICS_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_PARTICIPANT_METRICS_H_

#include <string>

#include "common/metrics/client_metrics.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace unwind {

// Thread-safe.
class ParticipantMetrics {
 public:
  // `registry` must outlive it.
  explicit ParticipantMetrics(prometheus::Registry& registry)
      : calls_(registry),
        held_back_(prometheus::BuildGauge()
                       .Name("participant_held_back")
                       .Help("1 while calls to a participant are held to a rate, because so many in a row failed.")
                       .Register(registry)) {}

  ClientMetrics& calls() { return calls_; }

  // Of a target's address: 1 while calls to it are held back because it does not answer.
  prometheus::Gauge& HeldBack(const std::string& target) { return held_back_.Add({{"target", target}}); }

 private:
  ClientMetrics calls_;
  prometheus::Family<prometheus::Gauge>& held_back_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_PARTICIPANT_METRICS_H_
