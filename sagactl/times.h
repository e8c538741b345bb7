// Times as people write and read them.
#ifndef UNWIND_SAGACTL_TIMES_H_
#define UNWIND_SAGACTL_TIMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace unwind::sagactl {

absl::Time TimeOf(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp TimestampOf(absl::Time time);

// To the second, or to the millisecond, with the offset of `zone`: 2026-11-27 09:10:11+09:00, 2026-11-27 00:10:11.123Z.
std::string ToSecond(absl::Time time, absl::TimeZone zone);
std::string ToMillisecond(absl::Time time, absl::TimeZone zone);

// Its largest unit or two: 45s, 12m, 3h20m, 9d4h. Never negative.
std::string Rough(absl::Duration length);

// 2026-11-26T00:00:00Z, 2026-11-26 09:00:00+09:00, 2026-11-26 09:00:00, 2026-11-26 09:00, 2026-11-26 (in `zone`), or
// a time before `now`: 90s, 15m, 2h30m, 7d. INVALID_ARGUMENT: it is none of these.
absl::StatusOr<absl::Time> ReadTime(absl::string_view text, absl::Time now, absl::TimeZone zone);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_TIMES_H_
