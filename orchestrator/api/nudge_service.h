// saga.participant.v1.NudgeService: participants say that what waits may be finished.
#ifndef UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_
#define UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"

namespace unwind {

// Driver::Nudge.
using NudgeDriver = std::function<void(const std::string& saga_id, const std::string& step,
                                       std::function<void(absl::Status)> answered)>;

// Thread-safe.
class NudgeService final : public saga::participant::v1::NudgeService::CallbackService {
 public:
  explicit NudgeService(NudgeDriver nudge) : nudge_(std::move(nudge)) {}

  grpc::ServerUnaryReactor* Nudge(grpc::CallbackServerContext* context,
                                  const saga::participant::v1::NudgeRequest* request,
                                  saga::participant::v1::NudgeResponse* response) override;

 private:
  const NudgeDriver nudge_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_
