// What members, products and the gateway have, read from the services' own databases: a line for each thing that a call
// could move. What only tells that something was refused or undone, such as an order that failed, is left out.
#ifndef UNWIND_TESTS_SUPPORT_HOLDINGS_H_
#define UNWIND_TESTS_SUPPORT_HOLDINGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/cluster.h"

namespace unwind {

// In an order of its own.
absl::StatusOr<std::vector<std::string>> Holdings(const Cluster& cluster);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_HOLDINGS_H_
