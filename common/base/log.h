// The process's log: one JSON object a line on stderr.
#ifndef UNWIND_COMMON_BASE_LOG_H_
#define UNWIND_COMMON_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace unwind {

enum class Severity { kDebug, kInfo, kWarning, kError };

// A field's value is any text; bad UTF-8 is replaced.
struct LogField {
  LogField(absl::string_view n, absl::string_view v) : name(n), value(v) {}
  std::string name;
  std::string value;
};

// Of one message; more in the same second are counted and not written.
inline constexpr int kSameMessagePerSecond = 20;

// Writes {"ts": RFC 3339 in UTC, "severity": ..., "service": ..., "msg": ..., fields...} if `severity` is at least the
// level. Field names are those of the saga: saga_id, step, phase, attempt, trace_id. Never a payment token or a whole
// request. `message` is a constant; what varies is a field. Of equal messages kSameMessagePerSecond are written a
// second, and the next one says how many were not ("left_out"). A line over 4 KiB has its fields cut. Never waits: a
// line that stderr cannot take at once is dropped, and how many were is told once it can. Thread-safe.
void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields = {});

// For --log_level.
absl::Status CheckLogLevel(const std::string& name);

// Names the process in every line, sets the level from --log_level, and sends gRPC's own log the same way. Call once,
// from main.
void InitLog(absl::string_view service);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_LOG_H_
