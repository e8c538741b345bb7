// The gRPC edge of a participant: one line per mutating method of a service.
#ifndef UNWIND_COMMON_PARTICIPANT_SERVE_H_
#define UNWIND_COMMON_PARTICIPANT_SERVE_H_

#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/participant/participant.h"
#include "common/rpc/unary.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/string_ref.h"

namespace unwind {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// Reads saga-id, saga-step, saga-phase, saga-kind, saga-issued-at and idempotency-key. With saga metadata saga-phase
// counts (a method may undo in one saga what it does in another), but only a resolving method resolves. Without it the
// idempotency-key alone is enough and `phase` is the method's own. Without either: INVALID_ARGUMENT, reason
// METADATA_MISSING, naming what is missing; malformed values: INVALID_ARGUMENT, reason METADATA_INVALID.
absl::StatusOr<CallKey> ReadCallKey(const CallMetadata& metadata, barrier::Phase phase, absl::string_view domain);

// Serves one mutating method: limits and rules are checked, then `participant` decides. A resolve is not held to the
// rules: it must be able to say of an action that was refused for breaking them that it never happened.
template <class Request, class Response>
grpc::ServerUnaryReactor* ServeStep(Participant& participant, grpc::CallbackServerContext* context,
                                    const Request* request, Response* response, int method, barrier::Phase phase,
                                    absl::string_view domain) {
  return Serve(
      context, request, response, domain,
      [&participant, context, request, response, method, phase, domain](Done done) {
        absl::StatusOr<CallKey> key = ReadCallKey(context->client_metadata(), phase, domain);
        if (!key.ok()) return std::move(done)(key.status());
        participant.Submit(method, *std::move(key), std::make_shared<Request>(*request),
                           [context, response, done = std::move(done)](Participant::Reply reply) mutable {
                             if (reply.effect_free) context->AddTrailingMetadata("saga-outcome", "refused");
                             if (reply.status.ok() && !response->ParseFromString(reply.response)) {
                               reply.status = absl::InternalError("the stored reply is not one of this method");
                             }
                             std::move(done)(std::move(reply.status));
                           });
      },
      phase == barrier::Phase::kResolve ? FieldRules::kIgnore : FieldRules::kApply);
}

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_SERVE_H_
