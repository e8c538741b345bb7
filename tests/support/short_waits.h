// The shop's definitions with a shorter wait for the payment of a checkout, and nothing else changed.
#ifndef UNWIND_TESTS_SUPPORT_SHORT_WAITS_H_
#define UNWIND_TESTS_SUPPORT_SHORT_WAITS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace unwind {

struct Waits {
  absl::Duration poll;
  absl::Duration cap;
  absl::Duration patience;  // the definition's `for`
};

// Makes `folder` a copy of the definitions of `source`, in which a checkout waits so.
absl::Status WriteWithWaits(const std::string& source, const std::string& folder, const Waits& waits);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_SHORT_WAITS_H_
