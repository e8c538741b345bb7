// The mutating methods of the services, as their gRPC classes map them: each to a number and a phase.
#ifndef UNWIND_TESTS_SIM_METHODS_H_
#define UNWIND_TESTS_SIM_METHODS_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "common/participant/barrier.h"
#include "google/protobuf/message.h"
#include "tests/sim/network.h"

namespace unwind::sim {

struct Method {
  const char* path;
  Node node;
  int number;
  barrier::Phase phase;
  std::unique_ptr<google::protobuf::Message> (*new_request)();
};

// Null if there is none of this path.
const Method* FindMethod(absl::string_view path);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_METHODS_H_
