// Where the spans of this process go: to an OpenTelemetry collector, over OTLP/gRPC, or nowhere.
#ifndef UNWIND_COMMON_OBSERVE_TRACER_H_
#define UNWIND_COMMON_OBSERVE_TRACER_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/span.h"
#include "common/rpc/error.h"

namespace unwind {

// Thread-safe.
class Tracer {
 public:
  virtual ~Tracer() = default;

  // Never waits: what cannot be kept is dropped and counted.
  virtual void Export(Span span) = 0;
};

// Null: this process makes no spans.
Tracer* ProcessTracer();

// While it lives, `tracer` is the process's. One at a time; what traces must have ended before it does.
class TracingScope {
 public:
  explicit TracingScope(std::unique_ptr<Tracer> tracer);
  ~TracingScope();

 private:
  const std::unique_ptr<Tracer> tracer_;
};

// As --otlp_endpoint says; null: it says nothing. `service` is the resource's service.name. In its last moments it
// sends what waits, for at most kLastExportMax. The process's Transport must be there before it and outlive it.
// INVALID_ARGUMENT: it names TLS, and the process has no certificate.
inline constexpr absl::Duration kLastExportMax = absl::Seconds(2);
absl::StatusOr<std::unique_ptr<TracingScope>> TraceAsFlagsSay(absl::string_view service);

// A span of something that goes on, from its construction to End, on the wall clock. Does nothing without a tracer or
// ids. Thread-compatible.
class OpenSpan {
 public:
  OpenSpan() = default;
  OpenSpan(SpanKind kind, std::string name, std::optional<SpanIds> ids);

  bool is_open() const { return span_.has_value(); }

  // For what is called from within it; `trace` itself if there is no span.
  TraceContext Inside(TraceContext trace) const;

  // At most once; a span that is not ended is never seen. `error` as in Span.
  void End(std::string error, std::vector<SpanAttribute> attributes = {});

 private:
  std::optional<Span> span_;
};

// The span of serving the call of `method`, "/package.Service/Method", that came with `trace`, as every server port
// makes it; and what is called from within it. The same ids wherever it is asked for.
OpenSpan OpenServerSpan(absl::string_view method, const TraceContext& trace);
TraceContext InsideServerSpan(TraceContext trace);

// The span of a call to another process, from within `trace`.
OpenSpan OpenClientSpan(absl::string_view method, const TraceContext& trace);

// The attributes rpc.* by which OpenTelemetry knows a gRPC call that ended with `code`.
std::vector<SpanAttribute> CallAttributes(absl::string_view method, int code);

// A span's error: the reason that `status` carries, else its code; empty if it is OK.
std::string ErrorOf(const absl::Status& status);

}  // namespace unwind

#endif  // UNWIND_COMMON_OBSERVE_TRACER_H_
