// A participant's limits, from the command line: --batch_max, --queue_max, --request_age_max, --row_age_max.
#ifndef UNWIND_COMMON_PARTICIPANT_OPTIONS_H_
#define UNWIND_COMMON_PARTICIPANT_OPTIONS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/participant/participant.h"

namespace unwind {

// INVALID_ARGUMENT, one sentence, for a flag that is out of its range. `domain`: of ErrorInfo.
absl::StatusOr<ParticipantOptions> OptionsFromFlags(absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_OPTIONS_H_
