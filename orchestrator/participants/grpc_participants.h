// The network port over gRPC: calls any unary method of any service by its path, bytes in and bytes out.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_GRPC_PARTICIPANTS_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_GRPC_PARTICIPANTS_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "orchestrator/engine/participants.h"
#include "orchestrator/participants/participant_metrics.h"
#include "orchestrator/participants/routes.h"

namespace unwind {

struct GrpcParticipantsOptions {
  std::size_t in_flight_max = 256;         // calls out to one target; more wait here, see CallQueue
  int channels = 1;                        // HTTP/2 connections to one target
  std::size_t reply_bytes_max = 64 << 10;  // 1 KiB to 4 MiB; a larger reply is no answer
  std::size_t queue_bytes_max = 64 << 20;  // of the calls that wait, each target's an equal part; more are not taken
};

// Thread-safe. Every call has an explicit deadline and fails fast: a participant that is down is UNAVAILABLE at once,
// and repeating is the saga's business.
class GrpcParticipants final : public Participants {
 public:
  // `metrics` must outlive it.
  GrpcParticipants(const Routes& routes, const GrpcParticipantsOptions& options, ParticipantMetrics& metrics);
  ~GrpcParticipants() override;

  // A service without a route is answered UNAVAILABLE, at once; a call that finds no room to wait RESOURCE_EXHAUSTED,
  // CALL_NOT_SENT, `by_transport`.
  void Invoke(Call call, std::function<void(CallResult)> done) override;

  // Cancels the calls that are out, answers those that wait with CANCELLED, and returns once every `done` has run.
  // Idempotent.
  void Stop();

 private:
  class Target;

  std::map<std::string, std::unique_ptr<Target>> targets_;
  std::map<std::string, Target*, std::less<>> by_service_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_GRPC_PARTICIPANTS_H_
