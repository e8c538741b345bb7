// The process's log: one JSON object a line on stderr.
#ifndef UNWIND_COMMON_BASE_LOG_H_
#define UNWIND_COMMON_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace unwind {

enum class Severity { kDebug, kInfo, kWarning, kError };

// A field's value is any text; bad UTF-8 is replaced.
struct LogField {
  LogField(absl::string_view n, absl::string_view v) : name(n), value(v) {}
  std::string name;
  std::string value;
};

// Writes {"ts": RFC 3339 in UTC, "severity": ..., "service": ..., "msg": ..., fields...} if `severity` is at least the
// level. Field names are those of the saga: saga_id, step, phase, attempt, trace_id. Never a payment token or a whole
// request. Thread-safe.
void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields = {});

// Names the process in every line, sets the level from --log_level, and sends gRPC's own log the same way. Call once,
// from main.
void InitLog(absl::string_view service);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_LOG_H_
