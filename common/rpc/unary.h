// A unary handler as a plain function; the reactor, the validation and the metrics are written once.
#ifndef UNWIND_COMMON_RPC_UNARY_H_
#define UNWIND_COMMON_RPC_UNARY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/error.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace unwind {

// Ends the call. Exactly once, from any thread.
using Done = absl::AnyInvocable<void(absl::Status) &&>;

// When the call's client stops waiting; infinite: never, or later than any clock here can say.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

// Adds the trailer `grpc-retry-pushback-ms` if `status` has a RetryInfo: gRPC's own retries heed only that. Before the
// call ends.
void AddPushback(grpc::ServerContextBase& context, const absl::Status& status);

// --message_max_bytes.
std::size_t MessageBytesMax();

// Whether the call may be handled: the policy lets it (common/rpc/policy.h), its deadline has not passed
// (DEADLINE_EXCEEDED, DEADLINE_PASSED), its metadata is within 16 KiB (INVALID_ARGUMENT, METADATA_TOO_LARGE) and has
// `idempotency-key` and each `saga-*` once, its message within --message_max_bytes (INVALID_ARGUMENT,
// MESSAGE_TOO_LARGE; over 1 MiB gRPC says RESOURCE_EXHAUSTED before), its fields keep their saga.v1.rules
// (INVALID_ARGUMENT, INVALID_REQUEST) unless those are ignored, and those that name the caller do (CheckCallerFields).
enum class FieldRules : std::uint8_t { kApply, kIgnore };
absl::Status CheckCall(const grpc::CallbackServerContext& context, const google::protobuf::Message& request,
                       absl::string_view domain, FieldRules rules = FieldRules::kApply);

// One call in the grpc_server_* metrics (go-grpc-prometheus names), from its construction until Finish. The server
// counts the calls of generated services by itself; generic handlers count theirs with this. Thread-compatible.
class CallCounter {
 public:
  // `path` is "/package.Service/Method".
  explicit CallCounter(absl::string_view path);
  void Finish(absl::StatusCode code);

  struct Method;

 private:
  Method* method_;
  absl::Time started_;
};

// Runs `handle(done)` if CheckCall lets it; on a gRPC thread, so it must not block: it answers at once or passes `done`
// on. Request and response live until `done` is called.
template <class Request, class Response>
grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Request* request, Response*,
                                absl::string_view domain, absl::AnyInvocable<void(Done) &&> handle,
                                FieldRules rules = FieldRules::kApply) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  Done done = [context, reactor](const absl::Status& status) {
    AddPushback(*context, status);
    reactor->Finish(ToGrpc(status));
  };
  if (absl::Status status = CheckCall(*context, *request, domain, rules); !status.ok()) {
    std::move(done)(std::move(status));
  } else {
    std::move(handle)(std::move(done));
  }
  return reactor;
}

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_UNARY_H_
