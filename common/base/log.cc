#include "common/base/log.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/clock.h"
#include "common/base/stderr_line.h"
#include "grpc/support/log.h"
#include "nlohmann/json.hpp"

CHECKED_FLAG(std::string, log_level, "info", unwind::CheckLogLevel,
             "Least severe lines to log: debug, info, warning, error, or none.");

namespace unwind {
namespace {

std::atomic<Severity> g_level = Severity::kInfo;

std::string& ServiceName() {
  static auto* const name = new std::string;
  return *name;
}

const char* NameOf(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "?";
}

constexpr auto kNone = static_cast<Severity>(static_cast<int>(Severity::kError) + 1);

std::optional<Severity> LevelOf(const std::string& name) {
  if (name == "none") return kNone;
  for (const Severity severity : {Severity::kDebug, Severity::kInfo, Severity::kWarning, Severity::kError}) {
    if (name == NameOf(severity)) return severity;
  }
  return std::nullopt;
}

// What is left out of a flood of one message.
class SameMessageLimit {
 public:
  // Whether this one is written; then `left_out` is how many were not since the last.
  bool Admit(absl::string_view message, absl::Time now, std::int64_t& left_out) {
    std::lock_guard lock(mutex_);
    if (seen_.size() >= kMessagesMax) seen_.clear();
    Seen& seen = seen_[std::string(message)];
    if (now - seen.since >= absl::Seconds(1)) {
      seen.since = now;
      seen.written = 0;
    }
    if (seen.written == kSameMessagePerSecond) return ++seen.left_out, false;
    ++seen.written;
    left_out = std::exchange(seen.left_out, 0);
    return true;
  }

 private:
  static constexpr std::size_t kMessagesMax = 1000;  // messages are constants: never reached

  struct Seen {
    absl::Time since = absl::InfinitePast();
    int written = 0;
    std::int64_t left_out = 0;
  };

  std::mutex mutex_;
  std::unordered_map<std::string, Seen> seen_;
};

using Fields = std::vector<std::pair<absl::string_view, absl::string_view>>;

std::string LineOf(absl::Time now, Severity severity, absl::string_view message, const Fields& fields) {
  std::string text;
  for (const std::size_t value_max : {kLineBytesMax, kLineBytesMax / 4, kLineBytesMax / 16, kLineBytesMax / 64}) {
    nlohmann::ordered_json line;
    line["ts"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
    line["severity"] = NameOf(severity);
    line["service"] = ServiceName();
    line["msg"] = std::string(message.substr(0, value_max));
    for (const auto& [name, value] : fields) line[std::string(name)] = std::string(value.substr(0, value_max));
    text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    if (text.size() <= kLineBytesMax) break;
  }
  return text;
}

void Write(absl::Time now, Severity severity, absl::string_view message, const Fields& fields) {
  static std::atomic<std::int64_t> dropped = 0;
  if (!WriteToStderr(LineOf(now, severity, message, fields))) {
    ++dropped;
    return;
  }
  const std::int64_t count = dropped.exchange(0);
  if (count == 0) return;
  const std::string lines = absl::StrCat(count);
  if (!WriteToStderr(
          LineOf(now, Severity::kWarning, "log lines were dropped: stderr was not read", {{"lines", lines}})))
    dropped += count;
}

void LogForGrpc(gpr_log_func_args* args) {
  // What this file complains of, a port that cannot be had, is told by the code that asked for the port.
  const bool told = absl::EndsWith(args->file, "chttp2_server.cc");
  const Severity severity = args->severity == GPR_LOG_SEVERITY_ERROR && !told ? Severity::kWarning : Severity::kDebug;
  Log(severity, "gRPC complains", {{"text", args->message}, {"source", absl::StrCat(args->file, ":", args->line)}});
}

}  // namespace

void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields) {
  if (severity < g_level.load(std::memory_order_relaxed)) return;
  static auto* const limit = new SameMessageLimit;
  std::int64_t left_out = 0;
  if (!limit->Admit(message, SteadyNow(), left_out)) return;
  Fields all;
  for (const LogField& field : fields) all.emplace_back(field.name, field.value);
  const std::string count = absl::StrCat(left_out);
  if (left_out > 0) all.emplace_back("left_out", count);
  Write(absl::Now(), severity, message, all);
}

absl::Status CheckLogLevel(const std::string& name) {
  if (LevelOf(name).has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError("must be debug, info, warning, error or none");
}

void InitLog(absl::string_view service) {
  ServiceName() = std::string(service);
  g_level = LevelOf(absl::GetFlag(FLAGS_log_level)).value_or(Severity::kInfo);
  gpr_set_log_function(LogForGrpc);
}

}  // namespace unwind
