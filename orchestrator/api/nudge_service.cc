#include "orchestrator/api/nudge_service.h"

#include <memory>

#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {

grpc::ServerUnaryReactor* NudgeService::Nudge(grpc::CallbackServerContext* context,
                                              const saga::participant::v1::NudgeRequest* request,
                                              saga::participant::v1::NudgeResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, context, request](Done done) {
    auto shared = std::make_shared<Done>(std::move(done));  // a std::function must be copyable
    const auto answered = [shared](absl::Status status) { std::move (*shared)(std::move(status)); };
    const bool is_forwarded = context->client_metadata().count(kForwardedByHeader) > 0;
    nudge_(request->saga_id(), request->step(), [this, request, is_forwarded, answered](absl::Status status) {
      const std::string owner = is_forwarded ? "" : OwnerElsewhere(status);
      if (owner.empty()) return answered(std::move(status));
      forward_({.owner = owner, .saga_id = request->saga_id(), .step = request->step(), .answered = answered});
    });
  });
}

}  // namespace unwind
