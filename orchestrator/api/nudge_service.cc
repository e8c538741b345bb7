#include "orchestrator/api/nudge_service.h"

#include <memory>

#include "common/rpc/unary.h"
#include "orchestrator/core/names.h"

namespace unwind {

grpc::ServerUnaryReactor* NudgeService::Nudge(grpc::CallbackServerContext* context,
                                              const saga::participant::v1::NudgeRequest* request,
                                              saga::participant::v1::NudgeResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, request](Done done) {
    auto shared = std::make_shared<Done>(std::move(done));  // a std::function must be copyable
    nudge_(request->saga_id(), request->step(),
           [shared](absl::Status status) { std::move (*shared)(std::move(status)); });
  });
}

}  // namespace unwind
