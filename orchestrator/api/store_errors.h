// What a caller of saga.v1.SagaService is told for an error of the store.
#ifndef UNWIND_ORCHESTRATOR_API_STORE_ERRORS_H_
#define UNWIND_ORCHESTRATOR_API_STORE_ERRORS_H_

#include <map>
#include <string>

#include "absl/status/status.h"

namespace unwind {

using About = std::map<std::string, std::string>;  // what was asked for, as metadata

About ById(const std::string& saga_id);

// NOT_FOUND SAGA_NOT_FOUND, DATA_LOSS SAGA_UNREADABLE, UNAVAILABLE STORE_UNAVAILABLE, INTERNAL STORE_FAILED: without
// the database's words. What has a reason already, from the driver, stays as it is.
absl::Status ToCaller(const absl::Status& status, const About& about);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_STORE_ERRORS_H_
