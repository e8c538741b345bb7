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
                       .Register(registry)),
        waiting_(prometheus::BuildGauge()
                     .Name("participant_calls_waiting")
                     .Help("Calls that wait to be sent to a participant.")
                     .Register(registry)),
        out_(prometheus::BuildGauge()
                 .Name("participant_calls_out")
                 .Help("Calls that a participant was sent and has not answered.")
                 .Register(registry)) {}

  ClientMetrics& calls() { return calls_; }

  // Of one target, by its address.
  struct Target {
    prometheus::Gauge& held_back;  // 1 while calls to it are held back because it does not answer
    prometheus::Gauge& waiting;
    prometheus::Gauge& out;
  };
  Target Of(const std::string& address) {
    const prometheus::Labels labels = {{"target", address}};
    return {held_back_.Add(labels), waiting_.Add(labels), out_.Add(labels)};
  }

 private:
  ClientMetrics calls_;
  prometheus::Family<prometheus::Gauge>& held_back_;
  prometheus::Family<prometheus::Gauge>& waiting_;
  prometheus::Family<prometheus::Gauge>& out_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_PARTICIPANT_METRICS_H_
