// Reads the policy file: YAML. One file holds the rules of a whole shop; each program uses those for what it serves.
//
//   rules:
//     - callers: [gateway]               # stable service identities; ["*"]: any; []: nobody
//       methods: [shop.checkout.v1.CheckoutService/*, shop.order.v1.OrderService/GetOrder]
//       member: required                 # or allowed: whether the call must, or may, say x-member-id; else it may not
//     - callers: [orchestrator]
//       methods: [shop.stock.v1.StockService/Reserve]
//       saga_metadata: allowed           # the call may say saga-*; else it may not
#ifndef UNWIND_COMMON_RPC_POLICY_FILE_H_
#define UNWIND_COMMON_RPC_POLICY_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/policy.h"
#include "google/protobuf/descriptor.h"

namespace unwind {

// What a program serves.
struct ServedNames {
  std::vector<std::string> services;                           // full names, of all its ports
  std::vector<const google::protobuf::DescriptorPool*> pools;  // where services are described, besides what is
                                                               // compiled in
};

// INVALID_ARGUMENT: everything that is wrong (the first 100), one a line, each "file:line: what is wrong; what to do".
// Wrong is what cannot be read, a key or value that the format has not, a service or method that no pool describes, two
// rules about one caller and method, and a method of `served.services` that no rule is about.
absl::StatusOr<Policy> ParsePolicy(const std::string& file, const std::string& yaml, const ServedNames& served);

// The same of a file; NOT_FOUND, one sentence, if it cannot be read.
absl::StatusOr<Policy> ReadPolicyFile(const std::string& file, const ServedNames& served);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_POLICY_FILE_H_
