#include "common/base/log.h"

#include <atomic>
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "nlohmann/json.hpp"

ABSL_FLAG(std::string, log_level, "info", "Least severe lines to log: debug, info, warning, error, or none.");

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

Severity LevelFromFlag() {
  const std::string level = absl::GetFlag(FLAGS_log_level);
  if (level == "none") return kNone;
  for (const Severity severity : {Severity::kDebug, Severity::kInfo, Severity::kWarning, Severity::kError}) {
    if (level == NameOf(severity)) return severity;
  }
  std::fprintf(stderr, "--log_level=%s: use debug, info, warning, error or none\n", level.c_str());
  std::exit(1);
}

void LogForGrpc(gpr_log_func_args* args) {
  // What this file complains of, a port that cannot be had, is told by who asked for the port.
  const bool told = absl::EndsWith(args->file, "chttp2_server.cc");
  const Severity severity = args->severity == GPR_LOG_SEVERITY_ERROR && !told ? Severity::kWarning : Severity::kDebug;
  Log(severity, args->message, {{"source", absl::StrCat("grpc ", args->file, ":", args->line)}});
}

}  // namespace

void Log(Severity severity, absl::string_view message, std::initializer_list<LogField> fields) {
  if (severity < g_level.load(std::memory_order_relaxed)) return;
  nlohmann::ordered_json line;
  line["ts"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  line["severity"] = NameOf(severity);
  line["service"] = ServiceName();
  line["msg"] = std::string(message);
  for (const LogField& field : fields) line[field.name] = field.value;
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);  // one write: lines of threads do not mix
}

void InitLog(absl::string_view service) {
  ServiceName() = std::string(service);
  g_level = LevelFromFlag();
  gpr_set_log_function(LogForGrpc);
}

}  // namespace unwind
