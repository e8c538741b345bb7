#include "common/participant/options.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"

RANGED_FLAG(std::uint32_t, batch_max, 256, 1, 10000, "Calls decided in one transaction.");
RANGED_FLAG(std::uint32_t, queue_max, 4096, 1, 1000000,
            "Calls not answered yet; more are refused with RESOURCE_EXHAUSTED.");
RANGED_FLAG(absl::Duration, request_age_max, absl::Minutes(15), absl::Seconds(1), absl::Hours(24 * 365),
            "A step's action that was sent longer ago, and was not seen before, is FENCED.");
RANGED_FLAG(
    absl::Duration, row_age_max, absl::Hours(24 * 30), absl::Seconds(2), absl::Hours(24 * 365 * 100),
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
  if (options.row_age_max <= options.request_age_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--row_age_max=", absl::FormatDuration(options.row_age_max), ": must be more than --request_age_max=",
        absl::FormatDuration(options.request_age_max), ", for a call that comes late would be taken for a new one"));
  }
  return options;
}

}  // namespace unwind
