#include "common/participant/options.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"

ABSL_FLAG(std::uint32_t, batch_max, 256, "Calls decided in one transaction, 1 to 10000.");
ABSL_FLAG(std::uint32_t, queue_max, 4096,
          "Calls not answered yet, 1 to 1000000; more are refused with RESOURCE_EXHAUSTED.");
ABSL_FLAG(absl::Duration, request_age_max, absl::Minutes(15),
          "A step's call that was sent longer ago is FENCED unread.");
ABSL_FLAG(
    absl::Duration, row_age_max, absl::Hours(24 * 30),
    "How long the answers to calls are kept, at least; more than --request_age_max. They are kept for longer while "
    "their saga may repeat its calls (saga-expires-at).");

namespace unwind {

absl::StatusOr<ParticipantOptions> OptionsFromFlags(absl::string_view domain) {
  ParticipantOptions options;
  options.domain = std::string(domain);
  options.batch_max = absl::GetFlag(FLAGS_batch_max);
  options.queue_max = absl::GetFlag(FLAGS_queue_max);
  options.request_age_max = absl::GetFlag(FLAGS_request_age_max);
  options.row_age_max = absl::GetFlag(FLAGS_row_age_max);
  if (options.batch_max < 1 || options.batch_max > 10000) {
    return absl::InvalidArgumentError("--batch_max must be 1 to 10000");
  }
  if (options.queue_max < 1 || options.queue_max > 1000000) {
    return absl::InvalidArgumentError("--queue_max must be 1 to 1000000");
  }
  if (options.request_age_max <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--request_age_max must be above zero, such as 15m");
  }
  if (options.row_age_max <= options.request_age_max) {
    return absl::InvalidArgumentError(
        "--row_age_max must be more than --request_age_max: a call that comes late would be taken for a new one");
  }
  return options;
}

}  // namespace unwind
