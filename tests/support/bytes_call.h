// One unary call with the message as bytes, for tests that have no generated stub or send what no stub would.
#ifndef UNWIND_TESTS_SUPPORT_BYTES_CALL_H_
#define UNWIND_TESTS_SUPPORT_BYTES_CALL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace unwind {

// Calls the method at `path` ("/package.Service/Method") and waits; `context` has the deadline. `reply`: null, or where
// the answer's bytes go if the call is OK.
grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                           const std::string& path, const std::string& request, std::string* reply = nullptr);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_BYTES_CALL_H_
