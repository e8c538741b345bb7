// The answer to a call of a method that is not served.
#ifndef UNWIND_COMMON_RPC_UNIMPLEMENTED_H_
#define UNWIND_COMMON_RPC_UNIMPLEMENTED_H_

#include <string>

#include "absl/status/status.h"
#include "grpcpp/generic/async_generic_service.h"

namespace unwind {

inline constexpr char kTransportDomain[] = "rpc.unwind";  // of errors that no service had a say in

// UNIMPLEMENTED, METHOD_UNKNOWN, with the name of the method. `path` is "/package.Service/Method".
absl::Status NoSuchMethod(const std::string& path);

// Answers every call so. Register it where no other generic service is: gRPC's own answer has no message.
class UnimplementedService final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;
};

// Ends one call with a status that is not OK.
grpc::ServerGenericBidiReactor* Refuse(const absl::Status& status);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_UNIMPLEMENTED_H_
