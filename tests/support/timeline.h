// A saga's history for people: one line a call, but one for all that follow a "pending" and say the same, as in
//
//     at ms  step            phase         try  outcome    took ms
//       1.9  create_order    action          1  ok             1.4
//      14.0  charge          action          1  refused        9.8  PAYMENT_FAILED: the gateway declined
#ifndef UNWIND_TESTS_SUPPORT_TIMELINE_H_
#define UNWIND_TESTS_SUPPORT_TIMELINE_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

std::string Timeline(const saga::v1::Saga& saga, const std::vector<saga::v1::HistoryEntry>& history);

// {"saga_id", "definition", "state", "steps": [{"step", "phase", "attempt", "outcome", "ms", "at_ms", "reason"}]}.
nlohmann::json TimelineJson(const saga::v1::Saga& saga, const std::vector<saga::v1::HistoryEntry>& history);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_TIMELINE_H_
