#include "sagactl/times.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace unwind::sagactl {
namespace {

constexpr absl::Duration kMinute = absl::Minutes(1), kHour = absl::Hours(1), kDay = absl::Hours(24);

std::string Shown(const char* format, absl::Time time, absl::TimeZone zone) {
  const bool is_utc = zone == absl::UTCTimeZone();
  return absl::FormatTime(absl::StrCat(format, is_utc ? "Z" : "%Ez"), time, zone);
}

bool ReadDays(absl::string_view text, absl::Duration* length) {
  std::int64_t days = 0;
  if (!absl::ConsumeSuffix(&text, "d") || !absl::SimpleAtoi(text, &days)) return false;
  *length = days * kDay;
  return true;
}

absl::Status NoTime() {
  return absl::InvalidArgumentError(
      "must be a time such as 2026-11-26T09:00:00Z, \"2026-11-26 09:00\" or 2026-11-26, or how long ago: 90s, 15m, "
      "2h30m, 7d");
}

}  // namespace

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

google::protobuf::Timestamp TimestampOf(absl::Time time) {
  google::protobuf::Timestamp proto;
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return proto;
}

std::string ToSecond(absl::Time time, absl::TimeZone zone) { return Shown("%Y-%m-%d %H:%M:%S", time, zone); }
std::string ToMillisecond(absl::Time time, absl::TimeZone zone) { return Shown("%Y-%m-%d %H:%M:%E3S", time, zone); }

std::string Rough(absl::Duration length) {
  const auto whole = [&length](absl::Duration unit) { return absl::IDivDuration(length, unit, &length); };
  if (length < kMinute) return absl::StrCat(length < absl::ZeroDuration() ? 0 : whole(absl::Seconds(1)), "s");
  if (length < kHour) return absl::StrCat(whole(kMinute), "m");
  const bool is_long = length >= kDay;
  const std::int64_t large = whole(is_long ? kDay : kHour), small = whole(is_long ? kHour : kMinute);
  return absl::StrCat(large, is_long ? "d" : "h", small, is_long ? "h" : "m");
}

absl::StatusOr<absl::Time> ReadTime(absl::string_view text, absl::Time now, absl::TimeZone zone) {
  absl::Duration ago;
  if (ReadDays(text, &ago) || absl::ParseDuration(text, &ago)) {
    if (ago < absl::ZeroDuration() || ago == absl::InfiniteDuration()) return NoTime();
    return now - ago;
  }
  absl::Time time;
  for (const char* const format : {absl::RFC3339_full, "%Y-%m-%d %H:%M:%E*S%Ez"}) {
    if (absl::ParseTime(format, text, &time, nullptr)) return time;
  }
  for (const char* const format : {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, text, zone, &time, nullptr)) return time;
  }
  return NoTime();
}

}  // namespace unwind::sagactl
