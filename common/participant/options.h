// A participant's limits, from the command line: --batch_max, --queue_max, --request_age_max, --row_age_max.
#ifndef UNWIND_COMMON_PARTICIPANT_OPTIONS_H_
#define UNWIND_COMMON_PARTICIPANT_OPTIONS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/participant/participant.h"

namespace unwind {

// After ParseFlags, which has checked each flag by itself. INVALID_ARGUMENT, one sentence: flags that contradict each
// other. `domain`: of ErrorInfo.
absl::StatusOr<ParticipantOptions> OptionsFromFlags(absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_OPTIONS_H_
