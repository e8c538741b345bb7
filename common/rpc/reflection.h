// Server reflection for grpc.reflection.v1 and v1alpha over any descriptors, also of methods that were never compiled
// in. (gRPC 1.51's own plugin knows only v1alpha and only compiled services; it must not be linked beside this, see
// protos/CMakeLists.txt.)
#ifndef UNWIND_COMMON_RPC_REFLECTION_H_
#define UNWIND_COMMON_RPC_REFLECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace unwind {

// What reflection shows: of a file that several pools have in the same content, the comments of the first that has any.
struct ReflectionSource {
  std::vector<std::string> services;                           // full names, as `list` shows them
  std::vector<const google::protobuf::DescriptorPool*> pools;  // asked in order; must outlive the server
};

// The two services to register, v1 and v1alpha. Thread-safe.
std::vector<std::unique_ptr<grpc::Service>> NewReflectionServices(const ReflectionSource& source);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_REFLECTION_H_
