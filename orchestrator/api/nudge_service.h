// saga.participant.v1.NudgeService: participants say that what waits may be finished. A nudge of a saga that another
// instance drives is passed on to that one, once.
#ifndef UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_
#define UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"

namespace unwind {

// The name of the instance that passes a nudge on, which is not passed on again. Of the metadata that only an
// orchestrator may send.
inline constexpr char kForwardedByHeader[] = "saga-forwarded-by";

// Driver::Nudge.
using NudgeDriver = std::function<void(const std::string& saga_id, const std::string& step,
                                       std::function<void(absl::Status)> answered)>;

// A nudge of a saga that the instance `owner` drives.
struct ForeignNudge {
  std::string owner;
  std::string saga_id;
  std::string step;
  std::function<void(absl::Status)> answered;
};

// Puts it to its owner. Does not block; `answered` is called exactly once, on any thread.
using ForwardNudge = std::function<void(ForeignNudge nudge)>;

// Thread-safe.
class NudgeService final : public saga::participant::v1::NudgeService::CallbackService {
 public:
  NudgeService(NudgeDriver nudge, ForwardNudge forward) : nudge_(std::move(nudge)), forward_(std::move(forward)) {}

  grpc::ServerUnaryReactor* Nudge(grpc::CallbackServerContext* context,
                                  const saga::participant::v1::NudgeRequest* request,
                                  saga::participant::v1::NudgeResponse* response) override;

 private:
  const NudgeDriver nudge_;
  const ForwardNudge forward_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_NUDGE_SERVICE_H_
