// What every command works with: the orchestrator that it asks, where it prints, and how.
#ifndef UNWIND_SAGACTL_SESSION_H_
#define UNWIND_SAGACTL_SESSION_H_

#include <cstddef>
#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"
#include "saga/v1/saga_service.grpc.pb.h"

namespace unwind::sagactl {

using Stub = saga::v1::SagaService::Stub;

struct Session {
  std::unique_ptr<Stub> stub;
  std::unique_ptr<saga::participant::v1::NudgeService::Stub> nudges;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;         // what is no result: hints, questions, what could not be shown
  bool json = false;         // results as proto3 JSON, one object a line
  bool is_terminal = false;  // a person reads and can be asked
  std::size_t line_max = 0;  // columns of the terminal; 0: no limit
  std::string actor;         // who decides where --actor does not say; empty: whom the orchestrator knows
  absl::TimeZone zone;       // of the times that are printed, and of those that are read without one
};

// OK: done. Else what the program says by itself (sagactl/ending.h), an answer of the orchestrator, or of gRPC if it
// has no ErrorInfo.
using Command = std::function<absl::Status(Session&)>;

inline constexpr absl::Duration kCallMax = absl::Seconds(30);  // the orchestrator answers within 10 s

// One call of a unary method.
template <class AnyStub, class Request, class Response>
absl::StatusOr<Response> Call(AnyStub& stub,
                              grpc::Status (AnyStub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallMax));
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}
template <class Request, class Response>
absl::StatusOr<Response> Call(Session& session,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request) {
  return Call(*session.stub, method, request);
}

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_SESSION_H_
