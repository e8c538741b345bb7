// A unary handler as a plain function; the reactor, the limits and the metrics are written once.
#ifndef UNWIND_COMMON_RPC_UNARY_H_
#define UNWIND_COMMON_RPC_UNARY_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/server_callback.h"

namespace unwind {

// Ends the call. Exactly once, from any thread.
using Done = absl::AnyInvocable<void(absl::Status) &&>;

// Checks the call at the door: its deadline has not passed (DEADLINE_EXCEEDED), the message is within the process's limit
// (INVALID_ARGUMENT, MESSAGE_TOO_LARGE), the fields keep their saga.v1.rules. OK: it may be handled.
absl::Status CheckCall(const grpc::CallbackServerContext& context, const google::protobuf::Message& request,
                       absl::string_view domain);

// Counts a call of `method` ("/package.Service/Method") from now until `Finish` in the grpc_server_* metrics.
class CallCounter {
 public:
  explicit CallCounter(absl::string_view method);
  void Finish(absl::StatusCode code);

 private:
  void* series_;
  absl::int128 started_;
};

// Runs `handle(done)` if CheckCall lets it. `handle` must not block: it answers at once or passes `done` on. Request and response live
// until `done` is called. gRPC callback threads run this.
template <class Request, class Response>
grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Request* request, Response* response,
                                absl::string_view domain, absl::AnyInvocable<void(Done) &&> handle);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_UNARY_H_
