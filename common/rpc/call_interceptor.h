// Sees the calls of generated services on their way through a server.
#ifndef UNWIND_COMMON_RPC_CALL_INTERCEPTOR_H_
#define UNWIND_COMMON_RPC_CALL_INTERCEPTOR_H_

#include <memory>
#include <mutex>
#include <set>

#include "grpc/grpc.h"
#include "grpcpp/support/server_interceptor.h"

namespace unwind {

// The open streams that have no end of their own, those of health and reflection: a server that drains ends them, or
// one client that watches would hold up its stop. Thread-safe.
class EndlessStreams {
 public:
  ~EndlessStreams();

  // The stream ends at once if all were ended before.
  void Add(grpc_call* call);
  void Remove(grpc_call* call);
  // UNAVAILABLE to their clients.
  void EndAll();

 private:
  std::mutex mutex_;
  bool ended_ = false;
  std::set<grpc_call*> calls_;  // a reference to each
};

// Counts the unary calls, calls bytes that are no request an invalid argument, where gRPC would say UNIMPLEMENTED as if
// there were no such method, names the method that has no handler, and adds the streams to `streams`, which must
// outlive the server. A generic handler does all of it by itself.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewCallInterceptors(EndlessStreams& streams);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_CALL_INTERCEPTOR_H_
