// What a scene of the demo demands of its answers, and the faults that it plays.
#ifndef UNWIND_TESTS_E2E_SCENE_CHECKS_H_
#define UNWIND_TESTS_E2E_SCENE_CHECKS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/support/shop.h"

namespace unwind {

template <typename... Parts>
absl::Status Not(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

inline absl::Status Expect(const grpc::Status& status, grpc::StatusCode code, absl::string_view reason) {
  if (status.error_code() == code && Reason(status) == reason) return absl::OkStatus();
  return Not("the answer was code ", status.error_code(), " ", Reason(status), " (", status.error_message(),
             "), not code ", code, " ", reason);
}

// Sets the gateway's faults for a scope.
class Fault {
 public:
  Fault(Shop& shop, const pg::v1::Scenario& scenario) : shop_(shop), status_(shop.SetScenario(scenario)) {}
  ~Fault() { shop_.SetScenario(pg::v1::Scenario()).IgnoreError(); }
  const absl::Status& status() const { return status_; }

 private:
  Shop& shop_;
  absl::Status status_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_SCENE_CHECKS_H_
